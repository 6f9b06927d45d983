"""Dependencies of every scope, and a state that tasks on all workers share.

Worker: qtasks -A program:app run -p 2
"""

import os
from pathlib import Path

from qtasks import QueueTasks
from qtasks.plugins import AsyncState, Depends, SyncState

app = QueueTasks(broker_url=os.environ["QTASKS_URL"])


class Database:
    def __init__(self):
        self.process = os.getpid()

    def save(self, data):
        return [data, self.process]


def get_db():
    with Path("ledger").open("a") as ledger:
        ledger.write(f"{os.getpid()}\n")
    yield Database()


def scoped():
    yield object()


@app.task
def process(data: int, db=Depends(get_db, scope="worker")):
    return db.save(data)


@app.task
async def each_scope(
    first=Depends(scoped, scope="task"),
    second=Depends(scoped, scope="worker"),
    third=Depends(scoped, scope="broker"),
    fourth=Depends(scoped, scope="storage"),
    fifth=Depends(scoped, scope="global_config"),
):
    return len({first, second, third, fourth, fifth})


class MyState(AsyncState):
    pass


class Blocking(SyncState):
    pass


def count(fields):
    fields["count"] = fields.get("count", 0) + 1


@app.task
def sample(state: MyState, other: Blocking):
    state.sync.modify(count)
    other.modify(count)


@app.task
async def awaiting(state: MyState):
    await state.modify(count)
    return os.getpid()


@app.task
async def total(state: MyState):
    return await state.get("count")


if __name__ == "__main__":
    saved = [process.add_task(number) for number in range(20)]
    saved = [task.wait_result(30).returning for task in saved]
    assert [data for data, _ in saved] == list(range(20))
    opened = Path("ledger").read_text().split()
    assert {process for _, process in saved} <= set(map(int, opened))
    assert len(opened) == len(set(opened)), "each process opens it once"
    assert each_scope.add_task(timeout=30).returning == 5

    counted = [task.add_task() for _ in range(25) for task in (sample, awaiting)]
    assert {task.wait_result(30).status for task in counted} == {"success"}
    assert total.add_task(timeout=30).returning == 50
