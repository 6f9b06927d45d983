"""`QueueConfig`: the environment above the program, the program above the defaults."""

import pytest
from qtasks import QueueConfig, QueueTasks
from qtasks.errors import ConfigError


def test_defaults_are_those_that_are_promised():
    config = QueueConfig()
    assert config.max_tasks_process == 10
    assert config.task_default_priority == 0
    assert config.global_config_status_ttl == 20
    assert config.global_config_status_set_periodic == 17
    assert config.environ_prefix == "QTASKS_"
    assert config.result_ttl == 86_400
    assert set(config.result_statuses_end) == {"success", "error", "cancel", "dead", "expired"}


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("QTASKS_MAX_TASKS_PROCESS", "3", "max_tasks_process", 3),
        ("QTASKS_RESULT_TTL", "0.5", "result_ttl", 0.5),
        ("QTASKS_RUNNING_OLDER_TASKS", "false", "running_older_tasks", False),
        ("QTASKS_LOGS_FORMAT", "%(message)s", "logs_format", "%(message)s"),
        ("QTASKS_RESULT_STATUSES_END", "success,error", "result_statuses_end", ["success", "error"]),
    ],
)
def test_the_environment_beats_the_constructor(monkeypatch, variable, text, name, value):
    given = QueueConfig(**{name: getattr(QueueConfig(), name)})
    monkeypatch.setenv(variable, text)
    config = QueueConfig(**{name: getattr(given, name)})
    assert getattr(config, name) == value
    assert getattr(given, name) != value


def test_another_prefix_reads_other_variables(monkeypatch):
    monkeypatch.setenv("QTASKS_LEASE", "30")
    monkeypatch.setenv("SHOP_LEASE", "60")
    assert QueueConfig(environ_prefix="SHOP_").lease == 60


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("QTASKS_MAX_TASKS_PROCESS", "many"),
        ("QTASKS_LEASE", "15s"),
        ("QTASKS_RUNNING_OLDER_TASKS", "maybe"),
        ("QTASKS_MAX_TASKS_PROCESS", "1.5"),
    ],
)
def test_a_value_that_does_not_parse_is_told_with_the_name_of_its_variable(monkeypatch, variable, text):
    monkeypatch.setenv(variable, text)
    with pytest.raises(ConfigError, match=f"The environment variable {variable} has the value '{text}'") as raised:
        QueueConfig()
    assert "unset it" in raised.value.hint


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_tasks_process", 0),
        ("max_tasks_process", "10"),
        ("max_tasks_process", 1.5),
        ("max_tasks_process", True),
        ("lease", 0),
        ("lease", float("nan")),
        ("lease", float("inf")),
        ("lease", None),
        ("result_ttl", -1),
        ("grace", "25s"),
        ("max_payload_bytes", 0),
    ],
)
def test_a_value_that_cannot_be_used_is_refused(name, value):
    with pytest.raises(ConfigError, match=f"QueueConfig: {name} must"):
        QueueConfig(**{name: value})


def test_a_value_of_the_environment_is_checked_too(monkeypatch):
    monkeypatch.setenv("QTASKS_LEASE", "0")
    with pytest.raises(ConfigError, match="lease must be above 0"):
        QueueConfig()


def test_unknown_names_are_kept():
    config = QueueConfig(team="billing")
    config.colour = "red"
    assert (config.team, config.colour) == ("billing", "red")
    with pytest.raises(AttributeError, match="QueueConfig has no setting 'nonsense'"):
        config.nonsense  # noqa: B018 - reading it is the point


def test_a_slip_of_a_declared_name_is_kept_and_warned_of():
    with pytest.warns(UserWarning, match="QueueConfig has no setting 'max_task_process' of its own") as warned:
        config = QueueConfig(max_task_process=3)
    assert "Did you mean 'max_tasks_process'?" in str(warned[0].message)
    assert warned[0].filename == __file__
    assert (config.max_task_process, config.max_tasks_process) == (3, 10)
    with pytest.warns(UserWarning, match="Did you mean 'result_ttl'") as warned:
        config.result_tll = 5
    assert warned[0].filename == __file__


def test_subscribers_hear_of_every_change():
    config, heard = QueueConfig(), []
    config.subscribe(lambda changed, key, value: heard.append((changed is config, key, value)))
    config.result_ttl = 5
    config.team = "billing"
    assert heard == [(True, "result_ttl", 5), (True, "team", "billing")]


def test_an_application_makes_its_config_from_the_environment(monkeypatch):
    monkeypatch.setenv("QTASKS_MAX_TASKS_PROCESS", "3")
    assert QueueTasks("kernel", "memory://config").config.max_tasks_process == 3


@pytest.mark.parametrize("name", ["", "a b", "ü", "x" * 129])
def test_an_application_has_a_name(name):
    with pytest.raises(ConfigError, match="is not a name"):
        QueueTasks(name, "memory://config")
