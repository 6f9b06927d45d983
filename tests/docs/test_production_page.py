"""The page about production: the service that it shows starts, is healthy, and stops in the time that it is given."""

import configparser
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import code_blocks
import pytest
from qtasks import QueueConfig

PAGE = (Path(__file__).parents[2] / "docs/how-to/production.md").read_text(encoding="utf-8")
BLOCKS = [block.body for block in code_blocks.blocks_of(PAGE, "production.md")]
[UNIT] = [body for body in BLOCKS if "[Service]" in body]
[IMAGE] = [body for body in BLOCKS if body.startswith("FROM ")]
[COMPOSE] = [body for body in BLOCKS if body.startswith("services:")]
[DEPLOYMENT] = [body for body in BLOCKS if "kind: Deployment" in body]

GRACE_S = QueueConfig().grace

APP = """
from qtasks import QueueTasks

app = QueueTasks("shop")


@app.task
def sell(item):
    return item
"""


def service():
    """The section of the unit."""
    unit = configparser.ConfigParser(interpolation=None, strict=True)
    unit.optionxform = str
    unit.read_string(UNIT)
    return dict(unit["Service"])


def probes():
    """The shell lines that ask whether a container is healthy, as the shell gets them."""
    [of_compose] = re.findall(r"test: (\[.*\])", COMPOSE)
    [of_kubernetes] = re.findall(r"command: (\[\"sh\".*\])", DEPLOYMENT)
    return [json.loads(of_compose)[1].replace("$$", "$"), json.loads(of_kubernetes)[2]]


@pytest.fixture
def environment(tmp_path):
    """Where the service of the page runs: its code, its database, our commands."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "tasks.py").write_text(APP)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "QTASKS_URL": f"sqlite:///{tmp_path}/queue.db"}


@pytest.fixture
def running(environment):
    """The service, started as systemd would, when both of its workers are there."""
    command = [Path(word).name if "/bin/" in word else word for word in shlex.split(service()["ExecStart"])]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        ready = 0
        while ready < 2:
            line = process.stderr.readline()
            assert line, "it ended before its workers were ready"
            ready += "is ready" in line
        yield process
    finally:
        process.kill()
        process.communicate()


def test_every_way_to_start_it_is_the_same_command():
    command = shlex.split(service()["ExecStart"])[1:]
    assert json.loads(re.findall(r"^CMD (.*)$", IMAGE, re.MULTILINE)[0])[1:] == command
    assert json.loads(re.findall(r"^ +command: (\[\"qtasks\".*\])$", DEPLOYMENT, re.MULTILINE)[0])[1:] == command


def test_everybody_waits_longer_than_the_grace():
    [compose] = re.findall(r"stop_grace_period: (\d+)s", COMPOSE)
    [kubernetes] = re.findall(r"terminationGracePeriodSeconds: (\d+)", DEPLOYMENT)
    assert {int(service()["TimeoutStopSec"]), int(compose), int(kubernetes)} == {GRACE_S + 10}
    assert f"within the grace, {GRACE_S:g} seconds" in PAGE


def test_the_service_is_healthy_while_it_runs_and_ends_well_by_sigterm(running, environment):
    def healthy():
        return [
            subprocess.run(["sh", "-c", probe], env=environment, check=False, timeout=30).returncode == 0
            for probe in probes()
        ]

    deadline = time.monotonic() + 20
    while not all(healthy()):  # until the first report, half a second after the start
        assert time.monotonic() < deadline
    assert service()["KillMode"] == "mixed"
    running.send_signal(signal.SIGTERM)
    assert running.wait(float(service()["TimeoutStopSec"])) == 0
    assert healthy() == [False, False]


def test_a_broker_that_is_not_there_is_a_failure_that_systemd_repeats(environment):
    command = ["qtasks", "-A", "shop.tasks:app", "run"]
    elsewhere = environment | {"QTASKS_URL": "sqlite:////nowhere/at/all/queue.db"}
    done = subprocess.run(command, env=elsewhere, capture_output=True, check=False, timeout=30)
    assert done.returncode == 1
    assert service()["Restart"] == "on-failure"
