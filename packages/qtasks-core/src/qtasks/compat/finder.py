"""Modules that are nothing but old spelling: made when they are imported, from the table, without any file."""

from __future__ import annotations

import importlib
from functools import partial
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from qtasks.compat.table import INSTEAD, MADE, NAMES, TARGETS

EXTRAS = {
    "qtasks_plugins.grpc": "grpc",
    "qtasks_plugins.metrics": "prometheus",
    "qtasks_plugins.pydantic": "pydantic",
    "qtasks_plugins.schedules": "schedules",
    "qtasks_plugins.tracing": "otel",
}
"""The parts of a distribution that need more than it brings, with the extra that does."""


def find_spec(name: str) -> ModuleSpec | None:
    """How to make a module of 1.7; None for any other name."""
    return ModuleSpec(name, _Loader(), is_package=True) if name in NAMES else None


class _Loader(Loader):
    """Makes modules whose names are looked up when they are asked for."""

    def create_module(self, _spec: ModuleSpec) -> None:
        """Leave it to Python."""

    def exec_module(self, module: ModuleType) -> None:
        names = NAMES[module.__name__]
        module.__doc__ = "A module path of QTasks 1.7: its names live elsewhere now."
        module.__dict__.update(
            __all__=names, __dir__=lambda: names, __getattr__=partial(_look_up, module.__name__, module.__dict__)
        )


def _look_up(path: str, namespace: dict[str, Any], name: str) -> Any:
    value = namespace[name] = old_name(path, name)
    return value


def old_name(path: str, name: str) -> Any:
    """What an old name of a module means.

    Raises:
        AttributeError: the module had no such name.
        ImportError: it is in a distribution that is not installed, or it has no successor; with what to do.
    """
    if name not in NAMES.get(path, ()):
        raise AttributeError(f"module {path!r} has no attribute {name!r}")
    if name in INSTEAD:
        raise ImportError(f"{name} is no part of QTasks any more.\n{INSTEAD[name]}", name=path)
    if name in MADE:
        from qtasks.compat.components import component_class

        return component_class(elsewhere(name, *MADE[name]))
    return elsewhere(name, *TARGETS[name])


def explain(error: ImportError) -> ImportError:
    """What to say where a module of ours cannot be imported: QTasks 1.7 in the same folder hides some."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = version("qtasks")
    except PackageNotFoundError:
        return error
    return ImportError(
        f"The distribution qtasks {found} is installed in the same folder as qtasks-core and hides parts of it.\n"
        "pip uninstall qtasks, then pip install --force-reinstall --no-deps qtasks-core",
        name="qtasks",
    )


def elsewhere(name: str, home: str, attribute: str) -> Any:
    """Import what a name stands for.

    Raises:
        ImportError: its distribution is not installed; with the line that installs it.
    """
    try:
        return getattr(importlib.import_module(home), attribute)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{home}.".startswith(f"{error.name}."):  # it is there, and lacks something itself
            raise
        raise ImportError(f"{name} is in another distribution.\n{pip_line(home)}", name=home) from error


def pip_line(home: str) -> str:
    """How the distribution of a module is installed."""
    distribution = home.partition(".")[0].replace("_", "-")
    extra = EXTRAS.get(".".join(home.split(".")[:2]))
    coming = " (not published yet)" if distribution in {"qtasks-rabbitmq", "qtasks-kafka"} else ""
    return f'pip install "{distribution}[{extra}]"' if extra else f"pip install {distribution}{coming}"
