"""`TaskExecutor`: runs one attempt of one task. Programs replace it per task: `@app.task(executor=...)`.

It turns a delivery into a result or an exception. What becomes of these is `execution.py`.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from qtasks.errors import ArgumentsError, QTasksError
from qtasks.executor.context import TaskContext, bind
from qtasks.executor.generators import run_generator
from qtasks.executor.limits import call_interruptible

if TYPE_CHECKING:
    from qtasks.executor.execution import Run
    from qtasks.executor.plan import Plan
    from qtasks.message import Delivery, TaskMessage
    from qtasks.registry import TaskDefinition
    from qtasks.runtime import Runtime


class TaskExecutor:
    """Runs one attempt of one task. One instance per attempt; override any step.

    The steps, in order: `prepare` (arguments), `run_task` (function or generator, between the
    middlewares), `on_error` (only when that raised), `decode`. A subclass may do anything in
    `execute`: what it returns is the result, what it raises is the error.

    Attributes:
        run: the attempt in the worker's books.
        task_func: the task's definition.
        task_broker: the message.
        delivery: how it was handed over.
        args: the positional arguments.
        kw: the keyword arguments.
        result: the result so far.
    """

    suspends: ClassVar[bool] = False
    """True when an overridden step awaits something of its own. Then the event loop leads the run of
    blocking tasks, too, at the price of two changes of thread per task."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.plan: Plan = run.plan
        self.runtime: Runtime = run.worker.runtime
        self.task_func: TaskDefinition = run.plan.definition
        self.task_broker: TaskMessage = run.message
        self.delivery: Delivery = run.delivery
        self.args: list[Any] = run.message.args
        self.kw: dict[str, Any] = run.message.kwargs
        self.result: Any = None
        self._ctx: TaskContext | None = None

    @property
    def ctx(self) -> TaskContext:
        """The context of this attempt."""
        if self._ctx is None:
            self._ctx = TaskContext.of(self)
        return self._ctx

    async def execute(self) -> Any:
        """Run the attempt and return its result.

        Raises:
            BaseException: whatever the function, a middleware or a hook raised.
        """
        hooks = self.runtime.hooks.dispatch
        try:
            await self.prepare()
            run_task = self.run_task
            for around in reversed(self.plan.arounds):
                run_task = partial(around, run_task, self)
            try:
                if hooks.task_executor_around:
                    self.result = await hooks.task_executor_around(call_next=run_task, ctx=self)
                else:
                    self.result = await run_task()
            except Exception as error:  # noqa: BLE001 - the user's function may raise anything
                self.result = await self.on_error(self._wrong_call(error) or error)
            if hooks.task_executor_after_execute:
                await hooks.task_executor_after_execute(task_executor=self)
            if hooks.task_executor_after_execute_result_replace:
                self.result = await hooks.task_executor_after_execute_result_replace(
                    task_executor=self, result=self.result
                )
            return await self.decode(self.result)
        finally:
            if hooks.task_executor_task_close:
                await hooks.task_executor_task_close(
                    task_executor=self, task_func=self.task_func, task_broker=self.task_broker
                )

    def _wrong_call(self, error: Exception) -> ArgumentsError | None:
        """What to say in the place of the TypeError of a call that does not fit the function."""
        if not isinstance(error, TypeError) or isinstance(error, QTasksError):  # the latter says it itself
            return None
        bound = (None,) if self.task_func.options.echo else ()
        try:
            inspect.signature(self.task_func.function).bind(*bound, *self.args, **self.kw)
        except TypeError as misfit:
            return ArgumentsError(f"the arguments do not fit {self.task_func.name!r}: {misfit}")
        return None

    async def prepare(self) -> None:
        """Restore the arguments by annotation and let plugins replace them.

        Raises:
            ArgumentsError: an argument does not fit its annotation.
        """
        if self.plan.arguments is not None:
            self.args, self.kw = self.plan.arguments.restore(self.args, self.kw)
        hooks = self.runtime.hooks.dispatch
        if hooks.task_executor_args_replace:
            values = await hooks.task_executor_args_replace(
                task_executor=self, args=self.args, kw=self.kw, args_info=self.plan.args_info
            )
            self.args, self.kw = list(values["args"]), dict(values["kw"])
        if hooks.task_executor_before_execute:
            await hooks.task_executor_before_execute(task_executor=self)

    async def run_task(self) -> Any:
        """Call the function between its middlewares and return the result."""
        options = self.task_func.options
        if options.middlewares_before:
            await self.run_middlewares(middlewares_before=options.middlewares_before)
        self.result = await self.call_function()
        if options.middlewares_after:
            await self.run_middlewares(middlewares_after=options.middlewares_after)
        return self.result

    async def call_function(self) -> Any:
        """Call the function, or run the generator to its end; hooks may replace what comes out."""
        hooks = self.runtime.hooks.dispatch
        args = [bind(self), *self.args] if self.task_func.options.echo else self.args
        if self.task_func.generates:
            results = await run_generator(self, self.task_func.function(*args, **self.kw))
            return await hooks.task_executor_run_task_gen(task_executor=self, results=results)
        if self.task_func.kind == "async":
            result = await self.task_func.function(*args, **self.kw)
        else:
            result = await self.call_blocking(self.task_func.function, *args, **self.kw)
            if inspect.isawaitable(result):
                result = await self.wait_for(result)
        if hooks.task_executor_run_task:
            result = await hooks.task_executor_run_task(task_executor=self, result=result)
        return result

    async def on_error(self, error: Exception) -> Any:
        """Answer an exception of the function: return a result, or raise.

        Raises:
            Exception: the same one, unless a plugin has an answer.
        """
        hooks = self.runtime.hooks.dispatch
        rescue = await hooks.task_executor_run_task_trigger_error(
            task_executor=self, task_func=self.task_func, task_broker=self.task_broker, e=error
        )
        if rescue is not None:
            return rescue["result"]
        raise error

    async def decode(self, result: Any) -> Any:
        """Apply `decode` of the task, or of the config, to the result."""
        decode = self.task_func.options.decode or self.runtime.config.task_default_decode
        if decode is not None:
            result = decode(result)
        hooks = self.runtime.hooks.dispatch
        if hooks.task_executor_decode:
            result = await hooks.task_executor_decode(task_executor=self, result=result)
        return result

    async def run_middlewares(
        self, *, middlewares_before: tuple[Any, ...] | None = None, middlewares_after: tuple[Any, ...] | None = None
    ) -> None:
        """Call middlewares in order, each with this executor; a class is made with it and then called."""
        hooks = self.runtime.hooks.dispatch
        await hooks.task_executor_middlewares_execute(
            task_executor=self, middlewares_before=middlewares_before, middlewares_after=middlewares_after
        )
        for middleware in middlewares_before or middlewares_after or ():
            made: Any = middleware(self)
            answer = made() if inspect.isclass(middleware) else made
            if inspect.isawaitable(answer):
                await self.wait_for(answer)

    async def call_blocking(self, function: Callable[..., Any], *args: Any, **kw: Any) -> Any:
        """Call something that blocks, outside the event loop, until the task's time is up or it is cancelled."""
        return await self.call_off_loop(call_interruptible, self.run, function, *args, **kw)

    async def call_off_loop(self, function: Callable[..., Any], *args: Any, **kw: Any) -> Any:
        """Call something that blocks, outside the event loop and for as long as it takes."""
        if not self.plan.on_loop:
            return function(*args, **kw)
        leader, self.run.leader = self.run.leader, None  # what a thread does is not interrupted from the loop
        try:
            return await self.run.worker.call_in_thread(function, *args, **kw)
        finally:
            self.run.leader = leader

    async def wait_for(self, answer: Awaitable[Any]) -> Any:
        """Await something, also from a slot thread (there the event loop does it and the thread waits)."""
        if self.plan.on_loop:
            return await answer
        return self.run.worker.wait_on_loop(answer, self.run.left_s)
