"""Closing a database that other threads are using."""

import threading

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
