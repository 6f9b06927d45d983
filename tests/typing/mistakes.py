"""Mistakes that type checkers find. A comment that silences nothing is an error itself, so each line must be one.

Checked by mypy (strict, `warn_unused_ignores`) and pyright (`reportUnnecessaryTypeIgnoreComment`); never run.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from typing import Any

from qtasks import QueueTasks, Task
from qtasks.asyncio import QueueTasks as AsyncQueueTasks

app = QueueTasks()
async_app = AsyncQueueTasks()


@app.task
def double(x: int, *, times: int = 1) -> int:
    return x * 2 * times


@async_app.task
async def double_async(x: int) -> int:
    return x * 2


@app.task(echo=True)
def echoing(self: Any, x: int) -> str:
    return f"{self} {x}"


def wrong_arguments() -> None:
    double.add_task("one")  # type: ignore[call-overload]
    double.add_task()  # type: ignore[call-overload]
    double.add_task(1, 2)  # type: ignore[call-overload]
    double.add_task(1, tims=2)  # type: ignore[call-overload]
    double("one")  # type: ignore[call-overload]
    double.options(delay=1)("one")  # type: ignore[arg-type]
    double.options(delay=1).add_task()  # type: ignore[call-arg]
    echoing.add_task("one")  # type: ignore[call-overload]
    echoing.add_task(None, 1)  # type: ignore[call-overload]


async def wrong_arguments_awaited() -> None:
    await double_async.add_task("one")  # type: ignore[call-overload]
    await double_async.options(delay=1)("one").add_task()  # type: ignore[arg-type]


def wrong_options() -> None:
    double.add_task(1, timeout="soon")  # type: ignore[call-overload]
    double.add_task(1, priority="high")  # type: ignore[call-overload]
    double.options(dealy=1)  # type: ignore[call-overload]
    double.options(priority="high")  # type: ignore[call-overload]
    double.options(eta="tomorrow")  # type: ignore[call-overload]


def wrong_results() -> None:
    _: str = double.add_task(1).result()  # type: ignore[assignment]
    __: Task[int] = double.add_task(1, timeout=5.0)  # type: ignore[assignment]
    double.add_task(1, timeout=5.0).result()  # type: ignore[union-attr]
    double.add_task(1).returning + 1  # type: ignore[operator]


async def forgotten_await() -> None:
    double_async.add_task(1).result()  # type: ignore[attr-defined]
