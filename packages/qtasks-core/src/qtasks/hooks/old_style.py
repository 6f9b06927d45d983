"""Plugins as QTasks 1.7 had them: one method `trigger(name, **kwargs)` for all hooks."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from qtasks.hooks.kinds import HookSpec, Kind, hookimpl
from qtasks.hooks.specs import SPECS


class OldStyle:
    """Stands for an old-style plugin: has one implementation for each hook that `trigger` can serve.

    Those are all but the ones that collect answers, which 1.7 did not have, and `around`, which needs more than a name.
    """

    def __init__(self, trigger: Callable[..., Any]) -> None:
        for hook, spec in SPECS.items():
            if spec.kind not in {Kind.AROUND, Kind.COLLECT}:
                setattr(self, hook, hookimpl(_forward(spec, trigger)))


def _forward(spec: HookSpec, trigger: Callable[..., Any]) -> Callable[..., Any]:
    def forward(**kw: Any) -> Any:
        for keyword in spec.added:
            del kw[keyword]
        return trigger(spec.name, **kw)

    async def forward_async(**kw: Any) -> Any:
        return await forward(**kw)

    return forward_async if inspect.iscoroutinefunction(trigger) else forward
