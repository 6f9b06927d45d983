"""When the slots of a schedule are: cron expressions, periods, triggers of APScheduler. What is done then is elsewhere.

A slot is a moment, microseconds UTC, that is the same in every process: any of them may enqueue it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

import attrs
from qtasks.errors import ConfigError, did_you_mean
from qtasks.options import seconds
from qtasks.types import US_PER_S

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from cronsim import CronSim

ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
"""What cron calls the usual expressions."""

_USUAL = 'Write minute, hour, day of month, month, day of week: "*/5 * * * *"; or @hourly, @daily and the like.'
_DAYS = "Days of the week are SUN, MON, TUE, WED, THU, FRI, SAT, or 0-7, where 0 and 7 are Sunday."

EVERY = "every "
"""How the expression of a period begins."""


class Trigger(Protocol):
    """What tells slots."""

    @property
    def expression(self) -> str:
        """What it was made of, for people."""

    @property
    def zone(self) -> str:
        """The time zone of the expression; empty where none matters, or the expression tells it."""

    def slots(self, after: int, begun: bool) -> Iterator[int]:
        """The slots in order.

        Args:
            after: only later ones, microseconds UTC.
            begun: True when `after` follows a slot; False before the first one.
        """


@attrs.frozen
class Cron:
    """A cron expression of five fields, or of six with seconds first.

    Where the clocks are changed: a fixed time that is skipped is made up for right afterwards, and one that comes twice
    is a slot once. An expression whose hour or minute begins with `*`, or that has seconds, goes by what the clock
    shows: nothing in the hour that is skipped, and twice in the one that comes twice.
    """

    expression: str
    zone: str

    def __attrs_post_init__(self) -> None:
        if next(self.slots(0, begun=False), None) is None:
            raise ConfigError(f"cron: {self.expression!r} is never.")

    def slots(self, after: int, begun: bool) -> Iterator[int]:  # noqa: ARG002 - the contract's
        """Its moments in its zone."""
        for moment in self._moments(_datetime(after, self._zone_info())):
            slot = _us(moment)
            if slot > after:  # the hour that comes twice is told once, its first time
                yield slot

    def _moments(self, begin: dt.datetime) -> CronSim:
        try:
            from cronsim import CronSim, CronSimError
        except ModuleNotFoundError as error:
            raise ConfigError("cron= needs cronsim.", 'pip install "qtasks-plugins[schedules]"') from error
        try:
            return CronSim(ALIASES.get(self.expression, self.expression), begin)
        except CronSimError as error:
            mend = did_you_mean(self.expression, ALIASES) or (_DAYS if "day-of-week" in str(error) else _USUAL)
            raise ConfigError(f"cron: {self.expression!r} is no cron expression: {error}.", mend) from error

    def _zone_info(self) -> ZoneInfo:
        from zoneinfo import ZoneInfo  # who uses no expressions needs no time zones

        try:
            return ZoneInfo(self.zone)
        except (LookupError, ValueError, OSError) as error:
            raise ConfigError(
                f"tz: there is no time zone {self.zone!r}.",
                'Write it like "Europe/Berlin". Where there are none at all: pip install tzdata.',
            ) from error


@attrs.frozen
class Every:
    """A period. Its slots are the whole multiples since 1970, UTC: the same in all processes, also after a restart."""

    expression: str
    period_us: int
    zone: str = ""

    def slots(self, after: int, begun: bool) -> Iterator[int]:  # noqa: ARG002 - the contract's
        """Its multiples."""
        return count((after // self.period_us + 1) * self.period_us, self.period_us)


@attrs.frozen
class Foreign:
    """A trigger of APScheduler 3, or whatever else has its `get_next_fire_time(previous, now)`."""

    trigger: Any
    zone: str = ""

    @property
    def expression(self) -> str:
        """The trigger as a text; its class where its text is its address, which is another one in each process."""
        text = str(self.trigger)
        return type(self.trigger).__qualname__ if text == object.__repr__(self.trigger) else text

    def slots(self, after: int, begun: bool) -> Iterator[int]:
        """Its moments, each asked for with the one before."""
        now = _datetime(after, dt.UTC)
        previous = now if begun else None
        while (moment := self.trigger.get_next_fire_time(previous, now)) is not None:
            if moment.tzinfo is None:
                raise ConfigError(f"{self.expression}: the trigger answered with a time without a zone, {moment}.")
            if previous is not None and moment <= previous:
                return
            if (slot := _us(moment)) > after:
                yield slot
            previous = now = moment


def cron(expression: str, zone: str) -> Cron:
    """The trigger of a cron expression.

    Raises:
        ConfigError: it is none, its zone is none, or it is never.
    """
    if not isinstance(expression, str):
        raise ConfigError(f"cron: expected a text, found {expression!r}.", 'Write cron="*/5 * * * *".')
    return Cron(" ".join(expression.split()), zone)


def every(period: float | str | dt.timedelta) -> Every:
    """The trigger of a period.

    Raises:
        ConfigError: it is no duration, or less than a second.
    """
    period_s = seconds(period, "every")
    if period_s < 1:
        raise ConfigError(f"every: {period!r} is less than a second, the shortest period of a schedule.")
    told = period.strip() if isinstance(period, str) else f"{period_s:g}s"
    return Every(EVERY + told, round(period_s * US_PER_S))


def read_again(expression: str, zone: str) -> Cron | Every | None:
    """The trigger that has told this expression; None for one of APScheduler, which only its program has."""
    if expression.startswith(EVERY):
        return every(expression.removeprefix(EVERY))
    return cron(expression, zone) if zone else None


def _datetime(moment_us: int, zone: dt.tzinfo) -> dt.datetime:
    return dt.datetime.fromtimestamp(moment_us / US_PER_S, zone)


def _us(moment: dt.datetime) -> int:
    return round(moment.timestamp() * US_PER_S)
