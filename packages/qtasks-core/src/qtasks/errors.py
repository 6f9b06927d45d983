"""Every error that QTasks raises: one tree, each with its cause and the line that mends it.

Leaves also inherit the builtin that fits, so that code which knows nothing of QTasks can catch them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import ClassVar


class QTasksError(Exception):
    """The base of all errors of QTasks.

    Args:
        message: what was expected, what was found, and where.
        hint: the line that mends it; printed after the message. Empty when there is none.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


def in_a_line(told: object) -> str:
    """An error or a text for a log, whose entries are one line each: the hint follows its message."""
    return " ".join(str(told).splitlines())


def did_you_mean(word: str, known: Iterable[str], *, least: float = 0.6) -> str:
    """The hint that names the nearest known word; empty when none is near.

    Args:
        word: what was found.
        known: what was expected.
        least: how alike they must be, from 0 to 1.
    """
    import difflib  # needed for errors only

    near = difflib.get_close_matches(word, known, n=1, cutoff=least)
    return f"Did you mean {near[0]!r}?" if near else ""


def listed(words: Collection[str], most: int = 10) -> str:
    """The first words by the alphabet, and how many more there are; "none" where there are none."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return (", ".join(sorted(words)[:most]) or "none") + more


class ConfigError(QTasksError, ValueError):
    """A setting, an option or a URL has a value that cannot be used."""


class AppNotFoundError(QTasksError, LookupError):
    """`-A module:attribute` names no application."""


class BackendMissingError(QTasksError, LookupError):
    """No installed distribution serves a URL's scheme."""


class UnsupportedError(QTasksError):
    """The backend neither has the feature nor can it be emulated there."""


# What producers meet.


class TaskNotRegisteredError(QTasksError, LookupError):
    """A task was named that this application does not know."""


class EncodeError(QTasksError, TypeError):
    """A value cannot travel; the message holds the path to it, such as `kwargs.when[2]`."""


class LimitError(QTasksError, ValueError):
    """A message or a result is larger or deeper than the limits allow."""


class DeadlineError(QTasksError, TimeoutError):
    """A call did not get its answer in time. What it asked for may still have happened."""


class WouldSuspendError(QTasksError, RuntimeError):
    """A coroutine driven by the blocking face had to wait for an event loop."""


# What backends raise. Whatever a client library or a server throws becomes one of these.


class BackendError(QTasksError):
    """The base of what goes wrong between QTasks and its broker, storage or global config."""


class BackendUnavailableError(BackendError, ConnectionError):
    """The backend does not answer: down, refused, or locked by another process. Try again later."""


class BackendFullError(BackendError):
    """The backend has no room left: the disk or the memory limit is reached."""


class BackendReadOnlyError(BackendError, PermissionError):
    """The backend can be read but not written."""


class BackendCorruptError(BackendError):
    """What the backend has stored cannot be read."""


class LayoutError(BackendError):
    """The stored layout is newer than this version of QTasks."""


class LeaseLostError(BackendError):
    """An incarnation of a worker owns nothing any more, or never did.

    Args:
        owner: the incarnation.
    """

    def __init__(self, owner: str) -> None:
        super().__init__(f"Owner {owner} has no lease: it has expired, was released, or never began.", "Join anew.")


class PublishError(BackendError):
    """A part of a batch was not accepted.

    Args:
        message: why.
        refused: the ids that certainly were not accepted; of all others the effect is unknown.
        hint: the line that mends it.
    """

    def __init__(self, message: str, refused: list[str], hint: str = "") -> None:
        super().__init__(message, hint)
        self.refused = refused


class MalformedMessageError(QTasksError, ValueError):
    """The bytes of a message are not an envelope that this version can read, or a plugin refuses them."""

    reason: ClassVar[str] = "malformed"
    """What the dead letter gives as the type of its error."""


class ArgumentsError(MalformedMessageError, TypeError):
    """The arguments of a call do not fit the task's function: it never ran."""


class NewerMessageError(MalformedMessageError):
    """The envelope's version is higher than this version of QTasks knows: parked, not dead.

    Args:
        message: which version was found.
        enqueued: when the task was added, microseconds UTC.
    """

    def __init__(self, message: str, enqueued: int) -> None:
        super().__init__(message)
        self.enqueued = enqueued


# What plugin authors meet.


class PluginError(QTasksError):
    """A plugin cannot be registered, or broke the contract of a hook."""


class TaskPluginTriggerError(PluginError):
    """Raised inside a task by `ctx.plugin_error(**kw)`: hands the keywords to the error trigger."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(f"plugin error: {kwargs!r}")
        self.kwargs = kwargs


# What tasks and the readers of results meet.


class TaskCancelError(QTasksError):
    """Raised inside a task to end it with status `cancel`."""


class TimeLimitExceeded(QTasksError, TimeoutError):  # noqa: N818 - the name users know
    """A task ran longer than its `max_time`."""


class TaskFailed(QTasksError):  # noqa: N818 - the name users know
    """`result()` of a task that did not end in `success`.

    Args:
        status: how the task ended.
        type_name: the name of the exception's type, as the worker saw it; never rebuilt by import.
        text: the exception's message.
        traceback: the traceback as text, without local variables; at most 64 KiB.
        task: its name and id.
    """

    def __init__(self, status: str, type_name: str, text: str, traceback: str = "", task: str = "") -> None:
        reason = f": {type_name}: {text}" if type_name else ""
        super().__init__(f"{f'Task {task}' if task else 'Task'} ended with status {status}{reason}")
        self.status = status
        self.type_name = type_name
        self.text = text
        self.traceback = traceback
