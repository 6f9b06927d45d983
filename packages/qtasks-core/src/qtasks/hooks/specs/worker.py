"""The hooks of workers and task executors: the way of one task from its taking to its outcome."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict
from uuid import UUID

from qtasks.hooks.kinds import around, collect, first, notify, replace

if TYPE_CHECKING:
    from qtasks.ports import Broker


class AddedTask(TypedDict, total=False):
    """What `worker_add` may replace."""

    name: str
    uuid: UUID
    priority: int
    args: Sequence[Any]
    kw: Mapping[str, Any]
    created_at: datetime


class TaskToRun(TypedDict, total=False):
    """What `worker_run_task_before` may replace."""

    task_func: Any
    task_broker: Any


class FinishedTask(TypedDict, total=False):
    """What `worker_remove_finished_task` may replace."""

    task_broker: Any
    model: Any


class Arguments(TypedDict, total=False):
    """What `task_executor_args_replace` may replace."""

    args: Sequence[Any]
    kw: Mapping[str, Any]


class Rescue(TypedDict):
    """The answer of `task_executor_run_task_trigger_error`: a dict, so that the result may be None."""

    result: Any


class WorkerHooks:
    """Hooks that the worker calls."""

    @notify
    def worker_start(self, worker: Any) -> None:
        """When a worker starts, before it takes tasks."""

    @notify
    def worker_stop(self, worker: Any) -> None:
        """When a worker has stopped: it holds no task any more."""

    @collect
    def worker_clock_moved(self, worker: Any) -> int | None:
        """When the clock of a test has moved, in a worker that has nothing to do at this moment; nowhere else.

        A plugin that waits for moments of its own adds what is due by `worker.runtime.clock.wall_us()`, and answers
        with the next of its moments, microseconds UTC; None when there is none. Asked again until it adds nothing.
        """

    @replace(AddedTask, renamed={"name": "task_name"})
    def worker_add(
        self,
        worker: Any,
        task_name: str,
        uuid: UUID,
        priority: int,
        args: Sequence[Any],
        kw: Mapping[str, Any],
        created_at: datetime,
    ) -> AddedTask | None:
        """When a worker has taken a task, after `storage_add_process`; it now waits for a slot.

        Returns change the copy of this run only: a new priority has no effect, a new uuid is a PluginError. The keyword
        `task_name` is replaced by the key `name`.
        """

    @replace(TaskToRun)
    def worker_run_task_before(self, worker: Any, task_func: Any, task_broker: Any) -> TaskToRun | None:
        """When a slot has picked a task up.

        What is returned is run; a blocking function may take the place of a blocking one only, and an asynchronous one
        that of an asynchronous one.
        """

    @replace("model")
    def worker_execute_before(self, worker: Any, task_broker: Any, task_func: Any, model: Any) -> Any:
        """Right before the executor is started, after `worker_run_task_before`; `model` is the `Delivery`.

        What is returned is `task_executor.delivery`, and changes the copy of this run only.
        """

    @notify
    def worker_execute_after(self, worker: Any, task_func: Any, task_broker: Any, model: Any) -> None:
        """Once for each outcome, last of all, after `storage_remove_finished_task`; `model` is the `Outcome`."""

    @replace("model", added=("model", "e"))
    def worker_task_error_retry(
        self, broker: Broker, task_func: Any, task_broker: Any, trace: str, model: Any, e: Exception
    ) -> Any:
        """When an attempt has failed with the exception `e`, before its outcome is queued for the flush.

        `model` is the `Outcome`, of status `error`. What is returned is the outcome: the built-in retries answer with
        one of status `retry` that is due when the next attempt is to begin. Not called for what ends as `cancel` or
        `dead`.
        """

    @replace(FinishedTask)
    def worker_remove_finished_task(
        self, worker: Any, broker: Broker, task_func: Any, task_broker: Any, model: Any
    ) -> FinishedTask | None:
        """Once for each outcome, before it is flushed and after `broker_update`; `model` is the `Outcome`.

        The `model` that is returned is flushed; a returned `task_broker` has no effect.
        """


class TaskExecutorHooks:
    """Hooks that the executor calls while it runs one attempt of one task."""

    @replace(Arguments)
    def task_executor_args_replace(
        self, task_executor: Any, args: Sequence[Any], kw: Mapping[str, Any], args_info: Sequence[Any]
    ) -> Arguments | None:
        """When the arguments have been restored by annotation, before the function is called.

        The function is called with what is returned.
        """

    @notify
    def task_executor_before_execute(self, task_executor: Any) -> None:
        """Right before the function is called."""

    @around
    def task_executor_around(self, call_next: Callable[[], Awaitable[Any]], ctx: Any) -> Any:
        """Around the call of the function, after `task_executor_args_replace`, within the task's time limit.

        What is returned is the result, and what is raised is the task's error, whoever raised it. An
        implementation that does not await `call_next()` keeps the function from running; one that awaits it
        again runs the function again.
        """

    @notify
    def task_executor_after_execute(self, task_executor: Any) -> None:
        """When the function has ended without an exception."""

    @notify
    def task_executor_middlewares_execute(
        self, task_executor: Any, middlewares_before: Sequence[Any] | None, middlewares_after: Sequence[Any] | None
    ) -> None:
        """Before a task's middlewares run: once for those before the function, once for those after it.

        The other of the two keywords is None.
        """

    @replace("result")
    def task_executor_run_task(self, task_executor: Any, result: Any) -> Any:
        """When a function or coroutine has returned.

        The result is what is returned.
        """

    @replace("results")
    def task_executor_run_task_gen(self, task_executor: Any, results: Sequence[Any]) -> Sequence[Any] | None:
        """When a generator has ended; `results` holds its values as handled by `generate_handler`.

        The results are what is returned.
        """

    @first(Rescue)
    def task_executor_run_task_trigger_error(
        self, task_executor: Any, task_func: Any, task_broker: Any, e: Exception
    ) -> Rescue | None:
        """When the function, a middleware or `task_executor_around` has raised `e`.

        `{"result": value}` ends the attempt with that result, None included; without an answer the error stands.
        """

    @replace("result")
    def task_executor_after_execute_result_replace(self, task_executor: Any, result: Any) -> Any:
        """After `task_executor_after_execute`.

        The result is what is returned.
        """

    @replace("result")
    def task_executor_decode(self, task_executor: Any, result: Any) -> Any:
        """Right before the result is encoded, after `task_executor_after_execute_result_replace`.

        What is returned is encoded.
        """

    @notify
    def task_executor_task_close(self, task_executor: Any, task_func: Any, task_broker: Any) -> None:
        """Last of all in an attempt, also after an error or a cancellation."""
