"""No statement on the way of a task reads more than it needs: a million tasks cost each as much as ten."""

from qtasks.message import Outcome, StreamItem
from qtasks.types import TaskStatus
from sqlite.support import success


def test_no_statement_on_the_way_of_a_task_scans_the_tasks_or_sorts_the_queue(queue):
    session = queue.broker.database.session()
    statements = set()
    session._connection.set_trace_callback(statements.add)
    address = queue.storage.reply_address()
    due = queue.context.clock.wall_us() + 10**9
    tasks = [queue.add(unique=f"u{number}", expires=due, reply_to=address) for number in range(4)]
    queue.add(unique="u0")
    queue.add(due=due)
    owner = queue.worker()
    one, two, three, four = queue.take_all(owner)
    queue.finish(owner, [success(one, keep_s=0)], [StreamItem(one, 0, b"1")])
    queue.finish(owner, [Outcome(two, TaskStatus.RETRY), Outcome(three, TaskStatus.DEAD)])
    queue.cancel(tasks[3], "no")
    queue.cancel_requests(owner, [], 0.001)
    queue.take(owner, ["default"], 1, 0.001, in_hand=[four])
    queue.beat([owner])
    queue.release(owner, death="killed")
    queue.wait(tasks[2], 1)
    queue.read_stream(tasks[2], 0, 0, 0)
    queue.find(status=TaskStatus.DEAD)
    session._connection.set_trace_callback(None)

    plans = {
        (statement, plan)
        for statement in statements
        if statement.lstrip().startswith(("SELECT", "UPDATE", "DELETE", "INSERT"))
        for *_, plan in session.execute(f"EXPLAIN QUERY PLAN {statement}")
    }
    assert len(plans) > 40
    assert [one for one in plans if one[1].startswith("SCAN task") and "USING" not in one[1]] == []
    assert [one for one in plans if "SET state = 'process'" in one[0] and "TEMP B-TREE" in one[1]] == []
