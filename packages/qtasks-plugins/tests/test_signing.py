"""A worker runs what somebody with a key has asked for: refused is what was changed, moved, or never signed."""

import logging
import secrets
import threading

import pytest
from msgspec.structs import replace
from qtasks import QueueTasks, TaskStatus
from qtasks.app.dead_letters import replay
from qtasks.codec import change_payload, decode_message, encode_message, envelope_of
from qtasks.errors import ConfigError, LimitError, MalformedMessageError
from qtasks.message import Envelope, TaskMessage, new_id
from qtasks.plugins import SigningPlugin
from qtasks.testing import in_memory, running
from qtasks_plugins.signing.keyring import Keyring, SignatureError

PATIENCE_S = 20.0
OLD, NEW = f"old:{'1f' * 32}", f"new:{'2e' * 32}"  # the same in all processes that run tests


@pytest.fixture
def ran():
    """The arguments of each run."""
    return []


@pytest.fixture
def shop(app, ran):
    """An application with a task, on each backend, that requires signatures."""
    app.task("note")(ran.append)
    app.add_plugin(SigningPlugin(OLD))
    return app


@pytest.fixture
def stranger(shop):
    """Who writes to the same broker without a key."""
    app = QueueTasks(shop.name, broker=shop.broker, storage=shop.storage, global_config=shop.global_config.backend)
    yield app
    app.close()


def publish(app, *envelopes):
    """Write to the broker itself, beside the producer, and return the ids."""
    return app.runtime.run_blocking(lambda link: link.broker.publish(envelopes))


def signed(app, *args, **fields):
    """The envelope of a task `note`, as the application would write it."""
    message = TaskMessage(1, new_id(), app.name, "default", "note", list(args), enqueued=1_700_000_000_000_000)
    return Keyring(OLD).sign(encode_message(replace(message, **fields)))


def ended(app, *ids):
    """What became of tasks, in a worker that runs until all have ended."""
    with running(app):
        records = [app.runtime.run_blocking(lambda link, id_=id_: link.storage.wait(id_, PATIENCE_S)) for id_ in ids]
    return [(record.status, record.error and record.error.type) for record in records]


REFUSED = (TaskStatus.DEAD, "signature")
DONE = (TaskStatus.SUCCESS, None)


def test_what_the_application_adds_is_run(shop, ran):
    task = shop.add_task("note", 1)
    assert task.message.signature.startswith("old:")
    assert ended(shop, task.id) == [DONE]
    assert ran == [1]


def test_a_task_that_was_not_signed_never_runs(shop, stranger, ran):
    added = stranger.add_task("note", 1)
    assert ended(shop, added.id) == [REFUSED]
    assert ran == []
    assert shop.get(added.id).error == "signature: it is not signed"


def test_a_worker_that_accepts_runs_unsigned_tasks_and_still_refuses_wrong_signatures(app, ran):
    app.task("note")(ran.append)
    unsigned = app.add_task("note", 1)
    app.add_plugin(SigningPlugin(OLD, "accept"))
    wrong = Keyring(f"old:{secrets.token_hex(32)}").sign(signed(app, 2))
    assert ended(app, unsigned.id, *publish(app, wrong)) == [DONE, REFUSED]
    assert ran == [1]


@pytest.mark.parametrize("backend", ["memory", pytest.param("sqlite", marks=pytest.mark.needs("sqlite"))])
def test_each_changed_byte_of_a_stored_message_makes_it_a_dead_letter(backend, tmp_path, ran):
    url = f"memory://{new_id()}" if backend == "memory" else f"sqlite:///{tmp_path}/queue.db"
    shop = QueueTasks("shop", url)
    shop.task("note")(ran.append)
    shop.add_plugin(SigningPlugin(OLD))
    length = len(signed(shop, 1, expires=9_000_000_000_000_000).payload)
    messages = [signed(shop, 1, expires=9_000_000_000_000_000) for _ in range(length)]
    spoilt = [Envelope(each.message, flipped(each.payload, at, 1)) for at, each in enumerate(messages)]
    assert {status for status, _ in ended(shop, *publish(shop, *spoilt))} == {TaskStatus.DEAD}
    assert ran == []
    shop.close()


def flipped(payload, at, bits):
    return payload[:at] + bytes([payload[at] ^ bits]) + payload[at + 1 :]


def test_no_value_of_any_byte_but_the_right_one_is_accepted():
    shop = QueueTasks("shop", f"memory://{new_id()}")
    good = signed(shop, "é", [1, {"a": None}], headers={"tenant": "a"}, unique="key").payload
    keyring = Keyring(OLD)
    for at in range(len(good)):
        for bits in range(1, 256):
            payload = flipped(good, at, bits)
            with pytest.raises(MalformedMessageError):
                keyring.check(Envelope(decode_message(payload), payload))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"task": "other"}, "not what was signed"),
        ({"queue": "other"}, "not what was signed"),
        ({"namespace": "other"}, "not what was signed"),
        ({"args": [2]}, "not what was signed"),
        ({"priority": -1}, "not what was signed"),
        ({"expires": 9_000_000_000_000_000}, "not what was signed"),
        ({"unique": "key"}, "not what was signed"),
        ({"reply_to": "me"}, "not what was signed"),
        ({"parent": "0" * 32}, "not what was signed"),
        ({"headers": {"user": "root"}}, "not what was signed"),
        ({"id": "0" * 32}, "not what was signed"),
        ({"a field of a newer version": 1}, "not what was signed"),
        ({"signature": "none"}, "not of the form"),
        ({"signature": "old:" + "0" * 63}, "not of the form"),
        ({"signature": "new:" + "0" * 64}, "the key 'new'; accepted here: old"),
    ],
    ids=repr,
)
def test_a_changed_field_is_found(change, told):
    shop = QueueTasks("shop", f"memory://{new_id()}")
    envelope = envelope_of(signed(shop, 1).payload, **change)
    with pytest.raises(SignatureError, match=told):
        Keyring(OLD).check(envelope)


def test_a_field_that_stands_there_twice_is_read_as_it_was_checked():
    shop = QueueTasks("shop", f"memory://{new_id()}")
    payload = signed(shop, 1).payload
    for twice in (b'{"task":"evil",', b'{"t\\u0061sk":"evil",'):
        before = twice + payload[1:]
        Keyring(OLD).check(Envelope(decode_message(before), before))
        assert decode_message(before).task == "note"
        behind = payload[:-1] + b"," + twice[1:-1] + b"}"
        assert decode_message(behind).task == "evil"
        with pytest.raises(SignatureError):
            Keyring(OLD).check(Envelope(decode_message(behind), behind))


def test_what_a_broker_may_rewrite_is_not_signed():
    shop = QueueTasks("shop", f"memory://{new_id()}")
    payload = change_payload(signed(shop, 1, due=5).payload, due=9, attempt=3)
    Keyring(OLD).check(envelope_of(payload))


def test_a_field_of_a_newer_version_is_signed_with_the_rest():
    shop = QueueTasks("shop", f"memory://{new_id()}")
    newer = change_payload(signed(shop, 1).payload, weight=1.5)
    again = Keyring(OLD).sign(envelope_of(newer))
    Keyring(OLD).check(envelope_of(change_payload(again.payload, attempt=1)))
    with pytest.raises(SignatureError):
        Keyring(OLD).check(envelope_of(again.payload.replace(b"1.5", b"1.6")))


def test_keys_are_rotated_without_a_gap(shop, ran):
    before = signed(shop, 1)
    for keys, answer in ((OLD, DONE), (f"{NEW},{OLD}", DONE), (NEW, REFUSED)):
        shop.hooks.remove("signatures")
        shop.add_plugin(SigningPlugin(keys))
        again = Keyring(OLD).sign(envelope_of(before.payload, id=new_id()))
        assert ended(shop, *publish(shop, again)) == [answer]
    assert shop.add_task("note", 2).message.signature.startswith("new:")


def test_a_message_in_another_queue_or_application_is_refused(shop, ran):
    shop.task("other", queue="other")(print)
    moved = signed(shop, 1)
    in_other = Envelope(replace(moved.message, queue="other"), moved.payload)
    from_other = signed(shop, 2, namespace="elsewhere")
    publish(shop, in_other)
    with running(shop, queues=["other"]):
        record = shop.runtime.run_blocking(lambda link: link.storage.wait(moved.message.id, PATIENCE_S))
    assert record.error.text == "it was signed for the queue default, which this worker does not serve"
    assert ended(shop, *publish(shop, from_other)) == [REFUSED]
    assert ran == []


def test_a_message_whose_expiry_the_broker_was_made_to_forget_is_refused(shop, ran):
    expired = signed(shop, 1, expires=1_700_000_000_000_001)
    [known] = publish(shop, Envelope(replace(expired.message, expires=None), expired.payload))
    assert ended(shop, known) == [REFUSED]
    assert "it expired" in shop.get(known).error
    assert ran == []


def test_retries_delays_and_recovered_tasks_keep_their_signature(shop):
    runs = []

    @shop.task(retry=2, retry_delay=0)
    def stubborn(x):
        runs.append(x)
        if len(runs) < 3:
            raise ValueError

    assert ended(shop, stubborn.options(delay=0.05, expires="1h", unique="u", headers={"a": 1}).add_task(1).id) == [
        DONE
    ]
    assert runs == [1, 1, 1]
    recovered = shop.add_task("stubborn", 2)

    async def die(link):
        owner = new_id()
        await link.broker.join(owner, "victim", 15)
        await link.broker.take(owner, ["default"], 1, 0)
        await link.broker.release(owner, death="killed by signal 9")

    shop.runtime.run_blocking(die)
    assert ended(shop, recovered.id) == [DONE]


def test_an_unknown_task_is_parked_and_run_by_a_worker_that_knows_it(ran):
    shop = QueueTasks("shop", f"memory://{new_id()}")
    shop.task("here")(print)
    shop.add_plugin(SigningPlugin(OLD))
    with in_memory(shop) as clock:
        added = shop.add_task("note", 1)
        with running(shop):
            while not shop.runtime.run_blocking(lambda link: link.storage.get_many([added.id]))[0].due:
                threading.Event().wait(0.005)
        shop.task("note")(ran.append)
        clock.advance(11)
        assert ended(shop, added.id) == [DONE]
    assert ran == [1]


def replayed(app, *ids):
    return app.runtime.run_blocking(lambda link: replay(app.runtime, link, ids))


def test_a_replay_is_signed_anew(shop, ran):
    [wrong_key] = publish(shop, Keyring(NEW).sign(signed(shop, 1)))
    assert ended(shop, wrong_key) == [REFUSED]
    shop.hooks.remove("signatures")
    shop.add_plugin(SigningPlugin(f"{OLD},{NEW}"))
    [answer] = replayed(shop, wrong_key)
    assert ended(shop, answer.child) == [DONE]
    assert shop.get(answer.child).message.signature.startswith("old:")
    assert ran == [1]


def test_a_replay_does_not_sign_what_nobody_had_signed(shop, stranger, ran):
    unsigned = stranger.add_task("note", 1).id
    [changed] = publish(shop, envelope_of(signed(shop, 2).payload, args=[3]))
    assert ended(shop, unsigned, changed) == [REFUSED] * 2
    first, second = replayed(shop, unsigned, changed)
    assert (first.child, second.child) == (None, None)
    assert first.refused == "its message cannot be read: it is not signed"
    shop.hooks.remove("signatures")
    shop.add_plugin(SigningPlugin(OLD, "accept"))  # somebody vouches for what is not signed
    first, second = replayed(shop, unsigned, changed)
    assert second.child is None
    assert ended(shop, first.child) == [DONE]
    assert ran == [1]


def test_a_replay_without_keys_is_refused_by_the_worker(shop, stranger, ran):
    shop.task("two")(lambda a, b: ran.append(a))
    added = shop.add_task("two", 1)
    assert ended(shop, added.id) == [(TaskStatus.DEAD, "ArgumentsError")]
    [by_stranger] = replayed(stranger, added.id)
    assert ended(shop, by_stranger.child) == [REFUSED]


def test_an_ended_message_that_is_published_again_is_not_run_while_its_record_is_kept(shop, ran):
    copy = signed(shop, 1)
    assert ended(shop, *publish(shop, copy)) == [DONE]
    publish(shop, copy)
    after = shop.add_task("note", 2)
    assert ended(shop, copy.message.id, after.id) == [DONE, DONE]
    assert ran == [1, 2]


def test_an_ended_message_runs_again_when_its_record_is_gone_unless_it_expires(ran):
    shop = QueueTasks("shop", f"memory://{new_id()}")
    shop.task("note")(ran.append)
    shop.add_plugin(SigningPlugin(OLD))
    with in_memory(shop) as clock:
        now = clock.wall_us()
        for_ever, for_an_hour = signed(shop, "for ever"), signed(shop, "for an hour", expires=now + 3_600_000_000)
        ids = publish(shop, for_ever, for_an_hour)
        assert ended(shop, *ids) == [DONE, DONE]
        clock.advance(shop.config.result_ttl + 60)
        with running(shop):
            while any(shop.get(id_) for id_ in ids):
                threading.Event().wait(0.005)
        publish(shop, for_ever, for_an_hour)
        assert ended(shop, *ids) == [DONE, (TaskStatus.EXPIRED, None)]
    assert ran == ["for ever", "for an hour", "for ever"]


def test_a_message_that_is_too_long_with_its_signature_is_refused_to_the_producer(shop):
    shop.config.max_payload_bytes = len(signed(shop, "x").payload) - 10
    with pytest.raises(LimitError):
        shop.add_task("note", "x")


# Keys.


@pytest.mark.parametrize(
    "keys", ["", "old", "old:", f"{OLD},", f"{OLD},{OLD}", "old:" + "ab" * 31, "old:" + "xy" * 32, "o d:" + "ab" * 32]
)
def test_keys_of_another_form_are_refused_and_not_shown(keys):
    with pytest.raises(ConfigError, match=r"Signing key \d is not NAME:HEX") as caught:
        SigningPlugin(keys)
    assert not any(part in str(caught.value) for part in keys.replace(",", ":").split(":") if len(part) > 4)


def test_another_mode_is_refused():
    with pytest.raises(ConfigError, match="'require' or 'accept', found 'on'"):
        SigningPlugin(OLD, "on")


def test_no_key_is_shown(shop, caplog):
    caplog.set_level(logging.DEBUG)
    task = shop.add_task("note", 1)
    with running(shop):
        task.wait_result(PATIENCE_S)
    told = f"{caplog.text} {shop!r} {shop.plugins} {SigningPlugin(OLD)!r} {task!r} {task.record}"
    assert OLD.partition(":")[2] not in told
    assert repr(SigningPlugin(f"{OLD},{NEW}")) == "<SigningPlugin require <Keyring old, new>>"


@pytest.mark.parametrize(("mode", "wanted"), [(None, "require"), ("accept", "accept"), ("off", None)])
def test_the_environment_configures_it(monkeypatch, mode, wanted):
    monkeypatch.setenv("QTASKS_SIGNING_KEYS", OLD)
    if mode is not None:
        monkeypatch.setenv("QTASKS_SIGNING", mode)
    shop = QueueTasks("shop", f"memory://{new_id()}")
    found = [plugin for plugin in shop.plugins if plugin.name == "signatures"]
    assert len(found) == (wanted is not None)
    assert (shop.add_task("note", 1).message.signature is None) == (wanted is None)


@pytest.mark.parametrize(
    ("keys", "mode", "message"),
    [
        ("", "require", "no keys are given.\nSet QTASKS_SIGNING_KEYS"),
        ("old:ab", "", "QTASKS_SIGNING_KEYS: Signing key 1 is not NAME:HEX"),
        (OLD, "maybe", r"QTASKS_SIGNING is 'maybe'\.\nIt is 'require' \(by default\), 'accept' or 'off'"),
    ],
)
def test_an_environment_that_cannot_be_used_is_an_error(monkeypatch, keys, mode, message):
    monkeypatch.setenv("QTASKS_SIGNING_KEYS", keys)
    monkeypatch.setenv("QTASKS_SIGNING", mode)
    with pytest.raises(ConfigError, match=message):
        QueueTasks("shop", f"memory://{new_id()}")


def test_who_does_not_sign_pays_nothing():
    hooks = QueueTasks("shop", f"memory://{new_id()}").hooks.dispatch
    assert not hooks.broker_write_message
    assert not hooks.broker_read_message


def test_the_environment_does_not_weaken_what_the_program_requires(monkeypatch, stranger, ran):
    monkeypatch.setenv("QTASKS_SIGNING_KEYS", OLD)
    monkeypatch.setenv("QTASKS_SIGNING", "accept")
    shop = QueueTasks(stranger.name, broker=stranger.broker, storage=stranger.storage)
    shop.task("note")(ran.append)
    shop.add_plugin(SigningPlugin(OLD))
    good, refused = shop.add_task("note", 1), stranger.add_task("note", 2)
    with running(shop):
        assert good.wait_result(PATIENCE_S).status is TaskStatus.SUCCESS
        assert refused.wait_result(PATIENCE_S).error == "signature: it is not signed"
