"""Messages that a worker cannot run: parked for a newer one, or dead with a reason; the good ones behind them run."""

import json

import pytest
from kernel.support import PATIENCE_S, wait_until
from qtasks import QueueTasks, TaskStatus
from qtasks.codec import encode_message
from qtasks.message import WIRE_VERSION, Envelope, TaskMessage, new_id
from qtasks.testing import running

US = 1_000_000
HOUR = 3600


def publish(app, payload=None, **fields):
    """Publish a message past the producer, perhaps with other bytes than its own; returns its id."""
    defaults = {"id": new_id(), "namespace": app.name, "queue": "default", "task": "t"}
    message = TaskMessage(v=WIRE_VERSION, **defaults | {"enqueued": app.runtime.clock.wall_us()} | fields)
    envelope = encode_message(message)
    if payload is not None:
        envelope = Envelope(message, payload(envelope.payload) if callable(payload) else payload)
    app.runtime.run_blocking(lambda link: link.broker.publish([envelope]))
    return message.id


def with_fields(**changes):
    """Change fields of the encoded message, as damage or another program would."""
    return lambda payload: json.dumps(json.loads(payload) | changes).encode()


MALFORMED = {
    "empty": b"",
    "no json": b"garbage",
    "no utf-8": b'{"v":1,"id":"\xff"}',
    "another type": b"[1,2,3]",
    "truncated": lambda payload: payload[:-5],
    "twice": lambda payload: payload + payload,
    "no id": lambda payload: json.dumps({k: v for k, v in json.loads(payload).items() if k != "id"}).encode(),
    "another id": with_fields(id="0" * 32),
    "an id of another kind": with_fields(id=7),
    "no task": with_fields(task=None),
    "args of another kind": with_fields(args={"a": 1}),
    "kwargs of another kind": with_fields(kwargs=[1]),
    "a queue that is none": with_fields(queue="a b"),
    "a version that never was": with_fields(v=0),
    "a version that is none": with_fields(v="one"),
    "a priority over 32 bits": with_fields(priority=2**40),
    "a moment before time": with_fields(enqueued=-1),
    "too deep": lambda payload: payload[:-1] + b',"args":' + b"[" * 200 + b"]" * 200 + b"}",
    "deeper than the stack": lambda payload: payload[:-1] + b',"args":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
}


@pytest.mark.parametrize("payload", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_message_is_dead_with_a_reason_and_the_next_one_runs(app, payload):
    task = app.task("t")(lambda: "fine")
    bad = publish(app, payload, priority=-1)
    with running(app, concurrency=1):
        assert task.add_task(timeout=PATIENCE_S).result() == "fine"
        dead = wait_until(lambda: (found := app.get(bad)).status.terminal and found, "it ended")
    assert dead.status is TaskStatus.DEAD
    assert dead.error.startswith("malformed: ")
    assert len(dead.error) > len("malformed: ")


def test_a_dead_letter_can_be_looked_at_even_if_it_cannot_be_read(app):
    app.task("t")(print)
    bad = publish(app, b"garbage")
    with running(app):
        dead = wait_until(lambda: (found := app.get(bad)).status.terminal and found, "it ended")
    assert dead.id == bad
    assert dead.returning is None
    assert dead.retry == 0
    assert repr(dead) == f"<Task ? {bad} dead>"
    with pytest.raises(ValueError, match="not an envelope"):
        dead.task_name  # noqa: B018 - reading it is the point


def test_a_message_over_the_limit_is_dead(app):
    app.task("t")(print)
    bad = publish(app, lambda payload: payload[:-1] + b',"args":["' + b"x" * 2 * 1024 * 1024 + b'"]}')
    with running(app):
        dead = wait_until(lambda: (found := app.get(bad)).status.terminal and found, "it ended")
    assert dead.error.startswith("malformed: envelope of 2,097,")


def test_fields_that_a_newer_version_added_do_not_hinder(app):
    task_id = publish(app, with_fields(colour="red", weather={"sky": "blue"}))
    app.task("t")(lambda: "fine")
    with running(app):
        done = wait_until(lambda: (found := app.get(task_id)).status.terminal and found, "it ended")
    assert done.result() == "fine"


# Parked.


def parked(app, task_id):
    """The record of a task once it is parked: back in its queue with a time."""
    return wait_until(lambda: (found := app.get(task_id).record).due and found, "it was parked")


def test_an_unknown_task_is_parked_and_run_when_its_worker_comes(memory_app, clock):
    memory_app.task("known")(print)
    added = memory_app.add_task("unknown", 3)
    with running(memory_app):
        record = parked(memory_app, added.id)
    assert record.status is TaskStatus.NEW
    assert 9 * US < record.due - clock.wall_us() <= 10 * US
    assert (record.attempt, record.crashes, record.history) == (0, 0, [])
    newer = QueueTasks("kernel", broker=memory_app.broker, storage=memory_app.storage)
    newer.task("unknown")(lambda x: x * 2)
    with running(newer):
        clock.advance(11)
        assert added.wait_result(PATIENCE_S).returning == 6


@pytest.mark.parametrize(
    ("age_s", "wait_s"), [(0, 10), (9, 10), (10, 10), (40, 40), (299, 299), (300, 300), (23 * HOUR, 300)]
)
def test_the_wait_of_a_parked_task_doubles_to_five_minutes(memory_app, clock, age_s, wait_s):
    memory_app.task("known")(print)
    added = memory_app.add_task("unknown")
    clock.advance(age_s)
    with running(memory_app):
        record = parked(memory_app, added.id)
        assert wait_s - 1 < (record.due - clock.wall_us()) / US <= wait_s + 1


def test_a_task_that_stays_unknown_for_a_day_is_dead(memory_app, clock):
    memory_app.task("known")(print)
    added = memory_app.add_task("unknown")
    delayed = memory_app.add_task("known")
    clock.advance(24 * HOUR + 1)
    with running(memory_app):
        dead = added.wait_result(PATIENCE_S)
        assert delayed.wait_result(PATIENCE_S).status is TaskStatus.SUCCESS
    assert dead.status is TaskStatus.DEAD
    assert dead.error == "unknown: task 'unknown' is unknown here, for a day"


def test_the_day_of_a_delayed_task_begins_when_it_is_due(memory_app, clock):
    memory_app.task("known")(print)
    unknown = memory_app.task("unknown")(print)
    added = unknown.options(delay="48h").add_task()
    del memory_app.tasks._definitions["unknown"]
    clock.advance(49 * HOUR)
    with running(memory_app):
        record = wait_until(
            lambda: (found := memory_app.get(added.id).record).due > clock.wall_us() and found, "parked"
        )
    assert record.status is TaskStatus.NEW


def test_a_message_of_a_newer_version_is_parked(memory_app, clock):
    memory_app.task("t")(print)
    task_id = publish(memory_app, with_fields(v=WIRE_VERSION + 1, args="whatever it means then"))
    with running(memory_app):
        record = parked(memory_app, task_id)
    assert record.status is TaskStatus.NEW
    assert 9 * US < record.due - clock.wall_us() <= 10 * US


def test_a_message_that_stays_too_new_for_a_day_is_dead(memory_app, clock):
    memory_app.task("t")(print)
    task_id = publish(memory_app, with_fields(v=WIRE_VERSION + 1))
    clock.advance(24 * HOUR + 1)
    with running(memory_app):
        dead = wait_until(lambda: (found := memory_app.get(task_id)).status.terminal and found, "it ended")
    assert dead.status is TaskStatus.DEAD
    assert dead.error == "unknown: envelope version 2; this version of QTasks reads up to 1, for a day"


def test_a_thousand_bad_messages_stop_nothing(memory_app):
    task = memory_app.task("t")(lambda x: x)
    payloads = list(MALFORMED.values())
    for number in range(1000):
        publish(memory_app, payloads[number % len(payloads)])
    good = memory_app.add_tasks([task(number) for number in range(200)])
    with running(memory_app):
        assert [one.wait_result(PATIENCE_S).result() for one in good] == list(range(200))
        (queue,) = wait_until(
            lambda: (
                (found := memory_app.runtime.run_blocking(lambda link: link.broker.inspect()))[0].dead == 1000 and found
            ),
            "all are dead letters",
        )
    assert (queue.ready, queue.running) == (0, 0)
