from qtasks.message import Delivery, ErrorInfo, Outcome
from qtasks.types import TaskStatus
from qtasks_redis.records import Ending, Receipt, encode_record, take_apart


def test_the_record_of_what_has_ended_is_read_as_it_was_written():
    member = b"80000000" + 10 * b"0" + b"0000" + 32 * b"a"
    delivery = Delivery(Receipt(b"claim", member, b"mail"), "a" * 32, b'{"v":1}')
    error = ErrorInfo("ValueError", "no", "trace")
    outcome = Outcome(delivery, TaskStatus.CANCEL, b"1", error, 10, 20, 30, 40, "there", True, "worker")
    written = take_apart(encode_record(outcome, wall_us=50))
    assert (written.member, written.queue, written.payload, written.child) == (member, "mail", b'{"v":1}', None)
    text = '{"type":"ValueError","text":"no","traceback":"trace"}'
    assert written.ending == Ending("cancel", 20, 50 + 40_000_000, "worker", 10, b"1", text, True, "no")
