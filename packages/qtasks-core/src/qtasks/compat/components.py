"""What programs of QTasks 1.7 make themselves and hand to their application: components and loggers."""

from __future__ import annotations

import functools
import logging
from typing import Any

from qtasks.errors import ConfigError
from qtasks.ports import BackendContext, Component


class ComponentClass:
    """The class of a component, called as in 1.7. Subclassing and `isinstance` go to the class itself."""

    def __init__(self, kind: type[Component]) -> None:
        self._kind = kind

    def __call__(
        self, name: str = "QueueTasks", url: str = "redis://localhost:6379/0", storage: Component | None = None
    ) -> Any:
        """Make the component; nothing is reached yet.

        Args:
            name: the name of the application that it is for.
            url: where the server is.
            storage: of a broker: the storage on the same server.

        Raises:
            ConfigError: the storage is on another server: that one is given to the application.
        """
        made = self._kind.from_url(url, BackendContext(namespace=name))
        if storage is not None and storage.url != made.url:
            raise ConfigError(
                f"The broker is on {made.url}, its storage on {storage.url}.",
                "Give both to the application: QueueTasks(broker=broker, storage=storage).",
            )
        return made

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self._kind)

    def __mro_entries__(self, _bases: tuple[object, ...]) -> tuple[type[Component]]:
        return (self._kind,)


component_class = functools.cache(ComponentClass)
"""The one of each class."""


def Logger(  # noqa: N802 - 1.7 had a class
    name: str = "QueueTasks", subname: str | None = None, default_level: int = logging.NOTSET
) -> logging.Logger:
    """A logger below `qtasks`, for `QueueTasks(log=...)`.

    Args:
        name: of the application.
        subname: of a part of it.
        default_level: the lowest level that it lets through, as in `logging`; that of the logger above it by default.
    """
    logger = logging.getLogger(".".join(filter(None, ("qtasks", name, subname))))
    logger.setLevel(default_level)
    return logger
