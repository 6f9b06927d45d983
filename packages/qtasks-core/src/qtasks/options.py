"""What can be said about a task when it is declared, and about one call of it.

Validated here, once, at the border; the worker's inner path trusts what it gets.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias, TypedDict

import attrs

from qtasks.errors import ConfigError, did_you_mean
from qtasks.message import DEFAULT_QUEUE, LATEST_US
from qtasks.types import NAME, US_PER_S

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?")
_UNIT_S = {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


RetryDelay: TypeAlias = "float | str | Sequence[float | str] | Callable[[int], float]"
"""How long to wait before an attempt is repeated; see `TaskOptions.retry_delay`."""


def seconds(value: float | str | dt.timedelta, what: str) -> float:
    """A duration in seconds.

    Args:
        value: a number of seconds, a text such as "10s", "5m", "2h", "1d", "250ms", or a timedelta.
        what: how the value is called in the error.

    Raises:
        ConfigError: it is negative, not finite, or not a duration.
    """
    if isinstance(value, dt.timedelta):
        number = value.total_seconds()
    elif isinstance(value, str):
        match = _DURATION.fullmatch(value.strip())
        if match is None:
            raise ConfigError(f'{what}: {value!r} is not a duration. Write it like "10s", "5m" or "2h".')
        number = float(match[1]) * _UNIT_S[match[2]]
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        number = float(value)
    else:
        raise ConfigError(f"{what}: expected seconds, a duration text or a timedelta, found {type(value).__name__}.")
    if not 0 <= number < 10**10:
        raise ConfigError(f"{what}: must be between 0 and 10,000,000,000 seconds, found {number}.")
    return number


def check_name(value: str, what: str) -> str:
    """Return a name of a queue or namespace if it is one.

    Raises:
        ConfigError: it is not.
    """
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise ConfigError(
            f"{what}: {value!r} is not a name.", "Use 1 to 128 of A-Z, a-z, 0-9, underscore, dot and hyphen."
        )
    return value


Check: TypeAlias = Callable[[Any, "attrs.Attribute[Any]", Any], None]


def _must(fits: Callable[[Any], bool], expected: str) -> Check:
    """A validator: the value has to fit."""

    def check(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not fits(value):
            raise ConfigError(f"{attribute.name}: expected {expected}, found {value!r}.")

    return check


def _is_a(kind: type, expected: str) -> Check:
    return _must(lambda value: isinstance(value, kind), expected)


def _is_priority(value: object) -> bool:
    return value is None or (type(value) is int and -(2**31) <= value < 2**31)


def _is_retry(value: object) -> bool:
    return value is None or (type(value) is int and 0 <= value <= 10_000)


def _is_exception(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BaseException)


_optional, _each = attrs.validators.optional, attrs.validators.deep_iterable
_priority = _must(_is_priority, "an integer of 32 bits (lower runs first)")
_truth = _is_a(bool, "True or False")
_callable = _must(callable, "something to call")
_exceptions = _each(_must(_is_exception, "types of exceptions"))


def _check_queue(_instance: object, _attribute: object, value: str | None) -> None:
    if value is not None:
        check_name(value, "queue")


Duration: TypeAlias = "float | str | dt.timedelta | None"


def _max_time(value: Duration) -> float | None:
    return None if value is None else seconds(value, "max_time")


def _result_ttl(value: Duration) -> float | None:
    return None if value is None else seconds(value, "result_ttl")


def _timeout(value: Duration) -> float | None:
    return None if value is None else seconds(value, "timeout")


def _to_tuple(values: Iterable[Any] | None) -> tuple[Any, ...]:
    if isinstance(values, (str, type)) or not isinstance(values, Iterable | None):
        raise ConfigError(
            f"An option (tags, retry_on_exc, middlewares) takes a list, found {values!r}.", "Write [...]."
        )
    return () if values is None else tuple(values)


def _check_retry_delay(_instance: object, _attribute: object, value: RetryDelay | None) -> None:
    if isinstance(value, Sequence) and not isinstance(value, str):
        if not value:
            raise ConfigError("retry_delay: expected at least one delay, found an empty sequence.")
        for delay in value:
            seconds(delay, "retry_delay")
    elif value is not None and not callable(value):
        seconds(value, "retry_delay")


@attrs.frozen(kw_only=True)
class TaskOptions:
    """What `@app.task(...)` says about a task.

    Args:
        priority: of its calls, unless they say otherwise; None takes `task_default_priority`.
        queue: the queue its calls wait in, unless they say otherwise.
        echo: True puts the bound task object first among the arguments.
        max_time: the time limit of one attempt, seconds or a duration text; None is none.
        retry: how many times a failed attempt is repeated; None and 0 are never.
        retry_on_exc: retry only exceptions that are instances of these; none is every `Exception`.
        retry_delay: seconds before a repetition, a duration text, a sequence of these (the last one
            repeats), or a callable from the number of ended attempts to seconds; None is exponential
            from 1 s with jitter.
        decode: applied to the value that the task returns, before it is stored.
        tags: for people and plugins.
        description: for people; the first line of the docstring when None.
        generate_handler: gets each yielded value of a generator task; its answer is sent back in.
        executor: the class that runs the task, in place of `TaskExecutor`.
        middlewares_before: callables run before the function, in order.
        middlewares_after: callables run after it.
        result: False keeps no success result.
        result_ttl: how long a success is kept, seconds or a duration text; None takes the config's.
        extra: whatever else was given: for plugins.
    """

    priority: int | None = attrs.field(default=None, validator=_priority)
    queue: str = attrs.field(default=DEFAULT_QUEUE, validator=_check_queue)
    echo: bool = attrs.field(default=False, validator=_truth)
    max_time: float | None = attrs.field(default=None, converter=_max_time)
    retry: int | None = attrs.field(default=None, validator=_must(_is_retry, "how many times to repeat, 0 to 10,000"))
    retry_on_exc: tuple[type[BaseException], ...] = attrs.field(default=(), converter=_to_tuple, validator=_exceptions)
    retry_delay: RetryDelay | None = attrs.field(default=None, validator=_check_retry_delay)
    decode: Callable[[Any], Any] | None = attrs.field(default=None, validator=_optional(_callable))
    tags: tuple[str, ...] = attrs.field(default=(), converter=_to_tuple, validator=_each(_is_a(str, "texts")))
    description: str | None = attrs.field(default=None, validator=_optional(_is_a(str, "a text")))
    generate_handler: Callable[..., Any] | None = attrs.field(default=None, validator=_optional(_callable))
    executor: type[Any] | None = attrs.field(default=None, validator=_optional(_is_a(type, "a class")))
    middlewares_before: tuple[Any, ...] = attrs.field(default=(), converter=_to_tuple, validator=_each(_callable))
    middlewares_after: tuple[Any, ...] = attrs.field(default=(), converter=_to_tuple, validator=_each(_callable))
    result: bool = attrs.field(default=True, validator=_truth)
    result_ttl: float | None = attrs.field(default=None, converter=_result_ttl)
    extra: dict[str, Any] = attrs.Factory(dict)

    @classmethod
    def build(cls, **options: Any) -> TaskOptions:
        """Make options from keywords; those that are not declared go into `extra`.

        Raises:
            ConfigError: a value cannot be used, or an undeclared name looks like a slip of a declared one, or
                is how another queue, or a call, says something that is said otherwise here.
        """
        declared = {a.name for a in attrs.fields(cls)} - {"extra"}
        extra = {key: value for key, value in options.items() if key not in declared}
        for name in extra:
            if hint := _said_otherwise(name) or did_you_mean(name, declared, least=0.8):
                raise ConfigError(f"A task has no option {name!r}.", hint)
        return cls(**{key: value for key, value in options.items() if key in declared}, extra=extra)


class TaskKeywords(TypedDict, total=False):
    """The keywords of `@app.task(...)`, for type checkers; `TaskOptions` says what they mean."""

    priority: int | None
    queue: str
    echo: bool
    max_time: float | str | dt.timedelta | None
    retry: int | None
    retry_on_exc: Sequence[type[BaseException]] | None
    retry_delay: RetryDelay | None
    decode: Callable[[Any], Any] | None
    tags: Sequence[str] | None
    description: str | None
    generate_handler: Callable[..., Any] | None
    executor: type[Any] | None
    middlewares_before: Sequence[Any] | None
    middlewares_after: Sequence[Any] | None
    result: bool
    result_ttl: float | str | dt.timedelta | None


class CallKeywords(TypedDict, total=False):
    """The keywords of `task.options(...)` but for `timeout`, for type checkers; `CallOptions` says what they mean."""

    priority: int | None
    queue: str | None
    delay: float | str | dt.timedelta | None
    eta: dt.datetime | None
    expires: float | str | dt.timedelta | dt.datetime | None
    unique: str | None
    headers: dict[str, Any]


@attrs.frozen(kw_only=True)
class CallOptions:
    """What one call says beside its arguments. None takes the task's own.

    Args:
        priority: lower runs first; 32 bits.
        queue: where it waits.
        delay: start after this time, seconds, duration text or timedelta.
        eta: start at this time, an aware datetime.
        expires: do not start later than this: a duration from now, or an aware datetime.
        unique: while an open task of the same queue has this key, the call returns that one and adds none.
        timeout: wait up to so many seconds for the result.
        headers: for plugins.
    """

    priority: int | None = attrs.field(default=None, validator=_priority)
    queue: str | None = attrs.field(default=None, validator=_check_queue)
    delay: float | str | dt.timedelta | None = None
    eta: dt.datetime | None = None
    expires: float | str | dt.timedelta | dt.datetime | None = None
    unique: str | None = None
    timeout: float | None = attrs.field(default=None, converter=_timeout)
    headers: dict[str, Any] = attrs.field(factory=dict, validator=_is_a(dict, "a dict"))

    def __attrs_post_init__(self) -> None:
        if self.delay is not None and self.eta is not None:
            raise ConfigError("Give delay= or eta=, not both.")
        if self.unique is not None and not (isinstance(self.unique, str) and 1 <= len(self.unique) <= 512):
            raise ConfigError(f"unique: expected a text of 1 to 512 characters, found {self.unique!r}.")
        self.due_us(0)
        self.expires_us(0)

    @classmethod
    def build(cls, **options: Any) -> CallOptions:
        """Make options from keywords.

        Raises:
            ConfigError: there is no such option, or a value cannot be used.
        """
        declared = {a.name for a in attrs.fields(cls)}
        for name in options:
            if name not in declared:
                known = f"There are {', '.join(sorted(declared))}."
                hint = _said_otherwise(name) or did_you_mean(name, declared) or known
                raise ConfigError(f"A call has no option {name!r}.", hint)
        return cls(**options)

    def due_us(self, now_us: int) -> int:
        """When the task may start, microseconds UTC; 0 is at once."""
        if self.eta is not None:
            return _datetime_us(self.eta, "eta")
        if self.delay is not None:
            wait_us = round(seconds(self.delay, "delay") * US_PER_S)
            return now_us + wait_us if wait_us else 0
        return 0

    def expires_us(self, now_us: int) -> int | None:
        """When the task is no longer wanted, microseconds UTC; None is never."""
        if self.expires is None:
            return None
        if isinstance(self.expires, dt.datetime):
            return _datetime_us(self.expires, "expires")
        return now_us + round(seconds(self.expires, "expires") * US_PER_S)


NO_OPTIONS = CallOptions()

ELSEWHERE = {
    "name=": ("actor_name", "task_name"),
    "queue=": ("queue_name",),
    "echo=True": ("bind", "context", "pass_context"),
    "max_time= (seconds)": ("time_limit", "soft_time_limit", "timeout", "job_timeout"),
    "retry= (how many repetitions)": ("max_retries", "max_tries", "retries", "retry_kwargs", "retry_on_error"),
    "retry_on_exc=[...], with retry=": ("autoretry_for",),
    "retry_delay= (seconds)": ("default_retry_delay", "min_backoff", "max_backoff", "retry_backoff", "retry_jitter"),
    "result=False (keeps no success)": ("ignore_result", "store_results"),
    "result_ttl= (seconds)": ("keep_result", "result_expires"),
    "expires= of a call: task.options(expires=...)": ("max_age", "ttl"),
    "delay= of a call: task.options(delay=...)": ("countdown",),
}
"""What an option of ours is called in Celery, Dramatiq, RQ, arq, Taskiq, Huey and Procrastinate."""


def _said_otherwise(name: str) -> str:
    """The hint for an option that is called otherwise here, or belongs to the other of task and call; else empty."""
    for ours, words in ELSEWHERE.items():
        if name in words:
            return f"Here it is {ours}."
    if name in CallKeywords.__annotations__:
        return f"It is an option of a call: task.options({name}=...)."
    if name in TaskKeywords.__annotations__:
        return f"It is an option of the task: @app.task({name}=...)."
    return ""


def _datetime_us(value: dt.datetime, what: str) -> int:
    if not isinstance(value, dt.datetime):
        raise ConfigError(f"{what}: expected an aware datetime, found {type(value).__name__}.")
    if value.tzinfo is None:
        raise ConfigError(
            f"{what}: {value!r} has no time zone.", "Make it aware: datetime.now(timezone.utc), or .astimezone()."
        )
    return min(max(0, round(value.timestamp() * US_PER_S)), LATEST_US)
