"""What users import of the plugins of other distributions: `from qtasks.plugins import Depends`.

The names are imported from where they live when they are first used; nothing else is here.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qtasks_plugins.depends import Depends, ScopeEnum, override
    from qtasks_plugins.metrics.collector import MetricsCollector
    from qtasks_plugins.parameters import injected
    from qtasks_plugins.schedules import AsyncTimer, Schedule, SyncTimer
    from qtasks_plugins.signing.plugin import SigningPlugin
    from qtasks_plugins.states import AsyncState, SyncState
    from qtasks_plugins.tracing import TracingPlugin

__all__ = [
    "AsyncState",
    "AsyncTimer",
    "Depends",
    "MetricsCollector",
    "Schedule",
    "ScopeEnum",
    "SigningPlugin",
    "SyncState",
    "SyncTimer",
    "TracingPlugin",
    "injected",
    "override",
]

_HOMES = {
    "qtasks_plugins.depends": ["Depends", "ScopeEnum", "override"],
    "qtasks_plugins.metrics.collector": ["MetricsCollector"],
    "qtasks_plugins.parameters": ["injected"],
    "qtasks_plugins.schedules": ["AsyncTimer", "Schedule", "SyncTimer"],
    "qtasks_plugins.signing.plugin": ["SigningPlugin"],
    "qtasks_plugins.states": ["AsyncState", "SyncState"],
    "qtasks_plugins.tracing": ["TracingPlugin"],
}
_MODULES = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    from qtasks.compat.finder import elsewhere, old_name

    value = elsewhere(name, _MODULES[name], name) if name in _MODULES else old_name(__name__, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
