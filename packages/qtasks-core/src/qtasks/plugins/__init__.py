"""What users import of the plugins of other distributions: `from qtasks.plugins import Depends`.

The names are imported from where they live when they are first used; nothing else is here.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qtasks_plugins.depends import Depends, ScopeEnum, override
    from qtasks_plugins.parameters import injected
    from qtasks_plugins.states import AsyncState, SyncState

__all__ = ["AsyncState", "Depends", "ScopeEnum", "SyncState", "injected", "override"]

_HOMES = {
    "qtasks_plugins.depends": ["Depends", "ScopeEnum", "override"],
    "qtasks_plugins.parameters": ["injected"],
    "qtasks_plugins.states": ["AsyncState", "SyncState"],
}
_MODULES = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    package = _MODULES[name].partition(".")[0]
    try:
        value = getattr(importlib.import_module(_MODULES[name]), name)
    except ModuleNotFoundError as error:
        if error.name != package:  # it is there, and lacks something itself
            raise
        distribution = package.replace("_", "-")
        raise ImportError(f"{name} is in another distribution.\npip install {distribution}", name=package) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
