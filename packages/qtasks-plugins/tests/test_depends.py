"""What a dependency may be, how it is written, and what its errors do."""

import functools
import threading
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, Any

import pytest
from qtasks import Depends, TaskStatus
from qtasks.errors import ConfigError
from qtasks.plugins import injected, override


def get_plain():
    return "plain"


async def get_awaited():
    return "awaited"


def get_generated():
    yield "generated"


async def get_generated_async():
    yield "generated async"


@contextmanager
def get_managed():
    yield "managed"


@asynccontextmanager
async def get_managed_async():
    yield "managed async"


class Session:
    def __enter__(self):
        return "session"

    def __exit__(self, *error):
        pass


class AsyncSession:
    async def __aenter__(self):
        return "async session"

    async def __aexit__(self, *error):
        pass


class Called:
    def __call__(self):
        yield "called"


KINDS = {
    "plain": get_plain,
    "awaited": get_awaited,
    "generated": get_generated,
    "generated async": get_generated_async,
    "managed": get_managed,
    "managed async": get_managed_async,
    "session": Session,
    "async session": AsyncSession,
    "called": Called(),
}

FACES = pytest.mark.parametrize("face", ["def", "async def"])


# How it is written.


@FACES
@pytest.mark.parametrize("scope", ["task", "worker"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_instance_is_made_by_each_kind_of_function(bench, in_face, face, scope, kind):
    def task(x, it=Depends(KINDS[kind], scope)):
        return [x, it]

    assert bench.run(in_face(face, task), 1).result() == [1, kind]


def as_default(x, it=Depends(get_plain)):
    return [x, it]


def as_metadata(x, it: Annotated[str, Depends(get_plain)]):
    return [x, it]


def as_annotation(x, it: Depends(get_plain)):
    return [x, it]


def as_metadata_with_default(x, it: Annotated[str, Depends(get_plain)] = injected()):
    return [x, it]


def by_name_only(x, *, it: Annotated[str, Depends(get_plain)]):
    return [x, it]


def as_text(x, it: "Annotated[str, Depends(get_plain)]", y: "NotThere" = None):  # noqa: F821 - the point
    return [x, it]


def first(it: Annotated[str, Depends(get_plain)], x=1):
    return [x, it]


def get_prefixed(prefix, it: "Annotated[str, Depends(get_plain)]"):
    return f"{prefix} {it}"


SPELLINGS = [as_default, as_metadata, as_annotation, as_metadata_with_default, by_name_only, as_text]


@FACES
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_each_spelling_fills_the_parameter(bench, in_face, face, spelling):
    assert bench.run(in_face(face, spelling), 1).result() == [1, "plain"]


def test_a_dependency_may_stand_before_other_parameters(bench):
    assert bench.run(first).result() == [1, "plain"]


@FACES
def test_the_argument_of_a_call_goes_before_and_nothing_is_opened(bench, in_face, face):
    source = bench.source()

    def task(x, it=Depends(source)):
        return [x, it]

    assert bench.run(in_face(face, task), 1, "given").result() == [1, "given"]
    assert bench.opened == []


def test_a_bound_task_has_dependencies_too(bench):
    def task(self, x, it=Depends(get_plain)):
        return [self.ctx.task_name, x, it]

    assert bench.run(task, 1, echo=True).result() == ["t0", 1, "plain"]


def test_a_generator_has_its_dependencies_until_its_end(bench):
    source = bench.source()

    def task(it=Depends(source)):
        yield list(bench.closed)
        yield list(bench.closed)

    assert bench.run(task).result() == [[], []]
    assert bench.closed == ["it"]


def test_a_blocking_task_is_still_led_by_a_slot_thread(bench):
    source = bench.source(asynchronous=True)

    def task(it=Depends(source)):
        return threading.current_thread().name

    assert bench.run(task).result().startswith("qtasks-slot-")


def test_a_task_without_dependencies_pays_nothing(bench):
    seen = []

    class Look:
        @staticmethod
        async def run(executor):
            seen.append(executor.plan.arounds)

    bench.run(lambda: None, middlewares_before=[Look.run])
    assert seen == [()]


# Dependencies of dependencies.


@FACES
def test_a_dependency_has_dependencies_that_close_after_it(bench, in_face, face):
    inner = bench.source("inner", asynchronous=True)

    def outer(x: Annotated[str, Depends(inner)]):
        yield f"outer of {x}"
        bench.closed.append("outer")

    def task(it=Depends(outer)):
        return it

    assert bench.run(in_face(face, task)).result() == "outer of inner"
    assert bench.closed == ["outer", "inner"]


def test_a_function_with_some_arguments_given_keeps_its_dependencies(bench):
    def task(it=Depends(functools.partial(get_prefixed, "very"))):  # noqa: B008 - as a user writes it
        return it

    assert bench.run(task).result() == "very plain"


def test_an_attempt_has_one_instance_however_many_need_it(bench):
    session = bench.source()

    def users(db=Depends(session)):
        return db

    def orders(db=Depends(session)):
        return db

    def task(a=Depends(users), b=Depends(orders), c=Depends(session)):
        return [a, b, c]

    assert bench.run(task).result() == ["it", "it", "it"]
    assert bench.opened == ["it"]


def test_what_closes_before_is_refused_as_a_need(bench):
    def pool(session=Depends(get_plain)):
        return session

    def task(it=Depends(pool, scope="worker")):
        return it

    failed = bench.run(task)
    assert failed.status is TaskStatus.ERROR
    assert "pool of scope worker needs get_plain of scope task, which is closed before." in failed.error
    assert 'Write Depends(get_plain, scope="worker").' in failed.error


def needs_itself(it: "Annotated[Any, Depends(needs_itself)]"):
    return it


def test_what_needs_itself_is_refused(bench):
    def task(it=Depends(needs_itself)):
        return it

    assert "The dependency needs_itself needs itself." in bench.run(task).error


# Mistakes.


def test_an_unknown_scope_is_refused_where_it_is_written():
    with pytest.raises(ConfigError, match=r"there is no scope 'wroker'\.\nDid you mean 'worker'\?"):
        Depends(get_plain, scope="wroker")


def test_what_is_no_function_is_refused():
    with pytest.raises(ConfigError, match=r"expected a function, found 'plain'\.\nLeave out its brackets"):
        Depends(get_plain())


def test_what_nobody_injects_says_so():
    with pytest.raises(ConfigError, match="'save' was asked of a parameter that nothing was injected for"):
        injected().save()


@FACES
def test_a_parameter_that_nobody_fills_fails_its_task_before_it_runs(bench, in_face, face):
    ran, source = [], bench.source()

    def task(a: int = injected(), it=Depends(source)):
        ran.append(a)

    failed = bench.run(in_face(face, task))
    assert failed.status is TaskStatus.ERROR
    assert failed.error.startswith("ConfigError: Nothing was injected for the parameter 'a'.")
    assert (ran, bench.opened) == ([], [])


def test_an_argument_fills_what_would_be_injected(bench):
    def task(a: int = injected()):
        return a

    assert bench.run(task, 1).result() == 1


# Overrides.


@FACES
def test_a_test_puts_another_function_in_the_place_of_a_dependency(bench, in_face, face):
    fake, real = bench.source("fake", asynchronous=True), bench.source("real")

    def task(it=Depends(real)):
        return it

    function = in_face(face, task)
    with override(real, fake):
        assert bench.run(function).result() == "fake"
    assert bench.run(function).result() == "real"
    assert (bench.opened, bench.closed) == (["fake", "real"], ["fake", "real"])


def test_an_override_reaches_what_a_dependency_needs(bench):
    def outer(it=Depends(get_plain)):
        return f"outer of {it}"

    def task(it=Depends(outer)):
        return it

    with override(get_plain, lambda: "one"), override(get_plain, lambda: "another"):
        assert bench.run(task).result() == "outer of another"


def test_an_override_ends_with_its_block(bench):
    def task(it=Depends(get_plain)):
        return it

    with override(get_plain, lambda: "one"):
        with override(get_plain, lambda: "another"):
            pass
        assert bench.run(task).result() == "one"
    assert bench.run(task).result() == "plain"
