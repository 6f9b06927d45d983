"""Closing a database: while other threads use it, and where nobody does."""

import gc
import sys
import threading

from qtasks import QueueTasks
from qtasks.backends.sqlite.broker import SqliteBroker
from qtasks.ports import BackendContext
from qtasks.runtime import drive


def test_closing_while_another_thread_calls_neither_crashes_nor_fails_it(tmp_path):
    broker = SqliteBroker.from_url(f"sqlite:///{tmp_path}/queue.db", BackendContext()).blocking()
    failures = []

    def call():
        try:
            for _ in range(300):
                drive(broker.inspect())
        except Exception as error:  # noqa: BLE001 - whatever it is
            failures.append(error)

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        drive(broker.open())
        drive(broker.close())
    for thread in threads:
        thread.join()
    assert failures == []


def test_an_application_that_nobody_closes_leaves_no_database_open(monkeypatch):
    """Python 3.13 and later tell of one that is left when it is collected. Those of other tests are told before."""
    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: told.append(repr(unraisable.object)))
    gc.collect()
    told.clear()
    app = QueueTasks(broker_url="sqlite:///left.db")
    app.add_task("t")
    del app
    gc.collect()
    assert told == []
