"""A crash point kills the process that comes by, when it is the chosen one, and does nothing else."""

import os
import signal
import subprocess
import sys

import pytest

PROGRAM = "from qtasks.crashpoint import crashpoint; crashpoint('sqlite', 'take', 'written')"


@pytest.mark.parametrize(
    ("chosen", "status"),
    [("sqlite.take.written", -signal.SIGKILL), ("sqlite.take", 0), ("", 0), (None, 0)],
)
def test_process_dies_at_the_chosen_crash_point_only(chosen, status):
    environment = os.environ | ({} if chosen is None else {"QTASKS_CRASHPOINT": chosen})
    assert subprocess.run([sys.executable, "-c", PROGRAM], env=environment, check=False).returncode == status
