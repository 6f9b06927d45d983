"""The slots alone: what counts as running, when, and what happens to what had not started."""

import asyncio
import subprocess
import sys
import threading

import attrs
import pytest
from kernel.support import PATIENCE_S, Gate
from qtasks import QueueTasks
from qtasks.executor.execution import Run
from qtasks.executor.plan import make_plan
from qtasks.message import WIRE_VERSION, Delivery, TaskMessage, new_id
from qtasks.types import TaskStatus
from qtasks.worker.slots import STEP_S, CoroutineSlots, Threads, ThreadSlots


@attrs.define
class FakeWorker:
    """As much of a worker as an attempt needs."""

    runtime: object
    name: str = "test"


class Bench:
    """Slots of one kind with what they hand over."""

    def __init__(self, function, count=1, may_start=lambda _run: True):
        self.app = QueueTasks("kernel", f"memory://{new_id()}")
        self.app.task("t")(function)
        self.plan = make_plan(self.app.tasks["t"], self.app.runtime)
        self.done = []
        self.ended = threading.Semaphore(0)
        self.running_then = []
        slots = CoroutineSlots if self.plan.on_loop else ThreadSlots
        self.slots = slots(count, may_start, self._done)

    def _done(self, run, outcome):
        self.running_then.append(run in self.slots.running)
        self.done.append((run, outcome))
        self.ended.release()

    def run(self):
        task_id = new_id()
        message = TaskMessage(WIRE_VERSION, task_id, "kernel", "default", "t")
        return Run(Delivery(task_id, task_id, b""), message, self.plan, FakeWorker(self.app.runtime))

    def wait(self, count):
        for _ in range(count):
            assert self.ended.acquire(timeout=PATIENCE_S)

    async def until(self, condition):
        """Let the loop go on until a condition holds."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110 - the slots set no event
                await asyncio.sleep(0)

    def statuses(self):
        return [outcome.status for _, outcome in self.done]


def slot_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("qtasks-slot")]


def test_a_thread_is_started_when_it_is_needed_and_no_more_than_there_are_slots():
    gate = Gate()
    bench = Bench(gate.pass_through, count=2)
    assert slot_threads() == []
    for _ in range(5):
        bench.slots.push(bench.run())
    gate.wait_reached()
    threads = slot_threads()
    assert len(threads) == 2
    gate.open()
    bench.wait(5)
    bench.slots.close()
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    assert bench.statuses() == [TaskStatus.SUCCESS] * 5


def test_a_resting_thread_is_used_again():
    bench = Bench(lambda: None, count=8)
    for _ in range(50):
        bench.slots.push(bench.run())
        bench.wait(1)
    assert len(slot_threads()) <= 2
    bench.slots.close()


def test_every_run_is_done_however_pushes_and_ends_interleave():
    bench = Bench(lambda: None, count=4)

    def push():
        for _ in range(500):
            bench.slots.push(bench.run())

    push()
    bench.wait(500)
    bench.slots.close()
    assert not bench.slots.waiting
    assert not bench.slots.running


def test_a_run_in_a_thread_counts_as_running_until_its_outcome_is_handed_over():
    """A worker that drains must not see it neither running nor ended: it would hand the task back."""
    bench = Bench(lambda: None)
    bench.slots.push(bench.run())
    bench.wait(1)
    assert bench.running_then == [True]
    bench.slots.close()


def test_held_slots_start_nothing_more_and_give_back_what_waits():
    gate = Gate()
    bench = Bench(gate.pass_through)
    first, *rest = [bench.run() for _ in range(4)]
    for run in (first, *rest):
        bench.slots.push(run)
    gate.wait_reached()
    assert bench.slots.hold() == rest
    gate.open()
    bench.wait(1)
    assert bench.done[0][0] is first
    bench.slots.close()


def test_a_run_that_a_thread_picked_up_at_the_last_moment_is_handed_back():
    bench = Bench(lambda: None)
    bench.slots.hold()
    bench.slots.push(bench.run())
    bench.wait(1)
    assert bench.statuses() == [TaskStatus.NEW]
    bench.slots.close()


def test_without_a_lease_nothing_starts():
    for function in (lambda: None, asyncio.sleep):

        async def main(function=function):
            bench = Bench(function, may_start=lambda _run: False)
            bench.slots.push(bench.run())
            await bench.until(lambda: not bench.slots.waiting)
            assert bench.done == []
            closing = bench.slots.close()
            if closing is not None:
                await closing

        asyncio.run(main())


def test_coroutines_that_never_suspend_leave_the_loop_its_turns():
    """A slot with work for seconds must not keep everything else from running."""
    turns = []

    async def busy():
        for _ in range(20_000):
            pass

    async def main():
        bench = Bench(busy)
        runs = [bench.run() for _ in range(300)]
        for run in runs:
            bench.slots.push(run)
        while len(bench.done) < 300:
            turns.append(len(bench.done))
            await asyncio.sleep(0)
        await bench.slots.close()

    asyncio.run(main())
    assert len(turns) > 3


def test_slots_whose_runs_have_waited_let_what_ended_with_them_go_out_before_they_run_more():
    order = []

    async def main():
        gate = asyncio.Event()

        async def wait():
            order.append("begins")
            await gate.wait()
            order.append("ends")

        bench = Bench(wait, count=2)
        for _ in range(4):
            bench.slots.push(bench.run())
        await bench.until(lambda: len(order) == 2)
        await asyncio.sleep(2 * STEP_S)
        gate.set()
        gate.clear()
        await bench.until(lambda: len(order) == 6)
        await bench.slots.close()

    asyncio.run(main())
    assert order[2:6] == ["ends", "ends", "begins", "begins"]


def test_as_many_coroutines_run_as_there_are_slots():
    async def main():
        event, running_now = asyncio.Event(), []

        async def waiting():
            running_now.append(1)
            await event.wait()

        bench = Bench(waiting, count=3)
        for _ in range(7):
            bench.slots.push(bench.run())
        await bench.until(lambda: len(running_now) == 3)
        await asyncio.sleep(0)
        assert (len(running_now), len(bench.slots.running), len(bench.slots.waiting)) == (3, 3, 4)
        event.set()
        await bench.until(lambda: len(bench.done) == 7)
        await bench.slots.close()

    asyncio.run(main())


def test_closing_hands_back_what_runs():
    async def main():
        async def forever():
            await asyncio.Event().wait()

        bench = Bench(forever, count=2)
        for _ in range(2):
            bench.slots.push(bench.run())
        await bench.until(lambda: len(bench.slots.running) == 2)
        await bench.slots.close()
        assert bench.statuses() == [TaskStatus.NEW] * 2
        assert not bench.slots.running

    asyncio.run(main())


def test_a_slot_that_was_cancelled_while_it_was_idle_does_not_swallow_a_run():
    async def main():
        bench = Bench(coroutine_that_returns, count=2)
        bench.slots.push(bench.run())
        await bench.until(lambda: bench.done)
        (task,) = bench.slots._tasks
        task.cancel()
        await bench.until(lambda: not bench.slots._tasks)
        bench.slots.push(bench.run())
        await bench.until(lambda: len(bench.done) == 2)
        await bench.slots.close()

    async def coroutine_that_returns():
        return None

    asyncio.run(main())


# The threads for single calls.


def test_calls_one_after_the_other_share_a_thread_and_calls_at_a_time_have_their_own():
    async def main():
        threads = Threads("qtasks-test")
        alone = {await threads.answer(threading.get_ident) for _ in range(100)}
        together = threading.Barrier(3, timeout=PATIENCE_S)
        places = await asyncio.gather(*(threads.answer(together.wait) for _ in range(3)))
        threads.close()
        return len(alone), sorted(places)

    assert asyncio.run(main()) == (1, [0, 1, 2])


def test_a_call_raises_where_it_is_awaited_and_its_thread_goes_on():
    async def main():
        threads = Threads("qtasks-test")
        with pytest.raises(SystemExit):
            await threads.answer(sys.exit)
        name = (await threads.answer(threading.current_thread)).name
        threads.close()
        return name

    assert asyncio.run(main()) == "qtasks-test-0"


STUCK = """
import threading
from qtasks import QueueConfig, QueueTasks
from qtasks.executor.executor import TaskExecutor

class LedByTheLoop(TaskExecutor):
    suspends = True

app = QueueTasks("kernel", "memory://stuck", config=QueueConfig(grace=0))

@app.task(executor=LedByTheLoop)
def stuck():
    app.stop()
    threading.Event().wait()

stuck.add_task()
app.run_forever()
print("the worker has ended")
"""


def test_a_blocking_call_that_never_ends_does_not_keep_the_process():
    command = [sys.executable, "-c", STUCK]
    ended = subprocess.run(command, timeout=PATIENCE_S, check=True, capture_output=True, text=True)
    assert ended.stdout == "the worker has ended\n"
