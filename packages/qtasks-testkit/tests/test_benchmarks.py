"""The benchmarks run against any URL, and print a table."""

import re
import subprocess
import sys

import pytest
from qtasks_testkit.benchmarks.scenarios import ROWS


@pytest.mark.timeout(120)
def test_every_workload_has_a_figure_in_the_table(tmp_path):
    url = f"sqlite:///{tmp_path}/queue.db"
    command = [sys.executable, "-m", "qtasks_testkit.benchmarks", url, "--tasks", "400", "--rounds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    figures = dict(re.findall(r"^\| (.+) \| ([\d.]+) (?:us|ms) \|$", done.stdout, re.MULTILINE))
    assert set(figures) == {label for label, _ in ROWS.values()}
    assert all(float(figure) > 0 for figure in figures.values())
    assert done.stderr == ""
