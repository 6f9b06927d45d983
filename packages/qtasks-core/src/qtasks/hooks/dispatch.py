"""How hooks are called: each hook's implementations compiled into one coroutine function, by the hook's kind.

Which implementations there are, and in what order, is the registry's affair; one of them alone is in
`qtasks.hooks.implementation`.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from qtasks.hooks.implementation import Implementation
from qtasks.hooks.kinds import HookSpec, Kind
from qtasks.hooks.specs import SPECS, Plugin

HookCall: TypeAlias = Callable[..., Coroutine[Any, Any, Any]]
Implementations: TypeAlias = tuple[Implementation, ...]

if TYPE_CHECKING:
    _Shape = Plugin  # type checkers know every hook by name
else:
    _Shape = object


class Dispatch(_Shape):
    """What the core calls: one attribute for each hook.

    `await hooks.worker_start(worker=worker)`: every keyword of the hook is given, by name. On the path of every task
    it is worth asking first, `if hooks.worker_start:`, whether any plugin implements it. What comes back depends
    on the kind:

    - `notify`: None.
    - `replace`: of one value, that value; of several, a dict of all that may be replaced, by keyword.
    - `first`: the answer, or None.
    - `collect`: the list of answers.
    - `around`: what the chain around `call_next` returns.

    The registry keeps one object up to date in place, so it may be held on to. A call suspends only
    where an asynchronous implementation does; `async_hooks` holds the names of the hooks that have one.
    """

    __slots__ = (*SPECS, "async_hooks")

    async_hooks: frozenset[str]


class Unheard(tuple[Any, ...]):  # noqa: SLOT001 - it has an attribute
    """A hook that no plugin implements: false, but called like all others.

    A tuple, because Python sees by itself that one is empty: a `__bool__` of ours would take four times as long.
    """

    call: HookCall

    def __call__(self, **kw: Any) -> Coroutine[Any, Any, Any]:
        """What the hook comes to without implementations."""
        return self.call(**kw)


class Oversight(Protocol):
    """What compiled hooks need of the registry."""

    async def limit(self, answer: Awaitable[Any]) -> Any:
        """Await the answer of an asynchronous implementation, for as long as it may take."""

    def failed(self, implementation: Implementation, error: Exception) -> None:
        """Take note that an implementation of a `notify` hook raised."""


def compile_hook(spec: HookSpec, implementations: Implementations, oversight: Oversight) -> HookCall:
    """Make the one coroutine function that calls all implementations, in the order given; false when there are none."""
    call = _COMPILERS[spec.kind](spec, implementations, oversight)
    if implementations:
        return call
    unheard = Unheard()
    unheard.call = call
    return unheard


def _notify(_: HookSpec, implementations: Implementations, oversight: Oversight) -> HookCall:
    async def notify(**kw: Any) -> None:
        for implementation in implementations:
            try:
                answer = implementation.ask(kw)
                if implementation.may_await:
                    await implementation.settle(answer, oversight.limit)
            except Exception as error:  # noqa: BLE001 - who is notified cannot fail the operation
                oversight.failed(implementation, error)
            else:
                if implementation.failures_in_a_row:
                    implementation.failures_in_a_row = 0

    return notify


def _replace(spec: HookSpec, implementations: Implementations, oversight: Oversight) -> HookCall:
    value = None if spec.answer else next(iter(spec.returns.values()))
    context = tuple(param for param in spec.params if param not in spec.returns.values())

    async def replace(**kw: Any) -> Any:
        for implementation in implementations:
            answer = implementation.ask(kw)
            if implementation.may_await:
                answer = await implementation.settle(answer, oversight.limit)
            if answer is not None:
                implementation.merge(kw, answer)
        if value is not None:
            return kw[value]
        for param in context:
            del kw[param]
        return kw

    return replace


def _first(_: HookSpec, implementations: Implementations, oversight: Oversight) -> HookCall:
    async def first(**kw: Any) -> dict[str, Any] | None:
        for implementation in implementations:
            answer = implementation.ask(kw)
            if implementation.may_await:
                answer = await implementation.settle(answer, oversight.limit)
            if answer is not None:
                found: dict[str, Any] = {}
                implementation.merge(found, answer)
                if found:
                    return found
        return None

    return first


def _collect(_: HookSpec, implementations: Implementations, oversight: Oversight) -> HookCall:
    async def collect(**kw: Any) -> list[Any]:
        answers = []
        for implementation in implementations:
            answer = implementation.ask(kw)
            if implementation.may_await:
                answer = await implementation.settle(answer, oversight.limit)
            if answer is not None:
                answers.append(answer)
        return answers

    return collect


def _around(_: HookSpec, implementations: Implementations, __: Oversight) -> HookCall:
    inside_out = implementations[::-1]

    # `call`, not `ask`: what is raised in here is the task's own error, or what a plugin makes of it, and
    # passes as it is, so that `retry_on_exc` sees its type.
    async def around(call_next: Callable[[], Awaitable[Any]], ctx: Any) -> Any:
        for implementation in inside_out:
            call_next = functools.partial(implementation.call, {"call_next": call_next, "ctx": ctx})
        return await call_next()

    return around


_COMPILERS: Mapping[Kind, Callable[[HookSpec, Implementations, Oversight], HookCall]] = {
    Kind.NOTIFY: _notify,
    Kind.REPLACE: _replace,
    Kind.FIRST: _first,
    Kind.COLLECT: _collect,
    Kind.AROUND: _around,
}
