"""What decorators say of schedules by mistake: slips of the words, and calls that cannot fit the function."""

import functools
from typing import Annotated

import pytest
from qtasks import Depends, QueueTasks
from qtasks.errors import ConfigError
from qtasks.executor.executor import TaskExecutor
from qtasks.message import new_id
from qtasks.plugins import AsyncState, Schedule, injected


class Visits(AsyncState):
    """A state."""


class Elsewhere:
    """What some plugin might fill."""


@pytest.fixture
def plain():
    """An application in memory: what is declared depends on no backend."""
    return QueueTasks("fitting", f"memory://{new_id()}")


@pytest.mark.parametrize(
    ("words", "wrong", "meant"),
    [
        ({"crn": "* * * * *"}, "crn", "cron"),
        ({"evry": "10s"}, "evry", "every"),
        ({"schedules": []}, "schedules", "schedule"),
        ({"every": "10s", "overlp": "skip"}, "overlp", "overlap"),
    ],
)
def test_a_slip_of_a_word_names_the_word_that_was_meant(plain, words, wrong, meant):
    with pytest.raises(ConfigError, match=rf"A task has no option '{wrong}'\.\nDid you mean '{meant}'\?"):
        plain.task("t", **words)(lambda: None)
    assert len(plain.tasks) == 0


@pytest.mark.parametrize(("word", "value"), [("args", [1]), ("kwargs", {"x": 1})])
def test_arguments_beside_a_schedule_belong_into_it(plain, word, value):
    with pytest.raises(
        ConfigError, match=rf"has {word}= beside its schedule.*\nWrite schedule=Schedule\(\.\.\., {word}="
    ):
        plain.task("t", cron="@daily", **{word: value})(lambda x: None)
    assert len(plain.tasks) == 0


def test_words_of_other_plugins_are_left_to_them(plain):
    plain.task("t", colour="red", args=[1])(lambda: None)
    plain.task("u", colour="red", every="10s")(lambda: None)
    assert plain.tasks["t"].options.extra == {"colour": "red", "args": [1]}


def unannotated(kind):
    pass


def annotated(kind: str):
    pass


def generic(kind: list[int]):
    pass


def as_text(kind: "str"):
    pass


def by_name_only(*, kind: str):
    pass


def beside_a_state(kind: str, visits: Visits):
    pass


NEEDY = [unannotated, annotated, generic, as_text, by_name_only, beside_a_state]


@pytest.mark.parametrize("function", NEEDY)
def test_a_schedule_that_leaves_out_an_argument_is_refused(plain, function):
    with pytest.raises(ConfigError, match="calls it without 'kind', which it needs") as refused:
        plain.task(every="10s")(function)
    assert refused.value.hint == 'Give it in schedule=Schedule(..., kwargs={"kind": ...}).'
    assert len(plain.tasks) == 0


@pytest.mark.parametrize("function", NEEDY)
def test_a_schedule_that_brings_the_argument_is_taken(plain, function):
    plain.task(schedule=Schedule(every="10s", kwargs={"kind": "x"}))(function)
    assert len(plain.tasks) == 1


@pytest.mark.parametrize(
    "said", [{"args": [1, 2]}, {"kwargs": {"kind": 1, "sort": 2}}, {"args": [1], "kwargs": {"kind": 1}}]
)
def test_an_argument_for_which_there_is_no_parameter_is_refused(plain, said):
    with pytest.raises(ConfigError, match="The arguments of a schedule do not fit 'annotated'"):
        plain.task(schedule=Schedule(every="10s", **said))(annotated)


def test_with_echo_the_bound_task_is_no_argument_of_the_schedule(plain):
    plain.task("t", every="10s", echo=True)(lambda self: None)
    with pytest.raises(ConfigError, match="without 'kind'"):
        plain.task("u", every="10s", echo=True)(lambda self, kind: None)


def with_state(visits: Visits, kind="a"):
    pass


def with_dependency(it: Annotated[str, Depends(str)], other=Depends(str), third: Depends(str) = injected()):
    pass


def with_a_type_for_checkers(it: "NotThere"):  # noqa: F821 - the point
    pass


def with_what_others_may_fill(it: Elsewhere):
    pass


def variadic(*args: int, **kw: int):
    pass


@functools.wraps(annotated)
def wrapped(*args):
    annotated("brought by the decorator")


@pytest.mark.parametrize(
    "function",
    [with_state, with_dependency, with_a_type_for_checkers, with_what_others_may_fill, variadic, wrapped],
)
def test_what_somebody_else_may_fill_is_not_asked_of_the_schedule(plain, function):
    plain.task("t", every="10s")(function)
    assert len(plain.tasks) == 1


def test_what_may_be_a_field_of_a_model_is_not_refused(plain):
    plain.task("t", schedule=Schedule(every="10s", kwargs={"sku": 1}))(with_what_others_may_fill)
    assert len(plain.tasks) == 1


@pytest.mark.parametrize("words", [{"executor": TaskExecutor}, {"middlewares_before": [lambda executor: None]}])
def test_who_may_change_the_arguments_of_a_call_is_trusted(plain, words):
    plain.task("t", every="10s", **words)(annotated)
    assert len(plain.tasks) == 1
