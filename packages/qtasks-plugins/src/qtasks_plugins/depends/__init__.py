"""Dependencies of tasks: what is opened before a function is called, handed to it, and closed afterwards."""

from qtasks_plugins.depends.dependency import Depends, ScopeEnum, override

__all__ = ["Depends", "ScopeEnum", "override"]
