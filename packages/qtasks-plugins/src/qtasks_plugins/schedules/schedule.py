"""What a program says about a schedule: `Schedule`, the words of `@app.task(cron=...)`, and which task they belong to.

All of it is checked where it is written. Where a schedule stands is in `entries.py`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from qtasks.codec import decode_value, encode_value
from qtasks.errors import ConfigError, did_you_mean
from qtasks.message import DEFAULT_QUEUE
from qtasks.options import CallOptions
from qtasks.registry import TaskDefinition, check_task_name
from qtasks.runtime import Call

from qtasks_plugins.schedules import triggers
from qtasks_plugins.schedules.entries import Told

MISSED = ("once", "skip", "all")
OVERLAP = ("allow", "skip")

REMEMBERED_S = 60.0
"""The core keeps the record of a task that keeps no result so long after its end when somebody waits for it. We ask
for that, because a record is what makes a second publishing of the same slot known."""


def _one_of(words: Sequence[str]) -> Any:
    def check(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if value not in words:
            mend = did_you_mean(str(value), words)
            raise ConfigError(f"{attribute.name}: expected one of {', '.join(words)}, found {value!r}.", mend)

    return check


def _positional(values: Sequence[Any]) -> tuple[Any, ...]:
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise ConfigError(f"args: expected a list, found {values!r}.", "Write args=[...].")
    return tuple(values)


def _by_name(values: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(values, Mapping):
        raise ConfigError(f"kwargs: expected a dict, found {values!r}.", "Write kwargs={...}.")
    return dict(values)


@attrs.frozen(kw_only=True)
class Schedule:
    """When a task is enqueued by itself, and with which arguments.

    Args:
        cron: a cron expression of five fields, or six with seconds first, or `@hourly`, `@daily`, `@weekly`,
            `@monthly`, `@yearly`.
        every: a period of at least a second, in seconds or as "10s", "5m", "2h"; its slots are the whole multiples
            since 1970, UTC.
        trigger: a trigger of APScheduler 3, in place of the two.
        tz: the time zone of `cron`, "UTC" by default.
        args: positional arguments of each call.
        kwargs: keyword arguments of each call.
        name: unique in the application; the task's name by default, and numbered from its second schedule on.
        missed: what becomes of slots that nobody enqueued within 30 s: one of them is made up for ("once"), none
            ("skip"), or the last 100 ("all").
        overlap: "skip" passes over a slot while a call of the schedule is still open.
        priority: of the calls; None takes the task's own.
        queue: of the calls; None takes the task's own.

    Raises:
        ConfigError: a value cannot be used, or it is not exactly one of `cron`, `every` and `trigger`.
    """

    cron: str | None = None
    every: float | str | dt.timedelta | None = None
    trigger: Any = None
    tz: str = attrs.field(default="UTC", converter=str)
    args: Sequence[Any] = attrs.field(default=(), converter=_positional)
    kwargs: Mapping[str, Any] = attrs.field(factory=dict, converter=_by_name)
    name: str | None = attrs.field(default=None, converter=attrs.converters.optional(check_task_name))
    missed: str = attrs.field(default="once", validator=_one_of(MISSED))
    overlap: str = attrs.field(default="allow", validator=_one_of(OVERLAP))
    priority: int | None = None
    queue: str | None = None
    when: triggers.Trigger = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if [self.cron, self.every, self.trigger].count(None) != 2:
            raise ConfigError("A schedule has exactly one of cron=, every= and trigger=.")
        if self.tz != "UTC" and self.cron is None:
            raise ConfigError("tz= belongs to cron=: a period has no time zone, and a trigger its own.")
        CallOptions(priority=self.priority, queue=self.queue)
        object.__setattr__(self, "when", self._trigger())

    def _trigger(self) -> triggers.Trigger:
        if self.cron is not None:
            return triggers.cron(self.cron, self.tz)
        if self.every is not None:
            return triggers.every(self.every)
        if not hasattr(self.trigger, "get_next_fire_time"):
            mend = "Pass a trigger of APScheduler 3, such as IntervalTrigger(minutes=5)."
            raise ConfigError(f"trigger: {self.trigger!r} has no get_next_fire_time().", mend)
        return triggers.Foreign(self.trigger)


@attrs.frozen(eq=False)
class Scheduled:
    """A schedule of one task.

    Args:
        name: of the schedule.
        when: its slots.
        told: what is stored of it.
        definition: the task, where it is registered in this process.
    """

    name: str
    when: triggers.Trigger
    told: Told
    definition: TaskDefinition | None

    def call(self, task_id: str, slot: int) -> Call:
        """The call of one slot."""
        return call_of(self.name, self.told, self.definition, task_id, slot=slot)


class Timetable(dict[str, Scheduled]):
    """The schedules of an application or a timer, by name."""

    def add(self, schedule: Schedule, task: str, definition: TaskDefinition | None, *, prefix: str = "") -> str:
        """Add a schedule of a task and return its name.

        Args:
            schedule: when, and with which arguments.
            task: the task's name.
            definition: the task, where it is registered in this process.
            prefix: before the name that it is given where it has none.

        Raises:
            ConfigError: there is one of that name.
            EncodeError: an argument cannot travel.
        """
        name = schedule.name or self._free(prefix + task)
        if name in self:
            mend = 'Give one of them another name: Schedule(name="...").'
            raise ConfigError(f"There are two schedules {name!r}, of {self[name].told.task} and of {task}.", mend)
        args, kwargs = decode_value(encode_value([schedule.args, schedule.kwargs], f"schedule {name!r}"))
        own = None if definition is None else definition.options
        told = Told(
            task,
            schedule.when.expression,
            schedule.when.zone,
            args,
            kwargs,
            schedule.queue or (DEFAULT_QUEUE if own is None else own.queue),
            own.priority if own is not None and schedule.priority is None else schedule.priority,
            schedule.missed,
            schedule.overlap,
        )
        self[name] = Scheduled(name, schedule.when, told, definition)
        return name

    def _free(self, name: str) -> str:
        if name not in self:
            return name
        return next(free for number in range(2, len(self) + 3) if (free := f"{name}-{number}") not in self)


def schedules_of(definition: TaskDefinition) -> list[Schedule]:
    """The schedules that the decorator of a task has declared: `cron`, `every`, `schedule`, each one or a list.

    Raises:
        ConfigError: a word cannot be used.
    """
    extra = definition.options.extra
    about = {word: extra[word] for word in ("tz", "missed", "overlap") if word in extra}
    said = [(word, value) for word in ("cron", "every") for value in _each(extra.get(word))]
    if about and not said:
        words = ", ".join(f"{word}=" for word in about)
        raise ConfigError(
            f"Task {definition.name!r} has {words}, but neither cron= nor every=.",
            "Beside schedule= they belong into its Schedule(...).",
        )
    if own := extra.keys() & {"args", "kwargs"}:
        mend = f"Write schedule=Schedule(..., {min(own)}=...)."
        raise ConfigError(f"Task {definition.name!r} has {min(own)}= beside its schedule, not in it.", mend)
    given = _each(extra.get("schedule"))
    for schedule in given:
        if not isinstance(schedule, Schedule):
            mend = "Write schedule=Schedule(cron=...), or cron=... alone."
            raise ConfigError(f"schedule: expected a Schedule, or a list of them, found {schedule!r}.", mend)
    return [Schedule(**{word: value}, **about) for word, value in said] + given


def call_of(
    name: str, told: Told, definition: TaskDefinition | None, task_id: str | None = None, *, slot: int | None = None
) -> Call:
    """A call as a schedule makes it; without a slot one out of turn."""
    options = CallOptions(
        priority=told.priority,
        queue=told.queue,
        unique=f"schedule:{name}" if told.overlap == "skip" else None,
        timeout=REMEMBERED_S,
        headers={"schedule": name} if slot is None else {"schedule": name, "slot": slot},
    )
    return Call(told.task, tuple(told.args), dict(told.kwargs), options, definition, task_id)


def _each(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]
