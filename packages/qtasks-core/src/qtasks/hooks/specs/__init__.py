"""Every hook that QTasks calls, declared once: the base class `Plugin`, and the same as a table, `SPECS`.

The declarations are in the files of this package, by component, each beside the TypedDicts that answers may be.
Nothing here calls a hook.
"""

from __future__ import annotations

from collections.abc import Mapping

from qtasks.hooks.kinds import HookSpec, spec_of
from qtasks.hooks.specs.app import QTasksHooks, RegistrationHooks, StarterHooks, StatsHooks
from qtasks.hooks.specs.backends import BrokerHooks, GlobalConfigHooks, StorageHooks
from qtasks.hooks.specs.worker import TaskExecutorHooks, WorkerHooks


class Plugin(
    QTasksHooks,
    BrokerHooks,
    StorageHooks,
    GlobalConfigHooks,
    WorkerHooks,
    TaskExecutorHooks,
    StarterHooks,
    StatsHooks,
    RegistrationHooks,
):
    """The base class of plugins: one method for each hook.

    Override those you need as `def` (runs inline and must not block) or `async def`, with those of the
    arguments that you need, and mark each with `@hookimpl`. What is not overridden costs nothing.

    The base is optional: any object or module with functions marked `@hookimpl` is a plugin.
    """


SPECS: Mapping[str, HookSpec] = {
    spec.name: spec
    for part in Plugin.__bases__
    for declared in vars(part).values()
    if (spec := spec_of(declared)) is not None
}
"""All hooks by name, in the order of their declaration."""
