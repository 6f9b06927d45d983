"""A state keeps its fields in the storage, in either face and on each backend, and loses no change."""

import asyncio
import datetime as dt
import threading
from decimal import Decimal
from typing import Annotated

import pytest
from qtasks import QueueConfig, QueueTasks
from qtasks.errors import ConfigError, EncodeError, LimitError
from qtasks.message import new_id
from qtasks.plugins import AsyncState, SyncState, injected
from qtasks.testing import in_memory, running

PATIENCE_S = 20.0


class Cart(AsyncState):
    """As a user writes it."""


class BlockingCart(SyncState):
    """The same state, in the other face."""

    name = "Cart"


class Prices(SyncState):
    since: dt.datetime
    prices: dict[str, Decimal]


class Counter(AsyncState):
    pass


class Awaited:
    """The methods of an asynchronous state, for tests that block."""

    def __init__(self, state, run):
        self._state = state
        self._run = run

    def __getattr__(self, name):
        method = getattr(self._state, name)
        return lambda *args, **kw: self._run(method(*args, **kw))


@pytest.fixture(params=["sync", "async", "async.sync"])
def cart(request, app, async_app):
    """One state, by the methods of each face."""
    if request.param == "sync":
        yield BlockingCart(app)
    elif request.param == "async.sync":
        yield Cart(app).sync
    else:
        with asyncio.Runner() as runner:
            yield Awaited(Cart(async_app), runner.run)
            runner.run(async_app.close())


def test_a_field_is_read_as_it_was_written(cart):
    cart.set("total", [1, {"a": None}])
    assert cart.get("total") == [1, {"a": None}]


def test_a_field_that_is_not_there_is_the_default(cart):
    assert (cart.get("total"), cart.get("total", 0), cart.get_all()) == (None, 0, {})


def test_an_update_leaves_the_other_fields(cart):
    cart.update(a=1, b=2, self=3)
    cart.update(b=4)
    assert cart.get_all() == {"a": 1, "b": 4, "self": 3}


def test_a_deleted_field_is_gone_and_the_others_stay(cart):
    cart.update(a=1, b=2)
    cart.delete("a")
    cart.delete("not there")
    assert cart.get_all() == {"b": 2}


def test_a_cleared_state_has_no_fields(cart):
    cart.update(a=1, b=2)
    cart.clear()
    assert cart.get_all() == {}
    cart.set("a", 3)
    assert cart.get_all() == {"a": 3}


def test_modify_takes_what_the_function_changes_in_place(cart):
    cart.update(a=1, b=2)

    def change(fields):
        fields["a"] += 1

    assert cart.modify(change) == {"a": 2, "b": 2} == cart.get_all()


def test_modify_takes_what_the_function_returns(cart):
    cart.update(a=1, b=2)
    assert cart.modify(lambda fields: {"c": fields["a"]}) == {"c": 1} == cart.get_all()


def test_modify_changes_nothing_when_the_function_raises(cart):
    cart.set("a", 1)

    def change(fields):
        fields["a"] = 2
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cart.modify(change)
    assert cart.get_all() == {"a": 1}


def test_modify_refuses_what_is_no_dict(cart):
    cart.set("a", 1)
    with pytest.raises(ConfigError, match="modify: the function returned a int; a dict or None was expected"):
        cart.modify(lambda fields: fields["a"] + 1)
    assert cart.get_all() == {"a": 1}


def test_a_value_that_cannot_be_stored_is_told_with_its_path(cart):
    with pytest.raises(EncodeError, match=r"state\.a\[1\]"):
        cart.set("a", [1, object()])


def test_keys_have_fields_of_their_own(app):
    cart = BlockingCart(app)
    cart.set("total", 1)
    cart.keyed("ann").set("total", 2)
    BlockingCart(app, "bob").set("total", 3)
    assert [cart.get("total"), cart.keyed("ann").get("total"), cart.keyed("bob").get("total")] == [1, 2, 3]
    assert cart.keyed("ann").key == "ann"


def test_classes_have_fields_of_their_own(app):
    BlockingCart(app).set("since", "today")
    assert Prices(app).get_all() == {}


def test_annotated_fields_are_restored(app):
    now = dt.datetime.now(dt.UTC)
    Prices(app).update(since=now, prices={"tea": Decimal("1.50")}, other=now)
    found = Prices(app).get_all()
    assert (found["since"], found["prices"]) == (now, {"tea": Decimal("1.50")})
    assert isinstance(found["other"], str)


def test_concurrent_changes_of_threads_are_all_kept(app):
    def add_many():
        for _ in range(25):
            Counter(app).sync.modify(lambda fields: {"n": fields.get("n", 0) + 1})

    threads = [threading.Thread(target=add_many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(app).sync.get("n") == 100


def test_concurrent_changes_on_an_event_loop_are_all_kept(async_app):
    def add(fields):
        fields["n"] = fields.get("n", 0) + 1

    async def main():
        await asyncio.gather(*(Counter(async_app).modify(add) for _ in range(100)))
        found = await Counter(async_app).get("n")
        await async_app.close()
        return found

    assert asyncio.run(main()) == 100


# What no backend has a part in.


@pytest.fixture
def memory_app():
    app = QueueTasks("plugins", f"memory://{new_id()}", config=QueueConfig(max_payload_bytes=1024))
    yield app
    app.close()


def test_a_state_is_forgotten_when_its_time_is_over(memory_app):
    class Fresh(SyncState):
        ttl = "1m"

    with in_memory(memory_app) as clock:
        Fresh(memory_app).set("a", 1)
        clock.advance(59)
        Fresh(memory_app).set("b", 2)
        clock.advance(59)
        assert Fresh(memory_app).get_all() == {"a": 1, "b": 2}  # the time begins anew with each change
        clock.advance(2)
        assert Fresh(memory_app).get_all() == {}


def test_a_ttl_that_is_no_duration_is_refused(memory_app):
    class Wrong(SyncState):
        ttl = "soon"

    with pytest.raises(ConfigError, match=r"Wrong\.ttl: 'soon' is not a duration"):
        Wrong(memory_app)


def test_a_state_that_is_too_large_is_refused(memory_app):
    with pytest.raises(LimitError, match=r"state takes .* bytes; at most 1,024 are allowed"):
        BlockingCart(memory_app).set("a", "x" * 1024)


def test_blocking_an_event_loop_brings_a_warning(memory_app):
    async def main():
        BlockingCart(memory_app).get("a")

    with pytest.warns(RuntimeWarning, match="A blocking method of a state blocks the running event loop"):
        asyncio.run(main())


# In tasks.


def run(app, function, *args, **kw):
    """The ended task of a function."""
    task = app.task(function)
    with running(app):
        return task.options(timeout=PATIENCE_S)(*args, **kw).add_task()


def test_a_def_task_has_the_blocking_methods_at_sync(app):
    def sample(x, state: Cart):
        state.sync.set("x", x)
        return [type(state).__name__, state.sync.get("x")]

    assert run(app, sample, 1).result() == ["Cart", 1]


def test_an_async_task_awaits(app):
    async def sample(x, state: Cart):
        await state.set("x", x)
        return await state.get("x")

    assert run(app, sample, 1).result() == 1


def test_tasks_share_one_state_which_outlives_their_worker(app):
    def write(state: Cart):
        state.sync.set("a", 1)

    async def read(state: Cart):
        return await state.get_all()

    run(app, write)
    assert run(app, read).result() == {"a": 1}
    assert BlockingCart(app).get("a") == 1


@pytest.mark.parametrize("annotation", [BlockingCart, Annotated[BlockingCart, "a note"]])
def test_each_spelling_injects_the_state(memory_app, annotation):
    def without_default(x, state: annotation):
        return [x, state.get("a", 0)]

    def with_default(x, state: annotation = injected()):
        return [x, state.get("a", 0)]

    assert run(memory_app, without_default, 1).result() == [1, 0]
    assert run(memory_app, with_default, 1).result() == [1, 0]


def test_other_parameters_may_follow_by_name(memory_app):
    def sample(state: Cart, x):
        return [x, state.sync.get("a", 0)]

    assert run(memory_app, sample, x=1).result() == [1, 0]


def test_an_argument_in_the_place_of_a_state_is_refused(memory_app):
    def sample(state: Cart, x):
        return x

    failed = run(memory_app, sample, 1)
    assert failed.status == "dead"
    assert failed.error.startswith("ArgumentsError: argument 'state' is a Cart, which no call brings")


def test_two_classes_of_one_name_are_refused(memory_app):
    def sample(a: Cart, b: BlockingCart):
        return None

    failed = run(memory_app, sample)
    assert failed.status == "error"
    assert "would share the fields of one state, 'Cart'." in failed.error
