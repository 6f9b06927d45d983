"""The sections that plugins add to `stats inspect`: each a coroutine function that tells facts of its own.

Plugins register them by the hook `register_stats`; they are imported and called when somebody asks.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from typing import Any, TypeAlias

import attrs

from qtasks.app.application import Application
from qtasks.errors import ConfigError, PluginError, QTasksError, did_you_mean, listed
from qtasks.hooks import Dispatch
from qtasks.runtime import Link

ASPECTS = ("app", "task", "tasks", "queues", "workers", "plugins", "dlq")
"""What `stats inspect` shows without plugins."""

Facts: TypeAlias = "dict[str, Any] | list[dict[str, Any]]"
"""What a section tells: one thing, or a list of them; JSON values."""


@attrs.frozen
class Section:
    """One section as a plugin registered it: where its function is, and a line for the help."""

    target: str
    help: str = ""


async def sections(hooks: Dispatch) -> Mapping[str, Section]:
    """The sections that the loaded plugins bring, by name.

    Raises:
        PluginError: two plugins bring one of the same name, or one has the name of an aspect.
    """
    found = dict.fromkeys(ASPECTS, Section("qtasks itself"))

    def register(name: str, target: str, *, help: str = "") -> None:  # noqa: A002 - the name in the hook's contract
        if name in found:
            raise PluginError(
                f"The section {name!r} of the statistics is there twice: in {found[name].target} and in {target}.",
                "Leave one plugin out: QTASKS_PLUGINS_DISABLE=<its name>.",
            )
        found[name] = Section(target, help)

    await hooks.register_stats(register=register)
    return {name: section for name, section in found.items() if name not in ASPECTS}


async def read_section(app: Application, link: Link, name: str, names: tuple[str, ...]) -> Facts:
    """Ask one section for its facts.

    Args:
        app: whose facts are wanted.
        link: how to reach them.
        name: of the section.
        names: what the caller names; the section knows what they mean.

    Raises:
        ConfigError: there is no such section.
        PluginError: it cannot be imported, it raised, or what it returned is no facts.
    """
    known = await sections(app.hooks.dispatch)
    if name not in known:
        hint = did_you_mean(name, [*ASPECTS, *known]) or f"There are: {listed([*ASPECTS, *known], 50)}."
        raise ConfigError(f"Nothing called {name!r} can be inspected.", hint)
    target = known[name].target
    try:
        facts = await pkgutil.resolve_name(target)(app, link, names)
    except QTasksError:
        raise
    except Exception as error:
        raise PluginError(f"The section {name!r} ({target}) failed: {type(error).__name__}: {error}") from error
    for row in facts if isinstance(facts, list) else [facts]:
        if not isinstance(row, dict) or not all(isinstance(key, str) for key in row):
            raise PluginError(
                f"The section {name!r} ({target}) answered with {facts!r:.100}.",
                "It returns a dict whose keys are str, or a list of them.",
            )
    return facts  # type: ignore[no-any-return]  # as just checked
