"""Where a server is: the URLs that we understand. Nothing here connects."""

from __future__ import annotations

import re
from typing import NamedTuple, Self
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import attrs
from qtasks.errors import ConfigError, did_you_mean

_SCHEME = re.compile(r"(?P<server>redis|rediss|valkey|valkeys)(\+(?P<kind>sentinel|cluster))?")
_NODE = re.compile(
    r"(\[(?P<ipv6>[0-9A-Fa-f:.%]+)\]|(?P<host>([^:\[\].]{1,63}(\.[^:\[\].]{1,63})*\.?)?))(:(?P<port>[0-9]{1,5}))?"
)
_PORTS = {"server": 6379, "sentinel": 26379, "cluster": 6379}
_DURABILITY = ("none", "wait")
_TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_EXAMPLES = (
    "Write redis://user:password@host:6379/0, rediss://... for TLS, unix:///path/to/socket?db=0, "
    "redis+sentinel://host1:26379,host2:26379/service/0 or redis+cluster://host1:6379,host2:6379; "
    "percent-encode special characters of a password."
)


class Node(NamedTuple):
    """One server: a host and a port, or the path of a socket and port 0."""

    host: str
    port: int

    def __str__(self) -> str:
        if self.port == 0:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@attrs.frozen
class Location:
    """A server and a database of it, and how to reach them. Equal ones have the same data.

    Args:
        kind: `server`, `sentinel` (the nodes are sentinels that know the server) or `cluster` (the nodes are
            some of its own).
        nodes: where to ask.
        database: its number.
        service: how the sentinels call the server.
        username: for AUTH; empty for the default user.
        password: for AUTH, also of sentinels that ask for it; empty for none.
        tls: True to encrypt, and to check the server's certificate.
        ssl_ca_certs: the file with the authorities to trust; empty for the system's.
        ssl_certfile: the file with our certificate, for servers that ask for one.
        ssl_keyfile: the file with its key.
        durability: `wait` to let producers wait until the server has written to its disk; `none` not to.
    """

    kind: str
    nodes: tuple[Node, ...] = attrs.field(eq=frozenset)
    database: int = 0
    service: str = ""
    username: str = attrs.field(default="", eq=False)
    password: str = attrs.field(default="", eq=False, repr=False)
    tls: bool = attrs.field(default=False, eq=False)
    ssl_ca_certs: str = attrs.field(default="", eq=False)
    ssl_certfile: str = attrs.field(default="", eq=False)
    ssl_keyfile: str = attrs.field(default="", eq=False)
    durability: str = attrs.field(default="none", eq=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a URL.

        Raises:
            ConfigError: it has a part, a parameter or a value that is not understood.
        """
        try:
            parts = urlsplit(url)
        except ValueError:  # its text may hold the password
            raise ConfigError("The URL of Redis cannot be read.", _EXAMPLES) from None
        where = _without_secrets(url)
        behind = parts.query if parts.scheme == "unix" else parts.path + parts.query
        if parts.fragment or "@" in behind:  # most likely the rest of a password with /, ? or # in it
            raise ConfigError(f"{where} has a '#' or a '@' where none can be.", _EXAMPLES)
        credentials, _, hosts = parts.netloc.rpartition("@")
        username, _, password = credentials.partition(":")
        options = _options(parts, where)
        kind, tls, service, database = "server", False, "", options.pop("db", "")
        nodes: tuple[Node, ...]
        if parts.scheme == "unix":
            nodes = (Node(unquote(parts.path), 0),)
            if hosts or parts.path in {"", "/"}:
                raise ConfigError(f"{where} names no socket.", _EXAMPLES)
        elif scheme := _SCHEME.fullmatch(parts.scheme):
            kind = scheme["kind"] or kind
            tls = scheme["server"] in {"rediss", "valkeys"}
            nodes = tuple(_node(text, kind, where) for text in hosts.split(","))
            path = [unquote(part) for part in parts.path.split("/")[1:] if part]
            if kind == "sentinel":
                service = path.pop(0) if path else ""
            database = path.pop(0) if path else database
            if path or (kind == "sentinel") != bool(service) or (kind == "server" and len(nodes) > 1):
                raise ConfigError(f"{where} has too much or too little behind its scheme.", _EXAMPLES)
        else:
            raise ConfigError(f"{where} has a scheme that is not of Redis.", _EXAMPLES)
        if not re.fullmatch("[0-9]{0,5}", database) or (kind == "cluster" and database.strip("0")):
            raise ConfigError(f"{where} has {database!r} as its database.", "Write a number; a cluster has only 0.")
        user = unquote(username), unquote(password)
        return cls(kind, nodes, int(database or 0), service, *user, tls, **options)

    @property
    def redacted(self) -> str:
        """The URL without its secrets: fit for banners and logs."""
        user = f"{self.username}{':***' * bool(self.password)}@" if self.username or self.password else ""
        kind = "" if self.kind == "server" else f"+{self.kind}"
        nodes = ",".join(map(str, self.nodes))
        if self.nodes[0].port == 0:
            return f"unix://{user}{nodes}?db={self.database}"
        service = f"/{self.service}" if self.service else ""
        return f"redis{'s' * self.tls}{kind}://{user}{nodes}{service}/{self.database}"


def _options(parts: SplitResult, where: str) -> dict[str, str]:
    known = [*_TLS_FILES, "durability", *(["db"] if parts.scheme == "unix" else [])]
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := [name for name in options if name not in known]:
        hint = did_you_mean(unknown[0], known) or f"Known are {', '.join(known)}."
        several = "s" if len(unknown) > 1 else ""
        raise ConfigError(f"{where} has the unknown parameter{several} {', '.join(map(repr, unknown))}.", hint)
    durability = options.get("durability", "none")
    if durability not in _DURABILITY:
        raise ConfigError(f"{where} has {durability!r} for durability.", f"Write one of {', '.join(_DURABILITY)}.")
    return options


def _node(text: str, kind: str, where: str) -> Node:
    found = _NODE.fullmatch(text)
    if found is None or (found["port"] and not 0 < int(found["port"]) < 65_536):
        raise ConfigError(f"{where} has an address that cannot be read.", _EXAMPLES)
    host = found["ipv6"] or unquote(found["host"]).lower() or "localhost"
    return Node(host, int(found["port"] or _PORTS[kind]))


def _without_secrets(url: str) -> str:
    """What may be shown of a URL that is wrong: nothing before the last @, wherever that is, and no parameters."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{re.split('[?#]', rest.rpartition('@')[2])[0]}"
