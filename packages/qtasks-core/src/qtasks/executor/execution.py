"""One attempt in the worker's books, and how its end becomes an outcome."""

from __future__ import annotations

import asyncio
import enum
import logging
import os
import time
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import attrs
from msgspec import convert
from msgspec.structs import asdict, replace

from qtasks.codec import encode_value
from qtasks.errors import ArgumentsError, LimitError, PluginError, TaskCancelError, TimeLimitExceeded, in_a_line
from qtasks.executor.context import current_executor
from qtasks.executor.limits import ThreadTimeLimitExceeded
from qtasks.executor.plan import make_plan
from qtasks.message import Delivery, ErrorInfo, Outcome, StreamItem, TaskMessage
from qtasks.registry import TaskDefinition
from qtasks.runtime import answered
from qtasks.types import US_PER_S, TaskStatus

if TYPE_CHECKING:
    from qtasks.executor.executor import TaskExecutor
    from qtasks.executor.plan import Plan
    from qtasks.runtime import Runtime

log = logging.getLogger("qtasks.worker")

TRACEBACK_BYTES = 64 * 1024
"""How much of a traceback is kept: its end."""

WAITED_FOR_S = 60.0
"""How long a result that is not to be kept is there for the caller that waits for it."""

_EXECUTOR = str(Path(__file__).parent) + os.sep
_OURS = str(Path(__file__).parents[1]) + os.sep


class RunsTasks(Protocol):
    """The worker, as an attempt sees it."""

    name: str
    runtime: Runtime

    def emit(self, item: StreamItem) -> Awaitable[None] | None:
        """Publish a value of a generator with the next flush. Callable from slot threads.

        Returns:
            what to wait for before the next value, on the event loop, when many are not written yet.
        """

    async def call_in_thread(self, function: Callable[..., Any], *args: Any, **kw: Any) -> Any:
        """Call something that blocks in a thread."""

    def wait_on_loop(self, answer: Awaitable[Any], limit_s: float | None) -> Any:
        """From a slot thread: have the event loop await something, and wait for it."""


class Interrupt(enum.Enum):
    """Why the worker cancels a run."""

    TIME = "time"
    """It reached its `max_time`."""
    CANCEL = "cancel"
    """Somebody asked for it."""
    DRAIN = "drain"
    """The worker stops and its grace is over: the task is handed back."""
    FENCE = "fence"
    """The lease is lost: whatever comes out is dropped."""


@attrs.define(eq=False)
class Run:
    """One delivery in the hands of a worker, from its taking to its outcome.

    Attributes:
        delivery: how it was handed over.
        message: the envelope.
        plan: how its task is run.
        worker: who runs it.
        taken: `time.monotonic` when it was taken.
        started: microseconds UTC when it started; 0 while it waits for a slot.
        deadline: `time.monotonic` when it has reached its `max_time`; None without one.
        leader: the slot's asyncio task, set by the slot while the event loop leads the run.
        strike: raises an exception in the thread that runs its function; None while none does.
        interrupted: why it was interrupted, if it was.
        reason: the words of whoever asked to cancel it.
        offset: how many values it has published.
    """

    delivery: Delivery
    message: TaskMessage
    plan: Plan
    worker: RunsTasks
    taken: float = attrs.field(init=False, factory=time.monotonic)
    started: int = attrs.field(init=False, default=0)
    deadline: float | None = attrs.field(init=False, default=None)
    leader: asyncio.Task[Any] | None = attrs.field(init=False, default=None)
    strike: Callable[[type[BaseException]], None] | None = attrs.field(init=False, default=None)
    interrupted: Interrupt | None = attrs.field(init=False, default=None)
    reason: str = attrs.field(init=False, default="")
    offset: int = attrs.field(init=False, default=0)

    @property
    def left_s(self) -> float | None:
        """How much of its `max_time` is left, seconds; None without one."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    def emit(self, value: Any) -> Awaitable[None] | None:
        """Publish a handled value of a generator.

        Returns:
            what to wait for before the next one, when many are not written yet.

        Raises:
            EncodeError: the value cannot travel.
        """
        encoded = encode_value(
            value, f"yielded value {self.offset}", limit=self.worker.runtime.config.max_payload_bytes
        )
        self.offset += 1
        return self.worker.emit(StreamItem(self.delivery, self.offset - 1, encoded))

    def interrupt(self, why: Interrupt) -> None:
        """Cancel the run where it awaits, once; in a thread only on request. Call it on the worker's loop."""
        if self.interrupted is not None:
            return
        if self.leader is not None:
            self.interrupted = why
            self.leader.cancel()
        elif why is Interrupt.CANCEL:
            self.interrupted = why
            if (strike := self.strike) is not None:
                strike(asyncio.CancelledError)


async def execute(run: Run) -> Outcome | None:
    """Run one attempt to its outcome. Raises nothing.

    Returns:
        the outcome; None when the lease was lost meanwhile.
    """
    run.started = run.worker.runtime.clock.wall_us()
    limit = run.plan.definition.options.max_time
    timer = None
    if limit is not None:
        run.deadline = time.monotonic() + limit
    if limit is not None and run.plan.on_loop:
        timer = asyncio.get_running_loop().call_later(limit, run.interrupt, Interrupt.TIME)
    outcome: Outcome | None = None
    raised: BaseException | None = None
    try:
        outcome = await _attempt(run)
    except BaseException as error:  # noqa: BLE001 - whatever a task raises, SystemExit included, is its own
        raised = error
    if timer is not None:
        timer.cancel()
    leader, run.leader = run.leader, None  # nothing interrupts it any more
    if leader is not None and run.interrupted is not None:
        leader.uncancel()
    if raised is None:
        return outcome
    if run.interrupted is not None and isinstance(raised, asyncio.CancelledError):
        return await _interrupted(run)
    return await _failed(run, raised)


async def _attempt(run: Run) -> Outcome:
    if run.worker.runtime.hooks.dispatch.worker_run_task_before:
        await _before_run(run)
    executor = run.plan.executor(run)
    current_executor.set(executor)
    if run.worker.runtime.hooks.dispatch.worker_execute_before:
        await _before_execute(run, executor)
    result = await executor.execute()
    if run.interrupted is Interrupt.TIME:  # it swallowed the cancellation; the limit stands
        raise _over_time(run)
    return _success(run, result)


def _success(run: Run, result: Any) -> Outcome:
    encoded, truncated = None, False
    try:
        if result is not None:
            encoded = encode_value(result, "result", limit=run.worker.runtime.config.max_payload_bytes)
    except LimitError:
        if not run.plan.definition.generates:
            raise
        truncated = True
    keep_s = run.plan.keep_s or (WAITED_FOR_S if run.message.reply_to else 0)
    return ended(run, TaskStatus.SUCCESS, None, keep_s, encoded, truncated)


async def _interrupted(run: Run) -> Outcome | None:
    if run.interrupted is Interrupt.TIME:
        return await _failed(run, _over_time(run))
    if run.interrupted is Interrupt.CANCEL:
        return ended(run, TaskStatus.CANCEL, ErrorInfo("TaskCancelError", run.reason))
    if run.interrupted is Interrupt.DRAIN:
        return Outcome(run.delivery, TaskStatus.NEW, worker=run.worker.name)
    return None


def _over_time(run: Run) -> TimeLimitExceeded:
    limit = run.plan.definition.options.max_time
    return TimeLimitExceeded(f"Time limit exceeded for task {run.message.task}: {limit:g} seconds")


async def _failed(run: Run, error: BaseException) -> Outcome:
    if isinstance(error, ThreadTimeLimitExceeded):
        error = _over_time(run).with_traceback(error.__traceback__)
    info = describe(error)
    if isinstance(error, TaskCancelError):
        return ended(run, TaskStatus.CANCEL, info)
    outcome = ended(run, TaskStatus.DEAD if isinstance(error, ArgumentsError) else TaskStatus.ERROR, info)
    if outcome.status is TaskStatus.ERROR and isinstance(error, Exception):
        outcome = await _retried(run, outcome, info, error)
    what = in_a_line(f"{info.type}: {info.text}")
    if outcome.status is TaskStatus.RETRY:
        wait_s = max(0, outcome.due - outcome.finished) / US_PER_S
        log.warning("Task %s failed and is tried again in %.1f s: %s", _name(run), wait_s, what)
    else:
        trace = "" if outcome.status is TaskStatus.DEAD else "\n" + info.traceback.rstrip()
        log.error("Task %s ended as %s: %s%s", _name(run), outcome.status, what, trace)
    return outcome


async def _retried(run: Run, outcome: Outcome, info: ErrorInfo, error: Exception) -> Outcome:
    """The outcome of a failed attempt, as the plugins want it."""
    try:
        answer = await run.worker.runtime.hooks.dispatch.worker_task_error_retry(
            broker=run.worker.runtime.link.broker,
            task_func=run.plan.definition,
            task_broker=run.message,
            trace=info.traceback,
            model=outcome,
            e=error,
        )
        return checked("worker_task_error_retry", answer, run.delivery)
    except Exception as hook_error:
        log.exception("Task %s is not retried, because a plugin failed.", _name(run))
        return replace(outcome, error=replace(info, causes=[*info.causes, describe_short(hook_error)]))


def _name(run: Run) -> str:
    return f"{run.message.task} {run.message.id}"


def checked(hook: str, answer: object, delivery: Delivery) -> Outcome:
    """Return what the plugins made of an outcome, if it is one that can be written.

    Raises:
        PluginError: it is none, or that of another delivery.
        ValidationError: a field is of a wrong type.
    """
    outcome = answered(hook, answer, Outcome)
    if outcome.delivery is not delivery:
        raise PluginError(f"Hook {hook}: a plugin answered with the outcome of another delivery.")
    return convert(asdict(outcome), Outcome, from_attributes=True)


def ended(
    run: Run,
    status: TaskStatus,
    error: ErrorInfo | None,
    keep_s: float | None = None,
    result: bytes | None = None,
    truncated: bool = False,
) -> Outcome:
    """The outcome of a run that came to its end; `keep_s` None is as long as a failure is kept."""
    runtime, message = run.worker.runtime, run.message
    now = runtime.clock.wall_us()
    keep_s = runtime.config.failure_ttl if keep_s is None else keep_s
    return Outcome(
        run.delivery, status, result, error, run.started, now, 0, keep_s, message.reply_to, truncated, run.worker.name
    )


async def _before_run(run: Run) -> None:
    hook, planned = "worker_run_task_before", run.plan.definition
    values = await run.worker.runtime.hooks.dispatch.worker_run_task_before(
        worker=run.worker, task_func=planned, task_broker=run.message
    )
    run.message = answered(hook, values["task_broker"], TaskMessage)
    definition = answered(hook, values["task_func"], TaskDefinition)
    if definition.in_thread is not planned.in_thread:
        raise PluginError(
            f"Hook {hook}: a plugin put the {definition.kind} task {definition.name!r} in the place of the "
            f"{planned.kind} task {planned.name!r}.",
            "By then the slot is chosen: put a blocking task in the place of a blocking one only.",
        )
    if definition is not planned:
        run.plan = make_plan(definition, run.worker.runtime)


async def _before_execute(run: Run, executor: TaskExecutor) -> None:
    model = await run.worker.runtime.hooks.dispatch.worker_execute_before(
        worker=run.worker, task_broker=run.message, task_func=run.plan.definition, model=run.delivery
    )
    executor.delivery = answered("worker_execute_before", model, Delivery)


def describe(error: BaseException) -> ErrorInfo:
    """An exception as it travels: text only."""
    text = "".join(_told(error).format()).encode(errors="backslashreplace")
    if len(text) > TRACEBACK_BYTES:
        text = b"...\n" + text[4 - TRACEBACK_BYTES :]
    causes: list[str] = []
    cause = error.__cause__
    while cause is not None and len(causes) < 16:
        causes.append(describe_short(cause))
        cause = cause.__cause__
    return ErrorInfo(type(error).__name__, _text(error), text.decode(errors="ignore"), causes)


def _told(error: BaseException) -> traceback.TracebackException:
    """A traceback with its causes; the frames that led to the task's code are left out, if there are any of it."""
    told = cause = traceback.TracebackException.from_exception(error, compact=True)
    chain = [told]
    while next_cause := cause.__cause__ or cause.__context__:
        chain.append(cause := next_cause)
    theirs = [_theirs(each.stack) for each in chain]
    if any(theirs):
        for each, frames in zip(chain, theirs, strict=True):
            each.stack[:] = frames
    return told


def _theirs(stack: list[traceback.FrameSummary]) -> list[traceback.FrameSummary]:
    """The frames from where the executor last called what is not ours: plugins that lead around a task come before."""
    ours = [frame.filename.startswith(_OURS) for frame in stack]
    called = (at for at in range(1, len(stack)) if stack[at - 1].filename.startswith(_EXECUTOR) and not ours[at])
    first = max(called, default=ours.index(False) if False in ours else len(stack))
    return stack[first:]


def describe_short(error: BaseException) -> str:
    """An exception in a line: "Type: text"."""
    return f"{type(error).__name__}: {_text(error)}"


def _text(error: BaseException) -> str:
    """The message of an exception, without what UTF-8 cannot carry (the names of files may hold it)."""
    try:
        return str(error)[:16_384].encode(errors="backslashreplace").decode()
    except Exception:  # noqa: BLE001 - a broken __str__ must not hide the error
        return "<the exception has no text: its __str__ raised>"
