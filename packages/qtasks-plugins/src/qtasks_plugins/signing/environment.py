"""The plugin `signing`: brings a `SigningPlugin` where the environment asks for one. Others load no more than this."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from qtasks.errors import ConfigError
from qtasks.hooks import PLUGIN_API_VERSION, Plugin, hookimpl

if TYPE_CHECKING:
    from qtasks import QueueConfig

    from qtasks_plugins.signing.plugin import Mode


class SigningByEnvironment(Plugin):
    """Adds a `SigningPlugin` to each application where `QTASKS_SIGNING_KEYS` is set, in the mode `QTASKS_SIGNING`."""

    QTASKS_PLUGIN_API = PLUGIN_API_VERSION

    @hookimpl
    def register_plugins(self, register: Callable[..., None], config: QueueConfig) -> None:  # noqa: ARG002 - has no say
        """Ask the environment; a mode without keys is an error, so that a lost variable is not taken for "off"."""
        keys, mode = os.environ.get("QTASKS_SIGNING_KEYS", ""), os.environ.get("QTASKS_SIGNING", "")
        if mode == "off" or not (keys or mode):
            return
        if not keys:
            raise ConfigError(f"QTASKS_SIGNING is {mode!r}, but no keys are given.", "Set QTASKS_SIGNING_KEYS.")
        if mode not in {"", "require", "accept"}:
            raise ConfigError(f"QTASKS_SIGNING is {mode!r}.", "It is 'require' (by default), 'accept' or 'off'.")
        from qtasks_plugins.signing.plugin import SigningPlugin

        try:
            plugin = SigningPlugin(keys, cast("Mode", mode or "require"))
        except ConfigError as error:
            raise ConfigError(f"QTASKS_SIGNING_KEYS: {error.message}", error.hint) from error
        register(plugin)
