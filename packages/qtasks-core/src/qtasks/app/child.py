"""`python -m qtasks.app.child`: one worker process under the supervisor of `qtasks run`.

Its arguments are the supervisor's: the options as JSON, then the inherited descriptors of lifeline and cell.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from qtasks.app import logs
from qtasks.app.locate import load_app
from qtasks.errors import QTasksError, in_a_line
from qtasks.supervisor.lifeline import Lifeline, Notice, shared_cell
from qtasks.supervisor.signals import PARENTS_SIGNALS, STOP_SIGNALS
from qtasks.worker.lease import Cell, Lease

if TYPE_CHECKING:
    from qtasks.app.starter import Starter

log = logging.getLogger("qtasks.worker")


class ChildOptions(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a worker process is told.

    Args:
        app: where the application is: `module:attribute`.
        worker: options of the `Worker`, those that were given.
        grace: how long running tasks may go on after SIGTERM, seconds; the config's when None.
        log_style: `text` or `json`.
        log_level: as in `configure`.
    """

    app: str
    worker: dict[str, Any] = {}
    grace: float | None = None
    log_style: logs.Style = "text"
    log_level: str | None = None

    def command(self) -> list[str]:
        """The command that starts the process; the supervisor appends the descriptors."""
        # -P: the current directory comes on the path with the application, as in the supervisor.
        return [sys.executable, "-P", "-m", __spec__.name, msgspec.json.encode(self).decode()]


def main(arguments: Sequence[str]) -> int:
    """Run one worker until it is done. Returns the exit status."""
    options = msgspec.json.decode(arguments[0], type=ChildOptions)
    lifeline, memory = Lifeline(int(arguments[1])), int(arguments[2])
    cell = shared_cell(memory)
    os.close(memory)
    _heed_signals(lifeline)
    lifeline.start()
    logs.configure(options.log_style, options.log_level)
    try:
        starter = _starter(options, lifeline, cell)
        lifeline.stop = partial(starter.stop, at_once=True)
        starter.run()
    except QTasksError as error:
        log.error("%s", in_a_line(error))  # noqa: TRY400 - the text says it all
        lifeline.tell(Notice(error=in_a_line(error)))
        return 1
    except BaseException as error:
        lifeline.tell(Notice(error=f"{type(error).__name__}: {error}"))
        raise
    lifeline.tell(Notice(done=True))
    return 0


def _starter(options: ChildOptions, lifeline: Lifeline, cell: Cell) -> Starter:
    from qtasks.app.starter import Starter  # needs asyncio; the supervisor imports this module for the options

    app = load_app(options.app)
    logs.configure(options.log_style, options.log_level, app.config)
    if options.grace is not None:
        app.config.grace = options.grace
    starter: Starter = (app.starter_class or Starter)(
        app,
        lease=Lease(app.config.lease, cell),
        announce=lambda owner, number: lifeline.tell(Notice(owner=owner, number=number)),
        retiring=lambda: lifeline.tell(Notice(retiring=True)),
        **options.worker,
    )
    return starter


def _heed_signals(lifeline: Lifeline) -> None:
    """Ignore Ctrl-C and the end of the terminal, which the supervisor hears; until the worker runs, end on SIGTERM."""

    def end(_number: int, _frame: object) -> None:
        lifeline.tell(Notice(done=True))  # it has nothing in hand: this is no crash
        os._exit(0)

    for number in PARENTS_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
