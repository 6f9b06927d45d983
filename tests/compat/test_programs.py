"""Programs as they were written for QTasks 1.7: each runs to its end, unchanged, on every backend."""

from pathlib import Path

import pytest

PROGRAMS = sorted(Path(__file__).with_name("programs").glob("*.py"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_a_program_of_qtasks_1_7_runs_unchanged(program, run):
    run(program)


def test_there_are_twelve():
    assert [path.name[:3] for path in PROGRAMS] == [f"{number:02}_" for number in range(1, 13)]
