"""The broker on Redis: each method is a script in `lua/`, and those that wait are pushed what they wait for."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from contextlib import nullcontext

import attrs
from qtasks.errors import LeaseLostError
from qtasks.message import Delivery, Envelope, Outcome, StreamItem
from qtasks.ports import Broker, CancelAnswer, QueueFacts
from qtasks.types import US_PER_S

from qtasks_redis.component import RedisComponent, Server
from qtasks_redis.records import (
    encode_note,
    encode_record,
    read_deliveries,
    read_pushed,
    read_summary,
    take_apart,
)

STEP = 500
"""So many tasks a script ends or removes at once, so that nobody waits long for it."""


@attrs.define
class _Taker:
    """What is known of an owner between its calls of `take`.

    Args:
        idle: True when it may still be said to wait for tasks.
        arrived: the ids that were pushed to it since its last call.
        latest: the highest token when it last called: what has a lower one is not pushed to it any more.
    """

    idle: bool = False
    arrived: list[str] = attrs.Factory(list)
    latest: int = 0


class RedisBroker(RedisComponent, Broker):
    """Keeps messages in Redis or Valkey, for any number of processes and machines."""

    def __init__(self, server: Server, *, blocks: bool = False) -> None:
        super().__init__(server, blocks=blocks)
        self._turn = 0
        self._takers: dict[str, _Taker] = {}

    async def publish(self, envelopes: Sequence[Envelope]) -> list[str]:
        """Accept messages: one script for those of each queue, a thousand of them at most."""
        if awaited := [envelope.message for envelope in envelopes if envelope.message.reply_to]:
            await self._transport.subscribe()
            for message in awaited:
                self.server.promise(message.id, str(message.reply_to))
        # The nodes of a cluster cannot tell whether somebody hears a push.
        how = "ready" if self.server.location.kind == "cluster" else "push"
        return await self._publish(how, envelopes, durable=True, others_first=bool(awaited))

    async def join(self, owner: str, name: str, lease_s: float) -> None:
        """Begin an incarnation."""
        lease_us = round(lease_s * US_PER_S)
        await self._run("join", owner, lease_us, self._transport.channel, name, self.context.dead_letter_cap)

    async def take(
        self, owner: str, queues: Sequence[str], limit: int, wait_s: float, in_hand: Collection[Delivery] | None = None
    ) -> list[Delivery]:
        """Hand over what is due, or wait until it is rung that there is something."""
        deadline = time.monotonic() + wait_s
        waits = wait_s > 0 and limit > 0
        taker = self._takers.setdefault(owner, _Taker())
        if waits:
            await self._transport.subscribe()
        with self._transport.listen(b"take " + owner.encode()) if waits else nullcontext() as bell:
            while True:
                left_s = deadline - time.monotonic() if waits else 0.0
                first = self._turn % max(len(queues), 1)
                self._turn += 1
                arrived, taker.arrived = taker.arrived, []
                args = (
                    "wait" if left_s > 0 else "",
                    "idle" if taker.idle or in_hand is not None else "",  # the lost reply may have told so
                    "" if in_hand is None else "reconcile",
                    len(queues),
                    *queues[first:],
                    *queues[:first],
                    *(arrived if in_hand is None else [one.receipt.claim + one.id.encode() for one in in_hand]),
                )
                try:
                    wait_us, *found = await self._run("take", owner, limit, *args)
                except LeaseLostError:
                    self._takers.pop(owner, None)
                    raise
                in_hand = None
                taker.idle = wait_us > 0
                if found:
                    taker.latest = int(found[0], 16) if wait_us == 0 else self._integer("numbers", found[0])
                if wait_us == 0:
                    return read_deliveries(owner, found) if found else []
                if wait_us > 0 and bell is not None and (pushed := await bell.get(min(wait_us / US_PER_S, left_s))):
                    delivery = read_pushed(owner, pushed)
                    if delivery and delivery.token > taker.latest:  # else it was handed over in another way meanwhile
                        taker.arrived = [delivery.id]
                        return [delivery]

    async def finish(self, owner: str, outcomes: Sequence[Outcome], items: Sequence[StreamItem] = ()) -> list[str]:
        """Write what became of deliveries: fenced, stored, acknowledged, and waiters told, in one script."""
        wall_us = self.context.clock.wall_us()
        args: list[str | bytes | int] = [outcome.delivery.id for outcome in outcomes]
        args += [outcome.delivery.receipt.claim for outcome in outcomes]
        args += [outcome.delivery.receipt.queue for outcome in outcomes]
        args += [outcome.status for outcome in outcomes]
        args += [int(outcome.keep_s * 1000) for outcome in outcomes]
        args += [outcome.due for outcome in outcomes]
        args += [
            encode_record(outcome, wall_us) if outcome.status.terminal else encode_note(outcome) for outcome in outcomes
        ]
        for item in items:
            delivery = item.delivery
            args += (delivery.id, delivery.receipt.claim, delivery.attempt, item.offset, item.value)
        caps = self.context.dead_letter_cap, self.context.stream_cap
        [refused] = await self._run_many("finish", [(owner, *caps, len(outcomes), *args)], others_first=True)
        return [task_id.decode() for task_id in refused]

    async def release(self, owner: str, *, death: str | None = None) -> list[str]:
        """End an incarnation: whatever it owns goes back at once."""
        self._takers.pop(owner, None)
        cap = self.context.dead_letter_cap
        gone = await self._run("release", owner, cap, "" if death is None else "death", death or "")
        return [task_id.decode(errors="replace") for task_id in gone]

    async def beat(self, owners: Collection[str]) -> set[str]:
        """Renew leases, put back what lost ones held, end what is over."""
        ended, *confirmed = await self._run("beat", self.context.dead_letter_cap, *owners)
        while ended == STEP:
            ended, *_ = await self._run("beat", self.context.dead_letter_cap)
        return {owner.decode() for owner in confirmed}

    async def cancel(self, task_id: str, reason: str) -> CancelAnswer:
        """Cancel what waits, ask the owner of what runs."""
        answer: bytes = await self._run("cancel", task_id, reason)
        return CancelAnswer(answer.decode())

    async def cancel_requests(self, owner: str, known: Collection[str] = (), wait_s: float = 0.0) -> dict[str, str]:
        """What an owner was asked to cancel, pushed."""
        deadline = time.monotonic() + wait_s
        if wait_s > 0:
            await self._transport.subscribe()
        with self._transport.listen(b"cancel " + owner.encode()) if wait_s > 0 else nullcontext() as bell:
            while True:
                found = [text.decode(errors="replace") for text in await self._run("requests", owner)]
                asked = dict(zip(found[::2], found[1::2], strict=True))
                new = {task_id: reason for task_id, reason in asked.items() if task_id not in known}
                left_s = deadline - time.monotonic()
                if new or bell is None or left_s <= 0:
                    return new
                await bell.get(left_s)

    async def set_paused(self, queue: str, paused: bool) -> None:
        """Pause a queue, or resume it."""
        await self._run("pause", queue, int(paused))

    async def inspect(self) -> list[QueueFacts]:
        """The facts of every queue, by name."""
        now, *queues = await self._run("inspect")
        facts = []
        for name, ready, delayed, running, dead, paused, accepted, finished, oldest in queues:
            since = [
                max(read_summary(take_apart(record).payload).enqueued, int(due))
                for record, due in zip(oldest[::2], oldest[1::2], strict=True)
            ]
            oldest_s = (int(now) - min(since, default=int(now))) / US_PER_S
            depths = ready, delayed, running, dead
            facts.append(QueueFacts(name.decode(errors="replace"), *depths, oldest_s, bool(paused), accepted, finished))
        return sorted(facts, key=lambda queue: queue.name)

    async def purge(self, queue: str) -> int:
        """Remove every task that waits in a queue, some at a time."""
        removed, some = 0, STEP
        while some == STEP:
            some = await self._run("purge", queue)
            removed += some
        return removed
