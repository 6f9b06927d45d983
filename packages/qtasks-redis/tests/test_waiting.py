"""Waiting over a blocking connection: signals, other threads, and news that get lost."""

import os
import signal
import socket
import threading
import time

import pytest
import redis
from qtasks import QueueTasks
from qtasks.message import new_id
from qtasks.runtime import drive
from qtasks.testing import running
from qtasks_redis.blocking import BlockingLink
from qtasks_testkit.faults import until

pytestmark = pytest.mark.needs("redis")


@pytest.fixture
def link(redis_server):
    link = BlockingLink(socket.create_connection(("127.0.0.1", redis_server.port)))
    yield link
    link.close()


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no such signal on this platform")
def test_the_handler_of_a_signal_may_look_at_a_connection_that_is_waited_for(link):
    looked = []
    before = signal.signal(signal.SIGUSR1, lambda *_: looked.append(link.is_clean()))
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
    timer.start()
    try:
        assert link.read(0.3) is None
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)
    assert looked == [True]


def test_a_connection_that_another_thread_closes_is_waited_for_no_longer(link):
    timer = threading.Timer(0.05, link.close)
    timer.start()
    begun = time.monotonic()
    with pytest.raises(OSError, match=r"closed|Bad file descriptor"):
        link.read(10)
    timer.join()
    assert time.monotonic() - begun < 5
    assert (link.is_open, link.is_clean()) == (False, False)
    with pytest.raises(ConnectionError):
        link.read(0)


def test_a_result_is_not_missed_when_the_connection_for_news_breaks_before_it_is_waited_for(redis_server, monkeypatch):
    app = QueueTasks(new_id(), redis_server.url)
    double = app.task("double")(lambda number: 2 * number)
    storage = app.runtime.blocking_link().storage
    wait = storage.wait

    async def wait_when_it_is_over(task_id, timeout_s):
        until(lambda: drive(storage.get_many([task_id]))[0].status == "success")
        with redis.Redis.from_url(redis_server.url) as server:
            assert server.client_kill_filter(_type="pubsub") >= 2  # ours, and the worker's
        return await wait(task_id, timeout_s)

    with running(app):
        assert double.add_task(1, timeout=20).result() == 2  # from now on somebody listens
        monkeypatch.setattr(storage, "wait", wait_when_it_is_over)
        begun = time.monotonic()
        assert double.add_task(2, timeout=20).result() == 4
    assert time.monotonic() - begun < 10
