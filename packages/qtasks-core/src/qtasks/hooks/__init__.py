"""Hooks: what plugins may do, how they are found and checked, and how they are called.

A plugin author needs `Plugin` and `hookimpl`; the application makes a `HookRegistry`, lets `discover` fill
it, and calls hooks through its `dispatch`. The hooks are listed in `docs/reference/hooks.md`.
"""

from qtasks.hooks.discovery import PLUGIN_API_VERSION, discover, load_plugin
from qtasks.hooks.dispatch import Dispatch
from qtasks.hooks.kinds import COMPONENTS, HookSpec, Kind, hookimpl
from qtasks.hooks.registry import HookRegistry, PluginInfo
from qtasks.hooks.specs import SPECS, Plugin

__all__ = [
    "COMPONENTS",
    "PLUGIN_API_VERSION",
    "SPECS",
    "Dispatch",
    "HookRegistry",
    "HookSpec",
    "Kind",
    "Plugin",
    "PluginInfo",
    "discover",
    "hookimpl",
    "load_plugin",
]
