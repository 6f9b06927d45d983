"""`Task`: the handle of one call that was added, and the stream of a generator task's values."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

import attrs

from qtasks.codec import decode_message, decode_value, restore
from qtasks.errors import DeadlineError, LimitError, MalformedMessageError, QTasksError, TaskFailed
from qtasks.message import ErrorInfo, Record, StreamSlice, TaskMessage
from qtasks.options import Duration, seconds
from qtasks.runtime import Link, Runtime
from qtasks.types import US_PER_S, TaskStatus

R = TypeVar("R")

NO_LIMIT_S = 1e9
"""What a wait without a limit is to clocks and locks, which know no infinity: thirty years."""

STREAM_WAIT_S = 5.0
"""How long one question of a stream's reader waits in the backend."""


class Task(Generic[R]):
    """One call of a task: what was asked, where it stands, what came of it.

    It holds what was known when it was made; `wait_result` and `app.get(uuid)` bring it up to date.
    Values are decoded when they are first looked at.
    """

    __slots__ = ("_message", "_record", "_runtime")

    def __init__(self, runtime: Runtime, message: TaskMessage | None, record: Record | None = None) -> None:
        self._runtime = runtime
        self._message = message
        self._record = record

    @property
    def uuid(self) -> UUID:
        """The task's id."""
        return UUID(self.id)

    @property
    def id(self) -> str:
        """The task's id as 32 hexadecimal digits."""
        return self.message.id if self._record is None else self._record.id

    @property
    def message(self) -> TaskMessage:
        """The envelope.

        Raises:
            MalformedMessageError: the stored bytes are none (a dead letter of that kind).
        """
        if self._message is None:
            assert self._record is not None
            self._message = decode_message(self._record.payload, limit=len(self._record.payload))
        return self._message

    @property
    def record(self) -> Record | None:
        """What the storage said last; None for a task that was only just added."""
        return self._record

    @property
    def status(self) -> TaskStatus:
        """Where the task stood when this was last read."""
        return TaskStatus.NEW if self._record is None else self._record.status

    @property
    def task_name(self) -> str:
        """The name of the task."""
        return self.message.task

    @property
    def priority(self) -> int:
        """Its priority; lower runs first."""
        return self.message.priority

    @property
    def queue(self) -> str:
        """The queue it waits or waited in."""
        return self.message.queue

    @property
    def args(self) -> list[Any]:
        """The positional arguments, as JSON values."""
        return self.message.args

    @property
    def kwargs(self) -> dict[str, Any]:
        """The keyword arguments, as JSON values."""
        return self.message.kwargs

    @property
    def extra(self) -> dict[str, Any]:
        """What travels beside the arguments: `headers` of the call, `extra` of plugins. Each is an attribute, too."""
        return self.message.headers

    if not TYPE_CHECKING:  # who checks types has to hear of attributes that are not there

        def __getattr__(self, name: str) -> Any:
            if not name.startswith("_") and name in self.extra:
                return self.extra[name]
            raise AttributeError(f"A task has no attribute {name!r}.", name=name, obj=self)

    @property
    def created_at(self) -> dt.datetime:
        """When it was added, UTC."""
        return self.message.created_at

    @property
    def updated_at(self) -> dt.datetime:
        """When its record was last written, UTC."""
        us = self.message.enqueued if self._record is None else self._record.updated
        return dt.datetime.fromtimestamp(us / US_PER_S, tz=dt.UTC)

    @property
    def returning(self) -> R | None:
        """The result, restored by the task's return annotation where it is registered; else None.

        Raises:
            MalformedMessageError: the stored result does not fit the annotation.
        """
        if self._record is None or self._record.result is None:
            return None
        data, definition = self._record.result, self._runtime.registry.find(self.task_name)
        type_ = None  # plain JSON, also where `decode` has made something else of what the function returned
        if definition is not None and not (definition.options.decode or self._runtime.config.task_default_decode):
            from qtasks.annotations import converted_return, converted_values  # heavy, and not for mere producers

            if not definition.generates:
                type_ = converted_return(definition.function)
            elif data.startswith(b"["):  # the list of what it published; anything else was returned
                _, type_ = converted_values(definition)
        value: R = self._restored(data, type_)
        return value

    def _restored(self, data: bytes, type_: Any) -> Any:
        if type_ is None:
            return decode_value(data)
        try:
            return restore(data, type_)
        except MalformedMessageError as error:
            raise MalformedMessageError(
                f"Task {self._told}: a {error.message}",
                "Mend the annotation. An application of the same name and URL that does not register the task reads "
                "plain JSON.",
            ) from error

    @property
    def _told(self) -> str:
        """Its name and id, for messages."""
        try:
            return f"{self.task_name} {self.id}"
        except MalformedMessageError:
            return f"? {self.id}"

    @property
    def returning_truncated(self) -> bool:
        """True when the result was too large to keep and its values are in the stream."""
        return self._record is not None and self._record.truncated

    @property
    def _failure(self) -> ErrorInfo | None:
        return None if self._record is None else self._record.error

    @property
    def error(self) -> str:
        """What ended the task, as "Type: text"; empty when nothing did."""
        return "" if self._failure is None else f"{self._failure.type}: {self._failure.text}"

    @property
    def traceback(self) -> str | None:
        """The traceback of the exception that ended the task, as text."""
        return None if self._failure is None else self._failure.traceback

    @property
    def retry(self) -> int:
        """How many repetitions are left."""
        if self.status.terminal:
            return 0
        definition = self._runtime.registry.find(self.task_name)
        allowed = (definition.options.retry or 0) if definition else 0
        ended = 0 if self._record is None else self._record.attempt
        return max(0, allowed - ended)

    @property
    def retry_parent_uuid(self) -> UUID | None:
        """The task that this one replays."""
        return None if self.message.parent is None else UUID(self.message.parent)

    @property
    def retry_child_uuid(self) -> UUID | None:
        """The task that replays this one."""
        child = self._record.child if self._record else None
        return None if child is None else UUID(child)

    @property
    def cancel_reason(self) -> str | None:
        """Why it was cancelled."""
        return self._record.cancel_reason if self._record else None

    def result(self) -> R:
        """The result of a task that ended in success.

        Raises:
            TaskFailed: it ended otherwise; with the type, text and traceback of the exception.
            LimitError: the result was too large to keep (`returning_truncated`); its values are in the stream.
            QTasksError: it has not ended as far as this handle knows.
        """
        if not self.status.terminal:
            raise QTasksError(f"Task {self.id} has not ended: status {self.status}.", "Call wait_result() first.")
        if self.status is not TaskStatus.SUCCESS:
            found = self._failure or ErrorInfo("", self.cancel_reason or "")
            raise TaskFailed(self.status, found.type, found.text, found.traceback, self._told)
        if self.returning_truncated:
            raise LimitError(f"The result of task {self.id} was too large to keep.", "Read its values: task.stream().")
        return self.returning  # type: ignore[return-value]

    def wait_result(self, timeout: Duration = 100.0) -> Task[R] | None:
        """Block until the task has ended.

        Args:
            timeout: for how long at most, seconds, a duration text or a timedelta; None is without a limit.

        Returns:
            this handle, brought up to date; None when time is up, or when nothing is kept of the task.

        Raises:
            ConfigError: the timeout is no duration.
        """
        name = "" if self._message is None else self._message.task
        limit_s, instead = _limit_s(timeout), "`await task.wait_result_async()`"
        return self._runtime.run_blocking(lambda link: self.wait(link, limit_s), "wait_result()", name, instead=instead)

    async def wait_result_async(self, timeout: Duration = 100.0) -> Task[R] | None:
        """`wait_result` for event loops."""
        limit_s = _limit_s(timeout)
        return await self._runtime.run_async(lambda link: self.wait(link, limit_s))

    async def wait(self, link: Link, timeout_s: float) -> Task[R] | None:
        """Wait over a given link; what both faces run."""
        record = await link.storage.wait(self.id, timeout_s)
        if record is None:
            return None
        self._record = record
        return self

    def stream(self, offset: int = 0, timeout: Duration = 100.0) -> TaskStream:
        """The values of a generator task, while it runs and afterwards.

        Args:
            offset: the first one wanted, from 0.
            timeout: how long to wait for the next value, as for `wait_result`.

        Returns:
            an iterator for `for` and for `async for`; it ends when the task has ended, and raises
            `DeadlineError` when no value comes in time, `MalformedMessageError` when one does not fit the
            annotation by which it is restored.
        """
        type_, definition = None, self._runtime.registry.find(self.task_name)
        if definition is not None and definition.generates:
            from qtasks.annotations import converted_values

            type_, _ = converted_values(definition)
        return TaskStream(self._runtime, self.id, offset, _limit_s(timeout), partial(self._restored, type_=type_))

    def __repr__(self) -> str:
        return f"<Task {self._told} {self.status}{' (result truncated)' if self.returning_truncated else ''}>"


@attrs.frozen
class Restarted:
    """What a stream shows when the task began anew: the values so far belong to a failed attempt.

    Args:
        attempt: the attempt whose values follow.
    """

    attempt: int


class TaskStream:
    """The values of one generator task, in order; `attempt` and `offset` say where the reader is."""

    def __init__(
        self, runtime: Runtime, task_id: str, offset: int, timeout_s: float, read: Callable[[bytes], Any]
    ) -> None:
        self.attempt = 0
        self.offset = offset
        self._runtime = runtime
        self._id = task_id
        self._timeout_s = timeout_s
        self._read = read
        self._ended = False

    def __iter__(self) -> Iterator[Any]:
        instead = "`async for value in task.stream()`"
        while values := self._runtime.run_blocking(self._next, "stream()", instead=instead):
            yield from values

    async def __aiter__(self) -> AsyncIterator[Any]:
        while values := await self._runtime.run_async(self._next):
            for value in values:
                yield value

    async def _next(self, link: Link) -> list[Any]:
        """The next values; empty when the task has ended and all were read."""
        deadline = time.monotonic() + self._timeout_s
        while not self._ended:
            wait_s = min(STREAM_WAIT_S, max(0.0, deadline - time.monotonic()))
            found = await link.storage.read_stream(self._id, self.attempt, self.offset, wait_s)
            if found is None:
                break
            if values := self._accept(found):
                return values
            if not self._ended and time.monotonic() >= deadline:
                raise DeadlineError(
                    f"Task {self._id} published no value for {self._timeout_s:g} s; its status is {found.status}.",
                    "Is a worker running? A longer wait: task.stream(timeout=...).",
                )
        return []

    def _accept(self, found: StreamSlice) -> list[Any]:
        values: list[Any] = []
        if found.attempt > self.attempt:
            if self.offset:
                values.append(Restarted(found.attempt))
            self.attempt, self.offset = found.attempt, 0
        values.extend(map(self._read, found.values))
        self.offset += len(found.values)
        self._ended = found.status.terminal and not found.values
        return values


def _limit_s(timeout: Duration) -> float:
    return NO_LIMIT_S if timeout is None else seconds(timeout, "timeout")
