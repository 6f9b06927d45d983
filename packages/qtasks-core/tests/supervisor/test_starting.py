"""What `qtasks run` says before it starts anything, what its options do, and what it costs."""

import json
import sys
import time
from pathlib import Path

import pytest
from qtasks import TaskStatus
from qtasks_testkit.faults.fleet import until


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nosuch:app", "There is no module 'nosuch'"),
        ("app:nosuch", "Module 'app' has no attribute 'nosuch'"),
        ("../x:app", "'../x:app' is not the place of an application"),
    ],
)
def test_a_wrong_application_is_a_usage_error_before_anything_starts(fleet, spec, message):
    fleet.run(spec=spec)
    assert fleet.ended() == 2
    assert message in fleet.log
    assert "Traceback" not in fleet.log
    assert "QTasks 0" not in fleet.log


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-X", "nosuch"], "-X nosuch: no task waits in such a queue. There are: default, other."),
        (["-X", "default,other"], "-X leaves no queue to serve."),
        (["-Q", "a b!"], "-Q: 'a b!' is not a name."),
        (["--grace", "soon"], "--grace: 'soon' is not a duration"),
        (["--max-memory-per-child", "much"], "'much' is no size"),
    ],
)
def test_a_wrong_option_is_a_usage_error(fleet, options, message):
    fleet.run(*options)
    assert fleet.ended() == 2
    assert message in fleet.log


def test_an_error_in_the_module_of_the_user_keeps_its_traceback(fleet):
    fleet.write("import nosuchpackage\n")
    fleet.run()
    assert fleet.ended() == 1
    assert "Traceback" in fleet.log
    assert "No module named 'nosuchpackage'" in fleet.log


def test_an_application_without_tasks_is_a_usage_error(fleet):
    fleet.write("from qtasks import QueueTasks\napp = QueueTasks(broker_url='sqlite:///queue.db')\n")
    fleet.run()
    assert fleet.ended() == 2
    assert "The application has no tasks" in fleet.log


def test_a_broker_that_cannot_be_opened_is_one_message_with_the_mend(fleet):
    fleet.write(
        "from qtasks import QueueTasks\napp = QueueTasks(broker_url='sqlite:///nosuch/queue.db')\n"
        "@app.task\ndef add(a: int, b: int) -> int: return a + b\n"
    )
    fleet.run()
    assert fleet.ended() == 1
    cause, _mend = fleet.log.splitlines()
    assert "queue.db cannot be created" in cause


@pytest.mark.parametrize(("option", "served"), [(["-Q", "other"], "other"), (["-X", "other"], "default")])
def test_only_the_queues_asked_for_are_served(fleet, option, served):
    (here,), (elsewhere,) = fleet.add("nap", (1, 0.0)), fleet.add("elsewhere", (2,))
    fleet.run("--burst", *option)
    assert fleet.ended() == 0
    statuses = {"default": fleet.record(here.uuid).status, "other": fleet.record(elsewhere.uuid).status}
    assert [queue for queue, status in statuses.items() if status is TaskStatus.SUCCESS] == [served]


def test_the_banner_tells_what_runs_where(fleet):
    fleet.run("--burst", "-c", "3", "-p", "2")
    assert fleet.ended() == 0
    words = [line.split(maxsplit=1) for line in fleet.log.splitlines() if line.startswith("  ")]
    facts = {words[0]: words[1] for words in words}
    assert facts["broker"] == f"sqlite:///{Path('queue.db').absolute()}"
    assert facts["queues"] == "default, other"
    assert (facts["app"], facts["concurrency"], facts["processes"]) == ("app:app", "3", "2")
    assert {"core", "retry"} <= set(facts["plugins"].split(", "))
    assert "nap" in facts["tasks"]


def test_every_process_has_the_name_with_its_number(fleet):
    fleet.run("-n", "ada", "-p", "2")
    assert until(lambda: len(names := fleet.worker_names()) == 2 and names) == ["ada-1", "ada-2"]


def test_log_lines_are_json_and_know_their_task(fleet):
    (task,) = fleet.add("elsewhere", (7,))
    fleet.run("--burst", "--log-format", "json")
    assert fleet.ended() == 0
    lines = [json.loads(line) for line in fleet.log.splitlines()]
    (banner,) = [line for line in lines if line["logger"] == "qtasks.run"]
    assert banner["broker"] == f"sqlite:///{Path('queue.db').absolute()}"
    (own,) = [line for line in lines if line["logger"] == "mine"]
    assert (own["task_id"], own["task_name"], own["attempt"]) == (task.uuid.hex, "elsewhere", 0)
    assert (own["message"], own["number"]) == ("working", 7)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_nothing_listens_on_a_network(fleet):
    fleet.run("-p", "2")
    until(lambda: len(fleet.worker_names()) == 2)
    addresses = [address for pid in fleet.processes for address in bound(pid)]
    assert set(addresses) <= {"0100007F"}  # 127.0.0.1, where the path is too long for the name of a socket


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_an_idle_run_costs_little(fleet):
    fleet.run("-p", "2")
    until(lambda: len(fleet.worker_names()) == 2)
    before = {pid: cpu_s(pid) for pid in fleet.processes}
    time.sleep(2)
    assert max(cpu_s(pid) - before[pid] for pid in before) / 2 < 0.01
    assert pss_mib(fleet.parent.pid) < 30
    assert max(map(pss_mib, fleet.children)) < 32


def bound(pid: int) -> list[str]:
    """The network addresses to which a process is bound, as /proc writes them."""
    links = (fd.readlink() for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.is_symlink())
    inodes = {str(link)[8:-1] for link in links if str(link).startswith("socket:[")}
    tables = (Path(f"/proc/{pid}/net/{name}") for name in ("tcp", "tcp6", "udp", "udp6"))
    rows = (line.split() for table in tables if table.exists() for line in table.read_text().splitlines()[1:])
    return [row[1].partition(":")[0] for row in rows if row[9] in inodes]


def cpu_s(pid: int) -> float:
    """Processor time used so far."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9


def pss_mib(pid: int) -> float:
    """Memory, shared pages divided among those who share them."""
    (line,) = (line for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) / 1024
