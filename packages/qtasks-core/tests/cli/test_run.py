"""`qtasks run`: what is said of options that cannot be meant. What workers do is tested in `supervisor`."""

import subprocess
import sys

import pytest

APPLICATION = ["-A", "app:app", "run", "--burst"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["-Q", ""], "-Q: '' is not a name."),
        (["-Q", "a b"], "-Q: 'a b' is not a name."),
        (["-Q", "default,"], "-Q: '' is not a name."),
        (["-X", "a b"], "-X: 'a b' is not a name."),
        (["-X", "defalt"], "Did you mean 'default'?"),
        (["-p", "1001"], "1001 is not in the range"),
        (["--max-memory-per-child", "1KiB"], "1KiB is too little: an idle process has "),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(installed, app_file, options, says):
    code, _, err = installed(*APPLICATION, *options)
    assert code == 2
    assert says in err
    assert "QTasks 0" not in err


@pytest.mark.parametrize(("queue", "hint"), [("defalt", "Did you mean 'default'?"), ("mail", "There are: default.")])
def test_a_queue_that_no_task_uses_is_served_with_a_warning(installed, app_file, queue, hint):
    code, _, err = installed(*APPLICATION, "-Q", queue)
    assert code == 0
    assert f"WARNING qtasks.run: -Q {queue}: no task here waits in such a queue. {hint}" in err
    assert f"queues       {queue}\n" in err


def test_spaces_around_commas_are_not_part_of_a_name(installed, app_file):
    code, _, err = installed(*APPLICATION, "-Q", "default, mail")
    assert code == 0
    assert "queues       default, mail\n" in err


def test_the_parent_of_the_workers_needs_no_event_loop():
    """Importing one would cost each start a tenth of its time, and the parent its memory."""
    program = "import sys, qtasks.cli.serve; sys.exit('asyncio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
