"""Generator tasks: every yielded value is handled, published, and the answer sent back in."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qtasks.executor.executor import TaskExecutor

_END = object()


async def run_generator(executor: TaskExecutor, generator: Any) -> Any:
    """Run a generator or asynchronous generator to its end.

    Args:
        executor: whose task it is.
        generator: fresh from the call of the function.

    Returns:
        the list of handled values (of yielded ones without a handler); or the value that the generator
        returned, when that is not None.
    """
    asynchronous = hasattr(generator, "asend")
    values: list[Any] = []
    answer: Any = None
    try:
        while True:
            if asynchronous:
                try:
                    value = await generator.asend(answer)
                except StopAsyncIteration:
                    return values
            else:
                value, returned = await executor.call_blocking(_step, generator, answer)
                if value is _END:
                    return values if returned is None else returned
            answer = await _handle(executor, value)
            handled = value if executor.task_func.options.generate_handler is None else answer
            values.append(handled)
            if (written := executor.run.emit(handled)) is not None:
                await executor.wait_for(written)
    finally:
        if asynchronous:
            await generator.aclose()
        elif inspect.getgeneratorstate(generator) == inspect.GEN_SUSPENDED:  # not where a thread is still in it
            await executor.call_off_loop(generator.close)


def _step(generator: Any, answer: Any) -> tuple[Any, Any]:
    """One step; the end as a pair, because a StopIteration cannot leave a coroutine or a future."""
    try:
        return generator.send(answer), None
    except StopIteration as end:
        return _END, end.value


async def _handle(executor: TaskExecutor, value: Any) -> Any:
    handler = executor.task_func.options.generate_handler
    if handler is None:
        return None
    answer = handler(value)
    return await executor.wait_for(answer) if inspect.isawaitable(answer) else answer
