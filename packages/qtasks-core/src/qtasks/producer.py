"""The way of a call into the queue: options and arguments -> message -> hooks -> one publish for all.

Imports no asyncio: the blocking face drives these coroutines too (`runtime.drive`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import attrs
import msgspec

from qtasks.codec import encode_message, within
from qtasks.errors import UnsupportedError
from qtasks.message import DEFAULT_QUEUE, WIRE_VERSION, Envelope, TaskMessage, new_ids
from qtasks.ports import Broker
from qtasks.registry import check_task_name
from qtasks.result import Task
from qtasks.runtime import Call, Link, Runtime, answered
from qtasks.types import TaskStatus

log = logging.getLogger("qtasks.producer")


class Producer:
    """Publishes the calls of one application."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._said_where = False

    async def send(self, link: Link, calls: Sequence[Call]) -> list[Task[Any]]:
        """Publish calls in one round trip; of each queue's calls all or none.

        Returns:
            the handles, in order. Where an open task has the `unique` key of a call, its handle.

        Raises:
            EncodeError: an argument cannot travel.
            LimitError: a message is too large.
            UnsupportedError: an option that the broker cannot honour.
            BackendError: the broker did not answer; repeating the call may add the tasks once more.
        """
        if not self._said_where:
            self._said_where = True
            log.info("Tasks go to %s", link.broker.url)
        hooks = self._runtime.hooks.dispatch
        limit = self._runtime.config.max_payload_bytes
        envelopes: list[Envelope] = []
        now = self._runtime.clock.wall_us()
        for asked, task_id in zip(calls, new_ids(len(calls)), strict=True):
            call = asked
            if hooks.qtasks_add_task_before_broker:
                call = await self._before_broker(link, asked)
            message = self._message(link, call, asked.id or task_id, now)
            if hooks.broker_add_before:
                model = await hooks.broker_add_before(broker=link.broker, storage=link.storage, model=message)
                message = answered("broker_add_before", model, TaskMessage)
            if hooks.storage_add:
                message = await self._storage_add(link, message)
            envelope = encode_message(message, limit=limit)
            if hooks.broker_write_message:
                model = await hooks.broker_write_message(broker=link.broker, model=envelope)
                envelope = within(limit, answered("broker_write_message", model, Envelope))
            envelopes.append(envelope)
        ids = await link.publish(envelopes)
        if hooks.broker_add_after or hooks.qtasks_add_task_after_broker:
            await self._after(link, envelopes)
        return [
            Task(self._runtime, one.message) if one.message.id == known else await self._open(link, one.message, known)
            for one, known in zip(envelopes, ids, strict=True)
        ]

    def _message(self, link: Link, call: Call, task_id: str, now: int) -> TaskMessage:
        options = call.options
        declared = call.definition.options if call.definition is not None else None
        priority = self._priority(call)
        queue = options.queue or (declared.queue if declared is not None else DEFAULT_QUEUE)
        message = TaskMessage(
            WIRE_VERSION,
            task_id,
            self._runtime.name,
            queue,
            call.name,
            list(call.args),
            call.kwargs,
            priority,
            now,
            options.due_us(now),
            options.expires_us(now),
            options.unique,
            0,
            link.storage.reply_address() if options.timeout is not None else None,
            None,
            options.headers,
        )
        _require(link.broker, message)
        return message

    def _priority(self, call: Call) -> int:
        """The call's own, else the task's, else the application's."""
        if call.options.priority is not None:
            return call.options.priority
        if call.definition is not None and call.definition.options.priority is not None:
            return call.definition.options.priority
        return self._runtime.config.task_default_priority

    async def _open(self, link: Link, message: TaskMessage, known_id: str) -> Task[Any]:
        """The handle of the open task that has the unique key."""
        (record,) = await link.storage.get_many([known_id])
        if record is not None:
            return Task(self._runtime, None, record)
        return Task(self._runtime, msgspec.structs.replace(message, id=known_id))  # it has ended just now

    async def _before_broker(self, link: Link, call: Call) -> Call:
        values = await self._runtime.hooks.dispatch.qtasks_add_task_before_broker(
            qtasks=self._runtime.app,
            broker=link.broker,
            task_name=call.name,
            priority=self._priority(call),
            args=call.args,
            kw=call.kwargs,
            extra=call.options.headers,
        )
        options = attrs.evolve(call.options, priority=values["priority"], headers=dict(values["extra"]))
        name = check_task_name(values["task_name"])
        definition = call.definition if name == call.name else self._runtime.registry.find(name)
        return Call(name, tuple(values["args"]), dict(values["kw"]), options, definition)

    async def _storage_add(self, link: Link, message: TaskMessage) -> TaskMessage:
        values = await self._runtime.hooks.dispatch.storage_add(
            storage=link.storage, uuid=message.uuid, task_status=TaskStatus.NEW
        )
        return msgspec.structs.replace(message, id=answered("storage_add", values["uuid"], UUID).hex)

    async def _after(self, link: Link, envelopes: list[Envelope]) -> None:
        hooks = self._runtime.hooks.dispatch
        for envelope in envelopes:
            message = envelope.message
            await hooks.broker_add_after(broker=link.broker, storage=link.storage, model=message)
            await hooks.qtasks_add_task_after_broker(
                qtasks=self._runtime.app,
                broker=link.broker,
                task_name=message.task,
                priority=message.priority,
                args=message.args,
                kw=message.kwargs,
            )


def _require(broker: Broker, message: TaskMessage) -> None:
    """Refuse by name what the broker cannot do: nothing is dropped silently."""
    able = broker.capabilities
    lacking = None
    if message.priority and able.priority == "none":
        lacking = f"priority={message.priority}"
    elif message.due and not able.delay:
        lacking = "delay= and eta="
    elif message.unique is not None and not able.unique:
        lacking = "unique="
    if lacking is not None:
        raise UnsupportedError(
            f"{type(broker).__name__} cannot honour {lacking} (task {message.task!r}).",
            "Leave the option out, or use a broker that has it: qtasks plugins list shows them.",
        )
