"""A hotel: what tasks are given beside their arguments - dependencies, states - and arguments of pydantic.

Worker: env QTASKS_APP=program:app qtasks run -p 2
"""

import os
from contextlib import asynccontextmanager

from pydantic import BaseModel
from qtasks import Depends, QueueTasks
from qtasks.plugins import AsyncState, ScopeEnum, SyncState
from qtasks.plugins.depends import AsyncDependsPlugin, SyncDependsPlugin
from qtasks.plugins.pydantic import AsyncPydanticWrapperPlugin, SyncPydanticWrapperPlugin
from qtasks.plugins.states import AsyncStatePlugin, SyncStatePlugin

app = QueueTasks("hotel", os.environ["QTASKS_URL"])
for plugin in (AsyncDependsPlugin, SyncDependsPlugin, AsyncStatePlugin, SyncStatePlugin):
    app.add_plugin(plugin())
for plugin in (AsyncPydanticWrapperPlugin, SyncPydanticWrapperPlugin):
    app.add_plugin(plugin())


# Dependencies.

opened = []


def key():
    opened.append("key")
    try:
        yield "key"
    finally:
        opened.remove("key")


async def linen():
    return "linen"


@asynccontextmanager
async def minibar(key=Depends(key)):
    opened.append("minibar")
    try:
        yield f"minibar with {key}"
    finally:
        opened.remove("minibar")


def lobby():
    return object()


@app.task
def room(number: int, key=Depends(key), linen=Depends(linen, scope=ScopeEnum.TASK), bar=Depends(minibar)):
    return [number, key, linen, bar, sorted(opened)]


@app.task
async def leave(key=Depends(key)):
    return opened == ["key"]


@app.task
def fire(key=Depends(key)):
    raise OSError("fire")


@app.task
async def shared(
    first=Depends(lobby, scope="worker"),
    second=Depends(lobby, scope=ScopeEnum.WORKER),
    third=Depends(lobby, scope="broker"),
    fourth=Depends(lobby, scope="storage"),
    fifth=Depends(lobby, scope="global_config"),
):
    return [first is second, len({first, third, fourth, fifth})]


# States.


class Guests(AsyncState):
    """Who is in which room."""


class Bills(SyncState):
    """What guests owe."""


@app.task
async def check_in(number: str, name: str, guests: Guests):
    await guests.set(number, name)
    return await guests.get(number)


@app.task
def charge(name: str, amount: int, bills: Bills, guests: Guests):
    bills.modify(lambda owed: owed | {name: owed.get(name, 0) + amount})
    return [bills.get(name, 0), guests.sync.get_all()]


@app.task
async def check_out(number: str, guests: Guests):
    await guests.update(last=await guests.get(number))
    await guests.delete(number)
    left = await guests.get_all()
    await guests.clear()
    return [left, await guests.get("last", "nobody")]


# Models.


class Booking(BaseModel):
    name: str
    nights: int = 1


@app.task
def book(booking: Booking, discount: int = 0) -> Booking:
    assert isinstance(booking, Booking)
    return Booking(name=booking.name.title(), nights=booking.nights + discount)


@app.task
async def confirm(booking: Booking) -> str:
    return f"{booking.name}: {booking.nights}"


def main():
    room_facts = [7, "key", "linen", "minibar with key", ["key", "minibar"]]
    assert room.add_task(7, timeout=30.0).returning == room_facts
    assert room.add_task(7, key="skeleton", timeout=30.0).returning[1] == "skeleton"
    assert fire.add_task(timeout=30.0).status == "error"
    assert leave.add_task(timeout=30.0).returning is True
    assert shared.add_task(timeout=30.0).returning == [True, 4]

    assert check_in.add_task("12", "Ada", timeout=30.0).returning == "Ada"
    for owed in (5, 10):
        assert charge.add_task("Ada", 5, timeout=30.0).returning == [owed, {"12": "Ada"}]
    assert check_out.add_task("12", timeout=30.0).returning == [{"last": "Ada"}, "nobody"]

    booked = Booking(name="Ada", nights=2)
    for done in (
        book.add_task(Booking(name="ada", nights=2), timeout=30.0),
        book.add_task({"name": "ada", "nights": 2}, timeout=30.0),
        book.add_task(name="ada", nights=2, timeout=30.0),
        book.add_task(booking={"name": "ada"}, discount=1, timeout=30.0),
    ):
        assert done.returning == booked, done.traceback
    assert confirm.add_task(Booking(name="Ada"), timeout=30.0).returning == "Ada: 1"


if __name__ == "__main__":
    main()
