"""Pydantic models as arguments and results of tasks. Other types are encoded and restored by the core."""

from qtasks_plugins.pydantic.plugin import PydanticPlugin

__all__ = ["PydanticPlugin"]
