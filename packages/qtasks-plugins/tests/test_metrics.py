"""Metrics: what Prometheus is told is what the workers counted, once, however many there are."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from threading import Thread

import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from qtasks import QueueTasks
from qtasks.cli import main
from qtasks.errors import ConfigError
from qtasks.message import new_id
from qtasks.plugins import MetricsCollector
from qtasks.ports import TaskCounts, WorkerFacts
from qtasks.testing import running
from qtasks_plugins.metrics.command import exporter

PATIENCE_S = 20.0


def samples(text):
    """Each sample of an exposition by its name and the values of its labels, these by the names of the labels."""
    families = text_string_to_metric_families(text)
    found = [sample for family in families for sample in family.samples]
    by_name = {(sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value for sample in found}
    assert len(by_name) == len(found)
    return by_name


def collected(app):
    registry = CollectorRegistry()
    registry.register(MetricsCollector(app))
    return samples(generate_latest(registry).decode())


@pytest.fixture
def app():
    app = QueueTasks("metrics", f"memory://{new_id()}")
    yield app
    app.close()


def report(app, facts, counts):
    app.runtime.run_blocking(lambda link: link.storage.report(facts, counts))


def test_attempts_are_counted_by_task_and_outcome(app):
    @app.task(retry=1, retry_delay=0)
    def fails():
        raise LookupError

    @app.task(echo=True)
    def cancelled(self):
        self.ctx.cancel()

    app.task("works")(lambda: None)
    with running(app):
        for task in ("works", "works", "fails", "cancelled"):
            assert app.add_task(task, timeout=PATIENCE_S)
    found = collected(app)
    runs = {key[1:]: value for key, value in found.items() if key[0] == "qtasks_runs_total" and value}
    assert runs == {
        ("success", "works"): 2,
        ("retry", "fails"): 1,
        ("failure", "fails"): 1,
        ("cancel", "cancelled"): 1,
    }
    assert found["qtasks_run_seconds_bucket", "+Inf", "works"] == 2
    assert found["qtasks_wait_seconds_bucket", "+Inf", "fails"] == 2
    assert 0 < found["qtasks_run_seconds_sum", "works"] < PATIENCE_S
    assert found["qtasks_queue_added_total", "default"] == found["qtasks_queue_ended_total", "default"] == 4


def test_times_are_cumulative_buckets_in_seconds(app):
    counts = TaskCounts(runs=4, successes=4)
    for us in (3, 1023, 1024, 10**12):
        counts.run_us[min(us.bit_length(), 39)] += 1
        counts.ran_us += us
    report(app, None, {"t": counts})
    found = collected(app)
    buckets = {key[1]: value for key, value in found.items() if key[0] == "qtasks_run_seconds_bucket"}
    assert [float(bound) for bound in buckets] == [*(2**power / 10**6 for power in range(10, 33)), float("inf")]
    assert list(buckets.values()) == [2, *[3] * 22, 4]
    assert found["qtasks_run_seconds_count", "t"] == 4
    assert found["qtasks_run_seconds_sum", "t"] == 1_000_000.00205


def test_crashes_and_what_runs_now_are_told(app):
    now = time.time_ns() // 1000
    run = {"id": new_id(), "task": "t", "started": now}
    for name, runs in (("a", []), ("b", [run, run])):
        facts = WorkerFacts(name, name, "host", 1, "0", now, now, slots=3, running=runs)
        report(app, facts, {})
    report(app, None, {"t": TaskCounts(crashes=2)})
    found = collected(app)
    assert found["qtasks_in_progress", "t"] == 2
    assert (found["qtasks_workers",], found["qtasks_slots",]) == (2, 6)
    assert found["qtasks_crashes_total", "t"] == 2


def test_queues_are_told_by_state(app):
    task = app.task("t", queue="mail")(lambda: None)
    task.add_task()
    task.options(delay=60).add_task()
    found = collected(app)
    states = {key[2]: value for key, value in found.items() if key[:2] == ("qtasks_queue_tasks", "mail")}
    assert states == {"ready": 1, "delayed": 1, "running": 0, "dead": 0}
    assert found["qtasks_queue_paused", "mail"] == 0
    assert found["qtasks_queue_oldest_seconds", "mail"] >= 0


@pytest.fixture
def scrape(app):
    """Ask an exporter of the application as Prometheus does."""
    server = exporter(app, "127.0.0.1", 0)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield lambda: urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics", timeout=PATIENCE_S)
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_exporter_answers_in_the_format_of_prometheus(app, scrape):
    app.task("t")(lambda: None).add_task()
    for _ in range(2):
        with scrape() as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=")
            assert samples(answer.read().decode())["qtasks_queue_tasks", "default", "ready"] == 1


def test_a_scrape_fails_while_the_servers_do_not_answer(app, scrape, monkeypatch):
    async def refuse(self):
        raise ConfigError("The storage is gone.")

    monkeypatch.setattr(type(app.runtime.blocking_link().storage), "counts", refuse)
    with pytest.raises(urllib.error.HTTPError, match="503") as failed:
        scrape()
    assert failed.value.read() == b"The storage is gone.\n"
    failed.value.close()


def test_without_prometheus_client_the_error_is_the_pip_line(app, monkeypatch):
    for module in [name for name in sys.modules if name.startswith("prometheus_client")]:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "qtasks_plugins.metrics.collector")
    with pytest.raises(ConfigError, match=r"(?s)prometheus-client.*pip install \"qtasks-plugins\[prometheus\]\""):
        exporter(app, "127.0.0.1", 0)


APP = """
from qtasks import QueueTasks

app = QueueTasks("metrics", "sqlite:///queue.db")


@app.task
def work(number):
    return number
"""


def test_the_command_tells_what_several_worker_processes_did_as_one(tmp_path):
    tmp_path.joinpath("app.py").write_text(APP)
    qtasks = str(Path(sys.executable).with_name("qtasks"))
    environment = {**os.environ, "QTASKS_APP": "app:app", "QTASKS_METRICS_PORT": "0", "PYTHONUNBUFFERED": "1"}
    settings = {"cwd": tmp_path, "env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    adding = "from app import app, work; app.add_tasks([work(n) for n in range(40)])"
    for command in ([sys.executable, "-c", adding], [qtasks, "run", "-p", "2", "-c", "1", "--burst"]):
        subprocess.run(command, check=True, timeout=60, **settings)
    with subprocess.Popen([qtasks, "metrics"], **settings) as serving:
        try:
            line = serving.stdout.readline()
            assert line.startswith("Metrics are at http://127.0.0.1:")
            with urllib.request.urlopen(line.split()[-1], timeout=PATIENCE_S) as answer:
                found = samples(answer.read().decode())
        finally:
            serving.terminate()
    assert serving.returncode == 0
    assert found["qtasks_runs_total", "success", "work"] == 40
    assert found["qtasks_run_seconds_bucket", "+Inf", "work"] == 40


def test_the_command_says_which_address_is_taken(scrape):
    with scrape() as answer:
        port = answer.url.split(":")[2].split("/")[0]
    answer = CliRunner().invoke(main, ["-u", "memory://", "metrics", "--port", port])
    assert answer.exit_code == 2
    assert f"Nothing can listen on 127.0.0.1:{port}" in answer.output
