"""The application that a fleet runs: tasks that write into a ledger when they start and end.

A test copies this file into its own directory, where the ledger is, too. It is never imported from here.
"""

import asyncio
import logging
import os
import time
from pathlib import Path

from qtasks import QueueTasks

app = QueueTasks(os.environ["FLEET_NAME"], os.environ["FLEET_URL"])
hoard: list[bytes] = []


def note(*words: object) -> None:
    """Write one line, in one piece: many processes write here."""
    with Path("ledger").open("a", encoding="utf-8") as ledger:
        ledger.write(" ".join(map(str, words)) + "\n")


@app.task
async def nap(number: int, seconds: float) -> int:
    """Wait on the event loop."""
    note("start", number, os.getpid())
    await asyncio.sleep(seconds)
    note("end", number, os.getpid())
    return os.getpid()


@app.task
def block(number: int, seconds: float) -> int:
    """Wait in a thread."""
    note("start", number, os.getpid())
    time.sleep(seconds)
    note("end", number, os.getpid())
    return os.getpid()


@app.task
async def block_the_loop(number: int, seconds: float) -> int:
    """Wait so that nothing else on the event loop goes on."""
    note("start", number, os.getpid())
    time.sleep(seconds)  # noqa: ASYNC251 - that is the fault
    note("end", number, os.getpid())
    return os.getpid()


@app.task(queue="other")
async def elsewhere(number: int) -> None:
    """Run in a queue of its own, and log."""
    logging.getLogger("mine").info("working", extra={"number": number})


@app.task
def leave(status: int) -> None:
    """End the process without a word."""
    os._exit(status)


@app.task
def hog(number: int, mebibytes: int) -> int:  # noqa: ARG001 - tells the calls apart
    """Keep memory, up to this size."""
    hoard[:] = [bytes(range(256)) * (mebibytes << 12)]
    return os.getpid()
