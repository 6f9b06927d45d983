"""What the gateway answers to each call, and with which status a call fails. How it listens is in `server.py`."""

from __future__ import annotations

import contextlib
import hmac
import logging
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
import msgspec
from qtasks import errors
from qtasks.options import CallOptions
from qtasks.runtime import Call

from qtasks_plugins.grpc import messages

if TYPE_CHECKING:
    from qtasks.app.application import Application
    from qtasks.message import StreamSlice
    from qtasks.result import Task
    from qtasks.runtime import Link

T = TypeVar("T")

STEP_S = 1.0
"""How long a call waits in the storage before it looks whether its client is still there."""

NO_DEADLINE_S = 1e9
"""What is left of a call without a deadline is more than this."""

_STATUS = (
    (errors.DeadlineError, grpc.StatusCode.DEADLINE_EXCEEDED),
    (errors.TaskNotRegisteredError, grpc.StatusCode.NOT_FOUND),
    (errors.BackendFullError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.BackendError, grpc.StatusCode.UNAVAILABLE),
    ((errors.ConfigError, errors.EncodeError, errors.LimitError), grpc.StatusCode.INVALID_ARGUMENT),
    ((errors.MalformedMessageError, errors.UnsupportedError), grpc.StatusCode.INVALID_ARGUMENT),
)

_log = logging.getLogger("qtasks.grpc")


class Service:
    """Answers calls for one application, each in a thread of the server's.

    Args:
        app: the application; only tasks that it registers can be added.
        token: what a client must send as `authorization: Bearer TOKEN`; None asks for none.
    """

    def __init__(self, app: Application, token: str | None) -> None:
        self._app = app
        self._token = None if token is None else f"Bearer {token}".encode()

    def handler(self) -> Any:
        """The calls by their names, as `grpc.Server` takes them."""
        one, many = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
        calls = {
            "AddTask": one(self._add_task, messages.AddTaskRequest.FromString, messages.Task.SerializeToString),
            "GetTask": one(self._get_task, messages.GetTaskRequest.FromString, messages.Task.SerializeToString),
            "StreamTask": many(
                self._stream_task, messages.StreamTaskRequest.FromString, messages.StreamItem.SerializeToString
            ),
        }
        return grpc.method_handlers_generic_handler(f"{messages.PACKAGE}.QTasks", calls)

    def _add_task(self, request: Any, context: Any) -> Any:
        with self._answering(context):
            definition = self._app.tasks.require(request.task)
            args, kwargs = _json(request, "args", list), _json(request, "kwargs", dict)
            options = _json(request, "options", dict)
            if "timeout" in options:
                raise errors.ConfigError("AddTask waits for nothing.", "Call GetTask with wait = true.")
            call = Call(request.task, tuple(args), kwargs, CallOptions.build(**options), definition)
            runtime = self._app.runtime
            [task] = runtime.run_blocking(lambda link: runtime.producer.send(link, [call]))
            return _shown(task)

    def _get_task(self, request: Any, context: Any) -> Any:
        with self._answering(context):
            task = self._read(request.id)
            while request.wait and not task.status.terminal:
                _check_time(context)
                task = task.wait_result(STEP_S) or self._read(request.id)
            return _shown(task)

    def _stream_task(self, request: Any, context: Any) -> Iterator[Any]:
        with self._answering(context):
            task_id, attempt, offset = self._read(request.id).id, request.attempt, request.offset
            if attempt < 0 or offset < 0:
                raise errors.ConfigError("attempt and offset begin at 0.")
            while True:
                _check_time(context)
                found = self._app.runtime.run_blocking(partial(_next_values, task_id, attempt, offset))
                if found is None or (found.status.terminal and not found.values):
                    return
                if found.attempt > attempt:
                    attempt, offset = found.attempt, 0
                for value in found.values:
                    yield messages.StreamItem(value=value.decode(), attempt=attempt, offset=offset)
                    offset += 1

    def _read(self, task_id: str) -> Task[Any]:
        task = self._app.runtime.run_blocking(lambda link: self._app.read(link, task_id))
        if task is None:
            raise errors.TaskNotRegisteredError(f"No task {task_id} is known: never added, or kept no more.")
        return task

    @contextlib.contextmanager
    def _answering(self, context: Any) -> Iterator[None]:
        """Let nobody in without the token; an error becomes the status of the call, with its hint."""
        given = dict(context.invocation_metadata()).get("authorization", "")
        if self._token is not None and not hmac.compare_digest(given.encode(), self._token):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "Send the metadata `authorization: Bearer TOKEN`.")
        try:
            yield
            return
        except Exception as error:  # noqa: BLE001 - grpc would show the client whatever it is
            status = next((status for kinds, status in _STATUS if isinstance(error, kinds)), None)
            told = str(error)
            if status is None:
                _log.exception("A call failed.")
                status, told = grpc.StatusCode.INTERNAL, f"{type(error).__name__}; the log of the gateway says more."
        context.abort(status, told)


async def _next_values(task_id: str, attempt: int, offset: int, link: Link) -> StreamSlice | None:
    return await link.storage.read_stream(task_id, attempt, offset, STEP_S)


def _json(request: Any, field: str, kind: type[T]) -> T:
    text = getattr(request, field)
    try:
        return msgspec.json.decode(text, type=kind) if text else kind()
    except (msgspec.DecodeError, RecursionError) as error:
        wanted = "array" if kind is list else "object"
        raise errors.ConfigError(f"{field} is to be a JSON {wanted}: {error}.") from error


def _check_time(context: Any) -> None:
    """Let a call wait on, for as long as its client does."""
    left_s = context.time_remaining()
    if left_s is None or left_s > NO_DEADLINE_S:
        raise errors.ConfigError("A call that waits needs a deadline.", "Set the timeout of the call.")
    if not context.is_active():
        raise errors.DeadlineError("The time of the call is over; the task goes on.")


def _shown(task: Task[Any]) -> Any:
    record = task.record
    return messages.Task(
        id=task.id,
        task=task.task_name,
        queue=task.queue,
        status=task.status,
        result="" if record is None or record.result is None else record.result.decode(),
        error=task.error,
        created_us=task.message.enqueued,
        updated_us=task.message.enqueued if record is None else record.updated,
    )
