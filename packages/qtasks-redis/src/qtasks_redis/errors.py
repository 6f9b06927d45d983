"""What the server and the system raise, as errors of QTasks: each with the URL, the cause and the mend.

No argument of a command gets into a message.
"""

from __future__ import annotations

import ssl

from qtasks import errors

_PASSWORD = "Check the user name and the password in the URL; percent-encode special characters."  # noqa: S105
_RIGHTS = "Allow the user all commands on what is below qtasks: (ACL SETUSER name ~qtasks:* &qtasks:* +@all)."
_REACH = "Check that the server runs, and the host and the port in the URL."
_PLAIN = "If it does not encrypt, write redis:// or valkey:// in the place of rediss:// or valkeys://."
_DATABASE = "Servers have the databases 0 to 15 unless their configuration says otherwise: mend the number in the URL."
_FULL = "Free disk space on the server and look into its log: it cannot save its data."
_FOREIGN = "A key below qtasks: was written by something else: find it and delete it."

_CODES: dict[str, tuple[type[errors.BackendError], str]] = {
    "BUSY": (errors.BackendUnavailableError, "A script runs for too long there; SCRIPT KILL ends it."),
    "CLUSTERDOWN": (errors.BackendUnavailableError, "Its failover is not over: see CLUSTER INFO."),
    "LOADING": (errors.BackendUnavailableError, "It reads its data after a start: try again soon."),
    "MASTERDOWN": (errors.BackendUnavailableError, "This is a replica that has lost its master: try again soon."),
    "MISCONF": (errors.BackendFullError, _FULL),
    "NOAUTH": (errors.BackendError, _PASSWORD),
    "NOPERM": (errors.BackendError, _RIGHTS),
    "NOREPLICAS": (errors.BackendUnavailableError, "It has fewer replicas than its min-replicas-to-write asks for."),
    "OOM": (errors.BackendFullError, "Raise maxmemory of the server, or keep results for less time."),
    "READONLY": (errors.BackendReadOnlyError, "This is a replica: name its master, or use redis+sentinel://."),
    "TRYAGAIN": (errors.BackendUnavailableError, "A slot moves to another server: try again soon."),
    "WRONGPASS": (errors.BackendError, _PASSWORD),
    "WRONGTYPE": (errors.BackendCorruptError, _FOREIGN),
}
"""What servers answer, by its first word."""

_CROWDED = "max number of clients"
"""What is answered, before the connection is closed, by a server that has too many."""

_SPOILT = "is not an integer", "is not a valid float", "would overflow"
"""What is answered of a number that something else has written."""

_TOO_OLD = "unknown command", "unknown subcommand", "unexpected symbol near '#'"
"""What servers answer that lack something we need: Redis before 7.0 has no flags for scripts."""


class WireError(Exception):
    """What came over a connection is not what was hoped for."""


class GarbledError(WireError):
    """What came is no reply of Redis."""


class RefusedError(WireError):
    """A server has answered that it will not do it."""

    def __init__(self, answer: str) -> None:
        super().__init__(answer.removeprefix("ERR "))  # scripts put it before the code of what they called

    @property
    def code(self) -> str:
        """The first word: what kind of refusal it is."""
        return str(self).partition(" ")[0]


class ScriptError(errors.BackendError):
    """A script ended with an error that is none of the server's own; the message holds its text."""


def translate(error: Exception, where: str) -> errors.BackendError:
    """The error of QTasks for one of the server or of the system.

    Args:
        error: what was raised or answered.
        where: the URL, without secrets.
    """
    if isinstance(error, errors.BackendError):
        return error
    if isinstance(error, RefusedError):
        return _translate_answer(error, where)
    return _translate_failure(error, where)


def _translate_answer(error: RefusedError, where: str) -> errors.BackendError:
    text = str(error)
    ours, hint = _CODES.get(error.code, (ScriptError, ""))
    if any(sign in text for sign in _TOO_OLD):
        ours, hint = errors.BackendError, "QTasks needs Redis 7.0 or newer, or Valkey."
        text = text.partition(", with args")[0]  # which follow
    elif any(sign in text for sign in _SPOILT):
        ours, hint = errors.BackendCorruptError, _FOREIGN
    elif _CROWDED in text:
        ours, hint = errors.BackendUnavailableError, "Raise maxclients of the server, or run fewer processes."
    elif "without any password" in text:
        ours, hint = errors.BackendError, _PASSWORD
    elif "DB index is out of range" in text:
        ours, hint = errors.BackendError, _DATABASE
    return ours(f"{where} refused: {text.rstrip('.')}.", hint)


def _translate_failure(error: Exception, where: str) -> errors.BackendError:
    reach = f"{_REACH} {_PLAIN}" if where.startswith("rediss") else _REACH
    if isinstance(error, ConnectionResetError) and where.startswith("redis:"):
        reach += " One that encrypts has a URL with rediss://."
    if isinstance(error, ssl.SSLCertVerificationError):
        text = f"{where} shows a certificate that is not trusted: {error.verify_message.rstrip('.')}."
        return errors.BackendError(text, "Name the file with its authority: ?ssl_ca_certs=/path/to/ca.pem")
    if isinstance(error, ssl.SSLError):
        return errors.BackendError(f"{where} does not encrypt as expected: {error}.", _PLAIN)
    if isinstance(error, TimeoutError):
        return errors.BackendUnavailableError(f"{where} did not answer in time.", reach)
    if isinstance(error, OSError):
        return errors.BackendUnavailableError(f"{where} cannot be reached: {str(error).rstrip('.')}.", reach)
    return errors.BackendError(f"{where} failed: {error!r}.", "Check that a server of Redis answers there.")
