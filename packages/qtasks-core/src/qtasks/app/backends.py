"""From a URL's scheme to the class that serves it, as plugins have registered them."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import Any, Literal
from urllib.parse import urlsplit

from qtasks.errors import BackendMissingError, ConfigError, PluginError, did_you_mean
from qtasks.hooks import Dispatch
from qtasks.ports import BackendContext, Component
from qtasks.runtime import drive

Role = Literal["broker", "storage", "global_config"]

DEFAULT_URL = "sqlite://"
"""The embedded default: a file beside the project, no server."""

DISTRIBUTIONS = {
    "redis": "qtasks-redis",
    "rediss": "qtasks-redis",
    "unix": "qtasks-redis",
    "valkey": "qtasks-redis",
    "valkeys": "qtasks-redis",
    "amqp": "qtasks-rabbitmq",
    "amqps": "qtasks-rabbitmq",
    "kafka": "qtasks-kafka",
}
"""Our own distributions, for the line that says what to install."""

COMING = {"qtasks-rabbitmq", "qtasks-kafka"}
"""Those of them that cannot be installed yet."""

_MEANT = {"rabbitmq": "Did you mean 'amqp'?"}
"""What to say of words that are like none of ours."""

_WORDS: dict[Role, str] = {"broker": "broker", "storage": "storage", "global_config": "global config"}


class Backends:
    """The backends that the loaded plugins bring.

    Args:
        dispatch: the application's hooks.
    """

    def __init__(self, dispatch: Dispatch) -> None:
        hooks: dict[Role, Any] = {
            "broker": dispatch.register_brokers,
            "storage": dispatch.register_storages,
            "global_config": dispatch.register_global_configs,
        }
        self._targets: dict[Role, dict[str, str | type[Component]]] = {role: {} for role in hooks}
        for role, hook in hooks.items():
            drive(hook(register=_register_into(self._targets[role])))

    def serves(self, role: Role, url: str) -> bool:
        """True when something is registered for the URL's scheme."""
        return scheme(url) in self._targets[role]

    def schemes(self, role: Role) -> list[str]:
        """The registered schemes, sorted."""
        return sorted(self._targets[role])

    def make(self, role: Role, url: str, context: BackendContext, near: Component | None = None) -> Any:
        """Make the component that serves a URL.

        Args:
            role: what it is to be.
            url: where it is.
            context: what it is told beside that.
            near: the component whose URL it is, where nothing but that is known: it lacks the password.

        Raises:
            BackendMissingError: nothing serves the scheme; the hint says what to install.
            ConfigError: the URL is not understood, or lacks the password.
            PluginError: what is registered cannot be imported.
        """
        found = scheme(url)
        target = self._targets[role].get(found)
        if target is None:
            hint = "A plugin has to bring it: none of the distributions of QTasks does."
            if distribution := DISTRIBUTIONS.get(found.partition("+")[0]):
                hint = f"Install one: pip install {distribution}{' (not published yet)' * (distribution in COMING)}."
            elif meant := _MEANT.get(found) or did_you_mean(found, [*DISTRIBUTIONS, *self._targets[role]]):
                hint = meant
            installed = f"Installed here: {', '.join(self.schemes(role)) or 'none'}."
            raise BackendMissingError(f"No {_WORDS[role]} for {found}://.", f"{hint} {installed}")
        kind = _load(target)
        if near is not None and (beside := near.beside(kind)) is not None:
            return beside
        if near is not None and "@" in urlsplit(url).netloc:
            raise ConfigError(
                f"No {role} can be made beside the {type(near).__name__} at {url}: it does not tell its password.",
                f"Give {role}= too, or a URL in the place of the object.",
            )
        return kind.from_url(url, context)


def scheme(url: str) -> str:
    """The scheme of a URL.

    Raises:
        ConfigError: it has none.
    """
    found = urlsplit(url).scheme if isinstance(url, str) and "://" in url else ""
    if not found:
        shown = re.sub(".*@", "***@", str(url))  # there may be a password before it
        raise ConfigError(
            f"'{shown}' is not a URL: it has no scheme://.",
            'Write it like "sqlite:///queue.db" or "redis://localhost:6379/0".',
        )
    return found.lower()


def _register_into(targets: dict[str, str | type[Component]]) -> Callable[[str, str | type[Component]], None]:
    def register(name: str, target: str | type[Component]) -> None:
        if targets.get(name, target) != target:
            raise PluginError(
                f"Two plugins serve {name}://: {targets[name]} and {target}.",
                "Leave one out: QTASKS_PLUGINS_DISABLE=<its name>.",
            )
        targets[name] = target

    return register


def _load(target: str | type[Component]) -> Any:
    if not isinstance(target, str):
        return target
    module, _, name = target.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise PluginError(f"The backend {target} cannot be imported: {error}.") from error
