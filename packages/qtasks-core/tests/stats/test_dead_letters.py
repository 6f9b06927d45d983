"""Dead letters: grouped by what they died of, replayed, dropped."""

import json

from qtasks import QueueTasks
from qtasks.app import dead_letters
from qtasks.codec import change_payload, encode_message
from qtasks.message import Delivery, Envelope, Outcome, TaskMessage, new_id
from qtasks.stats import SyncStats
from qtasks.types import TaskStatus
from stats.support import HandWorker, bury, bury_garbage, do


def groups(app):
    return json.loads(SyncStats(app).inspect().dlq(json=True))


def replay(app, *ids):
    return do(app, lambda link: dead_letters.replay(app.runtime, link, ids))


def test_letters_that_died_alike_are_one_group_whatever_their_numbers(app):
    bury(app, "a", text="no row 17 of 0xdeadbeef")
    bury(app, "a", text="no row 4711 of 0x7ffe0001")
    bury(app, "a", text="disk full")
    bury(app, "b", text="disk full")
    assert [(group["task"], group["count"]) for group in groups(app)] == [("a", 2), ("b", 1), ("a", 1)]


def test_a_group_names_its_newest_letter(app):
    [_, newest] = bury(app, "a", "a")
    [group] = groups(app)
    assert group["newest"] == newest
    assert group["first"] <= group["last"]


def test_a_replay_is_a_new_task_and_both_name_each_other(app):
    [letter] = bury(app, "charge")
    [answer] = replay(app, letter)
    child = app.get(answer.child)
    assert (child.status, child.task_name, child.args) == (TaskStatus.NEW, "charge", [0])
    assert child.retry_parent_uuid.hex == letter
    assert app.get(letter).retry_child_uuid == child.uuid
    assert app.get(letter).status is TaskStatus.DEAD


def test_a_replayed_letter_is_no_longer_listed(app):
    [letter] = bury(app, "charge")
    replay(app, letter)
    assert groups(app) == []


def test_a_letter_is_replayed_once(app):
    [letter] = bury(app, "charge")
    [first] = replay(app, letter)
    [second] = replay(app, letter)
    assert second.child is None
    assert first.child in second.refused
    assert [queue.ready for queue in do(app, lambda link: link.broker.inspect())] == [1]


def test_a_letter_that_is_named_twice_is_replayed_once(app):
    [letter] = bury(app, "charge")
    assert len(replay(app, letter, letter)) == 1
    assert [queue.ready for queue in do(app, lambda link: link.broker.inspect())] == [1]


def test_an_open_task_with_the_same_unique_key_counts_as_the_replay(app):
    @app.task
    def report():
        pass

    letter = report.options(unique="monthly").add_task()
    worker = HandWorker(app)
    worker.finish(*worker.take(), TaskStatus.DEAD)
    open_one = report.options(unique="monthly").add_task()
    [answer] = replay(app, letter.id)
    assert answer.child == open_one.id
    assert [queue.ready for queue in do(app, lambda link: link.broker.inspect())] == [1]


def test_a_replay_goes_through_the_storage_where_broker_and_storage_are_split():
    app = QueueTasks("shop", broker_url=f"memory://{new_id()}", storage_url=f"memory://{new_id()}")
    message = TaskMessage(1, new_id(), app.name, "default", "charge")
    envelope = encode_message(message)
    do(app, lambda link: link.storage.add([envelope]))
    outcome = Outcome(Delivery(0, message.id, envelope.payload), TaskStatus.DEAD)
    do(app, lambda link: link.storage.finish([outcome]))
    [answer] = replay(app, message.id)
    [delivery] = HandWorker(app).take()
    assert delivery.id == answer.child
    assert app.get(answer.child).retry_parent_uuid.hex == message.id


def test_a_replay_is_due_at_once_and_does_not_expire(app):
    @app.task
    def late():
        pass

    task = late.options(delay="1ms", expires="1d").add_task()
    worker = HandWorker(app)
    [delivery] = worker.take(wait_s=5)
    worker.finish(delivery, TaskStatus.DEAD)
    [answer] = replay(app, task.id)
    message = app.get(answer.child).message
    assert (message.due, message.expires, message.attempt) == (0, None, 0)


def test_a_replay_keeps_fields_that_only_a_newer_version_knows(app):
    message = TaskMessage(1, new_id(), app.name, "default", "charge")
    payload = change_payload(encode_message(message).payload, mood="good")
    do(app, lambda link: link.broker.publish([Envelope(message, payload)]))
    worker = HandWorker(app)
    worker.finish(*worker.take(), TaskStatus.DEAD)
    [answer] = replay(app, message.id)
    assert json.loads(app.get(answer.child).record.payload)["mood"] == "good"


def test_what_cannot_be_replayed_is_refused_with_its_reason_and_the_rest_goes_on(app):
    [letter] = bury(app, "charge")
    garbage = bury_garbage(app)
    running = app.add_task("running").id
    answers = replay(app, garbage, letter, running, new_id())
    assert [answer.child is None for answer in answers] == [True, False, True, True]
    assert "cannot be read" in answers[0].refused
    assert "not a dead letter" in answers[2].refused
    assert "no longer kept" in answers[3].refused


def test_many_letters_are_replayed_in_batches(app, monkeypatch):
    monkeypatch.setattr(dead_letters, "BATCH", 2)
    letters = bury(app, *["a"] * 5)
    assert [answer.id for answer in replay(app, *letters)] == letters
    assert [queue.ready for queue in do(app, lambda link: link.broker.inspect())] == [5]


def test_only_dead_letters_are_dropped(app):
    [letter] = bury(app, "charge")
    waiting = app.add_task("waiting").id
    assert do(app, lambda link: dead_letters.drop(link, [letter, waiting])) == 1
    assert app.get(letter) is None
    assert app.get(waiting) is not None
