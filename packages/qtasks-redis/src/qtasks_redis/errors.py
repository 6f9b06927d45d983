"""What the server, redis-py and the system raise, as errors of QTasks: each with the URL, the cause and the mend.

No argument of a command gets into a message.
"""

from __future__ import annotations

import ssl

from qtasks import errors
from redis import exceptions as theirs

_PASSWORD = "Check the user name and the password in the URL; percent-encode special characters."  # noqa: S105
_RIGHTS = "Allow the user all commands on what is below qtasks: (ACL SETUSER name ~qtasks:* &qtasks:* +@all)."
_REACH = "Check that the server runs, and the host and the port in the URL."
_PLAIN = "If it does not encrypt, write redis:// or valkey:// in the place of rediss:// or valkeys://."
_DATABASE = "Servers have the databases 0 to 15 unless their configuration says otherwise: mend the number in the URL."
_FULL = "Free disk space on the server and look into its log: it cannot save its data."
_FOREIGN = "A key below qtasks: was written by something else: find it and delete it."

_CLASSES: tuple[tuple[type[Exception], type[errors.BackendError], str], ...] = (
    (theirs.NoPermissionError, errors.BackendError, _RIGHTS),
    (theirs.AuthenticationError, errors.BackendError, _PASSWORD),
    (
        theirs.ReadOnlyError,
        errors.BackendReadOnlyError,
        "This is a replica: name its master, or use redis+sentinel://.",
    ),
    (theirs.OutOfMemoryError, errors.BackendFullError, "Raise maxmemory of the server, or keep results for less time."),
    (theirs.BusyLoadingError, errors.BackendUnavailableError, "It reads its data after a start: try again soon."),
    (theirs.TryAgainError, errors.BackendUnavailableError, "A slot moves to another server: try again soon."),
    (theirs.ClusterDownError, errors.BackendUnavailableError, "Its failover is not over: see CLUSTER INFO."),
)
"""Answers that redis-py tells apart by their classes."""

_CODES: dict[str, tuple[type[errors.BackendError], str]] = {
    "BUSY": (errors.BackendUnavailableError, "A script runs for too long there; SCRIPT KILL ends it."),
    "MISCONF": (errors.BackendFullError, _FULL),
    "NOREPLICAS": (errors.BackendUnavailableError, "It has fewer replicas than its min-replicas-to-write asks for."),
    "WRONGTYPE": (errors.BackendCorruptError, _FOREIGN),
}
"""Answers that it does not, by their first word."""

_SPOILT = "is not an integer", "is not a valid float", "would overflow"
"""What is answered of a number that something else has written."""

_TOO_OLD = "unknown command", "unknown subcommand", "unexpected symbol near '#'"
"""What servers answer that lack something we need: Redis before 7.0 has no flags for scripts."""


class ScriptError(errors.BackendError):
    """A script ended with an error that is none of the server's own; the message holds its text."""


def translate(error: Exception, where: str) -> errors.BackendError:
    """The error of QTasks for one of the server, of redis-py or of the system.

    Args:
        error: what was raised or answered.
        where: the URL, without secrets.
    """
    if isinstance(error, errors.BackendError):
        return error
    for kind, ours, hint in _CLASSES:
        if isinstance(error, kind):
            return ours(f"{where} refused: {str(error).rstrip('.')}.", hint)
    if isinstance(error, theirs.ResponseError):
        return _translate_answer(str(error), where)
    return _translate_failure(error, where)


def _translate_answer(text: str, where: str) -> errors.BackendError:
    ours, hint = _CODES.get(text.partition(" ")[0], (ScriptError, ""))
    if any(sign in text for sign in _TOO_OLD):
        ours, hint = errors.BackendError, "QTasks needs Redis 7.0 or newer, or Valkey."
        text = text.partition(", with args")[0]  # which follow
    elif any(sign in text for sign in _SPOILT):
        ours, hint = errors.BackendCorruptError, _FOREIGN
    elif "DB index is out of range" in text:
        ours, hint = errors.BackendError, _DATABASE
    return ours(f"{where} refused: {text.rstrip('.')}.", hint)


def _translate_failure(error: Exception, where: str) -> errors.BackendError:
    tls = _tls_cause(error)
    reach = f"{_REACH} {_PLAIN}" if where.startswith("rediss") else _REACH
    if isinstance(tls, ssl.SSLCertVerificationError):
        text = f"{where} shows a certificate that is not trusted: {tls.verify_message}."
        return errors.BackendError(text, "Name the file with its authority: ?ssl_ca_certs=/path/to/ca.pem")
    if tls is not None:
        return errors.BackendError(f"{where} does not encrypt as expected: {tls}.", _PLAIN)
    if isinstance(error, TimeoutError | theirs.TimeoutError):
        return errors.BackendUnavailableError(f"{where} did not answer in time.", reach)
    if isinstance(error, OSError | theirs.ConnectionError):
        return errors.BackendUnavailableError(f"{where} cannot be reached: {str(error).rstrip('.')}.", reach)
    return errors.BackendError(f"{where} failed: {error!r}.", "Check that a server of Redis answers there.")


def _tls_cause(error: BaseException | None) -> ssl.SSLError | None:
    """What redis-py has wrapped."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error
