"""Which installed plugins are loaded: our own loop over the entry points of the group `qtasks`.

pluggy's loader stops at the first broken plugin; here every entry point ends as loaded, skipped or failed,
with the reason, which `qtasks plugins list` shows.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

import attrs

from qtasks.errors import ConfigError, PluginError, did_you_mean
from qtasks.hooks.kinds import PROJECT
from qtasks.hooks.registry import HookRegistry, PluginInfo

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

PLUGIN_API_VERSION = 1
"""What a plugin's `QTASKS_PLUGIN_API` must equal. It changes when plugins that follow the old rules would break."""

CORE = "core"
"""The entry point of the core's own backends and features: loaded whatever the lists say, and first."""

_log = logging.getLogger("qtasks.hooks")


def discover(registry: HookRegistry, *, builtin: str = "qtasks.builtins", plugins: Iterable[str] | None = None) -> None:
    """Load the installed plugins into a registry: the core's own first, the others by name.

    The environment has a say, too: `QTASKS_PLUGINS` (the only ones to load) and `QTASKS_PLUGINS_DISABLE`
    (those not to load) hold names separated by commas. A plugin must pass every list. With
    `QTASKS_PLUGINS_STRICT=1` one that failed is an error; skipped ones are none: somebody asked for that.

    Args:
        registry: takes the plugins, and the reasons why others were left out.
        builtin: the module with the core's own plugin; loaded also where the core is not installed.
        plugins: the names of the only plugins to load; None for all.

    Raises:
        PluginError: `QTASKS_PLUGINS_STRICT`, and at least one plugin failed; all reasons are given.
        ConfigError: `QTASKS_PLUGINS_STRICT` is neither yes nor no.
    """
    # Here, because it takes longer than all the rest of the package.
    from importlib.metadata import EntryPoint, entry_points

    given = {"QTASKS_PLUGINS": _names("QTASKS_PLUGINS"), "plugins=[...]": plugins}
    allowed = {label: frozenset(names) for label, names in given.items() if names is not None}
    found = sorted(entry_points(group=PROJECT), key=lambda entry: entry.name)
    # Nobody else gets past the lists under the core's name.
    core = next((e for e in found if (e.name, e.value) == (CORE, builtin)), EntryPoint(CORE, builtin, PROJECT))
    registry.add(load_plugin(core), name=CORE, source=_info(core))
    installed = {CORE, *(entry.name for entry in found)}
    failed = [
        PluginInfo(name, "", state="failed", reason=f"in {label}, but not installed. {near}".rstrip())
        for label, names in allowed.items()
        for name in sorted(names - installed)
        for near in [did_you_mean(name, installed)]
    ]
    for entry in found:
        if entry == core:
            continue
        info = _info(entry)
        if refusal := _refusal(entry.name, allowed):
            registry.leave_out(attrs.evolve(info, state="skipped", reason=refusal))
            continue
        try:
            registry.add(load_plugin(entry), name=entry.name, source=info)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a plugin does, the others are loaded
            _log.debug("Plugin %r is not loaded:", entry.name, exc_info=True)
            reason = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
            failed.append(attrs.evolve(info, state="failed", reason=reason))
    for info in failed:
        registry.leave_out(info)
        _log.warning("Plugin %r is not loaded: %s", info.name, info.reason)
    if failed and _strict():
        raise PluginError(
            "\n".join([f"{len(failed)} of the plugins failed to load:", *(f"- {i.name}: {i.reason}" for i in failed)]),
            "Mend or uninstall them, name them in QTASKS_PLUGINS_DISABLE, or unset QTASKS_PLUGINS_STRICT.",
        )


def _refusal(name: str, allowed: Mapping[str, Collection[str]]) -> str:
    """By which list a plugin is not to be loaded; empty when it is."""
    if name in (_names("QTASKS_PLUGINS_DISABLE") or ()):
        return "in QTASKS_PLUGINS_DISABLE"
    return next((f"not in {label}" for label, names in allowed.items() if name not in names), "")


def _names(variable: str) -> list[str] | None:
    # A variable that is set but empty is an empty list: who writes an allow-list wants nothing else.
    text = os.environ.get(variable)
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _strict() -> bool:
    text = os.environ.get("QTASKS_PLUGINS_STRICT", "")
    if text.lower() not in {"", "0", "1", "false", "true", "no", "yes"}:
        raise ConfigError(f"QTASKS_PLUGINS_STRICT is {text!r}; 1 or 0 was expected.", "Set it to 1, or unset it.")
    return text.lower() in {"1", "true", "yes"}


def load_plugin(entry: EntryPoint) -> object:
    """Import a plugin and return it; a class is called without arguments.

    Raises:
        PluginError: it was made for another version of the plugin API, or does not say for which.
    """
    loaded = entry.load()
    version = getattr(loaded, "QTASKS_PLUGIN_API", None)
    if type(version) is not int:
        raise PluginError(
            f"{entry.value} does not say for which QTasks it was made (QTASKS_PLUGIN_API is {version!r}).",
            f"Its author adds QTASKS_PLUGIN_API = {PLUGIN_API_VERSION} there.",
        )
    if version != PLUGIN_API_VERSION:
        older = entry.dist.name if entry.dist and version < PLUGIN_API_VERSION else "qtasks-core"
        raise PluginError(
            f"{entry.value} was made for version {version} of the plugin API; this QTasks has {PLUGIN_API_VERSION}.",
            f"Upgrade the older of the two: pip install -U {older}",
        )
    return loaded() if isinstance(loaded, type) else loaded


def _info(entry: EntryPoint) -> PluginInfo:
    distribution, version = _name_and_version(entry.dist) if entry.dist else (None, None)
    return PluginInfo(entry.name, entry.value, distribution, version)


@functools.cache
def _name_and_version(distribution: Distribution) -> tuple[str, str]:
    metadata = distribution.metadata  # parsed at every access, about 1 ms
    return metadata["Name"], metadata["Version"]
