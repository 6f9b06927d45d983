"""The demonstration runs as it is handed out: by the installed command, in processes of its own."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "stdlib_index"

pytestmark = pytest.mark.timeout(120)


def run(example: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the demonstration on a few files."""
    command = [sys.executable, str(example / "run.py"), "--limit", "50", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_the_demonstration_checks_every_figure_and_stops_its_workers():
    done = run(EXAMPLE)

    assert done.returncode == 0, done.stderr
    assert re.search(r"^files +50$", done.stdout, re.MULTILINE)
    assert re.search(r"^all [\d,]{5,} figures checked$", done.stdout, re.MULTILINE)
    assert "$ qtasks -A app:app stats inspect queues" in done.stdout
    assert "stopped by SIGTERM, exit code 0" in done.stdout
    assert done.stderr == ""  # no bar and no warning where nobody looks


def test_the_demonstration_runs_on_redis_by_changing_one_url(redis_server):
    done = run(EXAMPLE, "--url", redis_server.url)

    assert done.returncode == 0, done.stderr
    assert re.search(r"^all [\d,]{5,} figures checked$", done.stdout, re.MULTILINE)


def test_the_demonstration_tells_what_is_wrong_with_a_url():
    done = run(EXAMPLE, "--url", "nats://localhost")

    assert done.returncode == 1
    assert "No broker for nats://" in done.stderr


def test_the_demonstration_fails_when_a_task_finds_something_else(tmp_path):
    example = shutil.copytree(EXAMPLE, tmp_path / "example", ignore=shutil.ignore_patterns("__pycache__"))
    tasks = (example / "app.py").read_text(encoding="utf-8")
    wrong = tasks.replace("    return describe(path)\n", '    return Facts(path, "", 0, 0, [])\n', 1)
    assert wrong != tasks
    (example / "app.py").write_text(wrong, encoding="utf-8")

    done = run(example)

    assert done.returncode == 1
    assert "found\nFacts(" in done.stderr
    assert "figures checked" not in done.stdout
