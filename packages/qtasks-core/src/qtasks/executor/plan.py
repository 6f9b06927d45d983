"""What is known about running a task before any delivery of it: worked out once per task and worker."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import attrs

from qtasks.annotations import ArgumentPlan, argument_plan
from qtasks.executor.executor import TaskExecutor
from qtasks.hooks import SPECS
from qtasks.registry import TaskDefinition
from qtasks.runtime import Runtime, drive

ON_LOOP_HOOKS = frozenset(
    {"worker_run_task_before", "worker_execute_before", "worker_task_error_retry"}
    | {hook for hook, spec in SPECS.items() if spec.component == "task_executor"}
)
"""Hooks that fire within a run. Where one of them is asynchronous, blocking tasks, too, are led by the loop."""


@attrs.frozen
class ArgMeta:
    """One parameter of a task's function, as `task_executor_args_replace` gets it in `args_info`.

    Args:
        name: the parameter's name.
        annotation: its annotation as written; None when there is none.
        default: its default; `inspect.Parameter.empty` when there is none.
        kind: as in `inspect.Parameter`.
        index: its position among the parameters that come over the wire.
    """

    name: str
    annotation: Any
    default: Any
    kind: Any
    index: int


@attrs.frozen(eq=False)
class Plan:
    """How deliveries of one task are run.

    Args:
        definition: the task.
        executor: the class that runs it.
        arguments: what is restored by annotation; None when nothing is.
        args_info: the parameters, for plugins.
        arounds: what plugins have registered to be led around its runs, the outermost first.
        on_loop: True when the event loop leads the run; False when a slot thread does it alone.
        keep_s: how long a success is kept, seconds; 0 keeps none.
    """

    definition: TaskDefinition
    executor: type[TaskExecutor]
    arguments: ArgumentPlan | None
    args_info: tuple[ArgMeta, ...]
    arounds: tuple[Callable[..., Awaitable[Any]], ...]
    on_loop: bool
    keep_s: float


def make_plan(definition: TaskDefinition, runtime: Runtime) -> Plan:
    """Work out the plan of a task.

    Raises:
        PluginError: a plugin failed in `register_arounds`.
    """
    options, hooks = definition.options, runtime.hooks.dispatch
    executor = options.executor or TaskExecutor
    skip = 1 if options.echo else 0
    on_loop = not definition.in_thread or executor.suspends or bool(hooks.async_hooks & ON_LOOP_HOOKS)
    ttl = runtime.config.result_ttl if options.result_ttl is None else options.result_ttl
    args_info = _args_info(definition.function, skip)
    arounds: list[Callable[..., Awaitable[Any]]] = []
    drive(hooks.register_arounds(register=arounds.append, task_func=definition, args_info=args_info))
    return Plan(
        definition,
        executor,
        argument_plan(definition.function, skip=skip),
        args_info,
        tuple(arounds),
        on_loop,
        ttl if options.result else 0,
    )


def _args_info(function: Any, skip: int) -> tuple[ArgMeta, ...]:
    parameters = list(inspect.signature(inspect.unwrap(function)).parameters.values())[skip:]
    return tuple(
        ArgMeta(p.name, None if p.annotation is p.empty else p.annotation, p.default, p.kind, index)
        for index, p in enumerate(parameters)
    )
