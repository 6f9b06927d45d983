"""Programs as users have them: in a directory of their own, with their workers, on a backend."""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PATIENCE_S = 40.0
STOP_S = 10.0

BACKENDS = [pytest.param(name, marks=pytest.mark.needs(name)) for name in ("sqlite", "redis")]

_WORKER = re.compile(r"^Worker: ((?:env|python|qtasks) .*)$", re.MULTILINE)


@pytest.fixture(params=BACKENDS)
def url(request):
    """Where the program's queue is: an empty SQLite file, or a Redis of the test's own."""
    return "sqlite:///queue.db" if request.param == "sqlite" else request.getfixturevalue("new_redis_server")().url


@pytest.fixture
def run(url):
    """Run a program to its end beside its workers, which its docstring names: `Worker: qtasks -A program:app run`."""

    def run(source):
        shutil.copy(source, "program.py")
        if source.with_suffix("").is_dir():
            shutil.copytree(source.with_suffix(""), ".", dirs_exist_ok=True)
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = {**os.environ, "PATH": path, "QTASKS_URL": url}
        commands = [shlex.split(line) for line in _WORKER.findall(source.read_text(encoding="utf-8"))]
        with contextlib.ExitStack() as stack:
            workers = [stack.enter_context(_started(command, environment)) for command in commands]
            with _started(["python", "program.py"], environment) as program:
                ended = [_ended(program, PATIENCE_S)]
            for worker in workers:
                worker.send_signal(signal.SIGTERM)
            ended += [_ended(worker, STOP_S) for worker in workers]
        assert [code for code, _ in ended] == [0] * len(ended), "\n\n".join(said for _, said in ended)

    return run


@contextlib.contextmanager
def _started(command, environment):
    """A process with its output in a pipe; it and what it has started are gone at the end."""
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        yield process
    finally:
        _kill(process)
        process.communicate()


def _ended(process, within_s):
    """The exit code of a process, and what is to be told of it; one that does not end in time is killed."""
    try:
        output, _ = process.communicate(timeout=within_s)
    except subprocess.TimeoutExpired:
        _kill(process)
        output, _ = process.communicate()
    return process.returncode, f"$ {shlex.join(process.args)}: exit code {process.returncode}\n{output}"


def _kill(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
