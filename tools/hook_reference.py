"""Writes `docs/reference/hooks.md` from the specifications of the hooks, or checks that it is what they say.

Usage: `python tools/hook_reference.py [--check]`, where `qtasks` can be imported.
"""

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

from qtasks.executor.plan import ArgMeta
from qtasks.hooks import PLUGIN_API_VERSION, SPECS, HookSpec, Kind, Plugin
from qtasks.message import Delivery, Envelope, ErrorInfo, Outcome, Record, TaskMessage
from qtasks.registry import TaskDefinition

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "hooks.md"

INTRODUCTION = f"""\
<!-- Written by tools/hook_reference.py from qtasks.hooks.specs: change it there. -->
# Hooks

A plugin implements hooks: it is an instance of a subclass of `qtasks.Plugin`, any other object, or a module, with
methods or functions marked `@hookimpl` that are called like the hooks. This one notes who asked for a task and how long
it ran:

```python
# file: audit.py
import logging
import time

from qtasks import Plugin, hookimpl

log = logging.getLogger(__name__)


class Audit(Plugin):
    \"""Notes who asked for a task, and how long it ran.\"""

    QTASKS_PLUGIN_API = {PLUGIN_API_VERSION}
    name = "audit"

    def __init__(self, user: str = "nobody") -> None:
        self.user = user

    @hookimpl
    def qtasks_add_task_before_broker(self, extra):  # those of the hook's keywords that are needed
        return {{"extra": {{**extra, "user": self.user}}}}

    @hookimpl
    async def task_executor_around(self, call_next, ctx):
        began = time.perf_counter()
        try:
            return await call_next()
        finally:
            log.info("%s ran for %.3f s", ctx.task_func.name, time.perf_counter() - began)

    @hookimpl
    def worker_execute_after(self, task_broker, model):
        if task_broker is not None:  # None for a delivery that was never run
            log.info("%s, added by %s: %s", task_broker.task, task_broker.headers.get("user"), model.status)
```

`app.add_plugin(plugin)` registers it for one application:

```python
# file: app.py
from audit import Audit
from qtasks import QueueTasks

app = QueueTasks()
app.add_plugin(Audit("ann"))


@app.task
def add(x: int, y: int) -> int:
    return x + y
```

```python
from app import add, app
from qtasks.testing import in_memory, running

with in_memory(app), running(app):
    task = add.add_task(2, 3, timeout=10)
assert task.result() == 5
assert task.message.headers == {{"user": "ann"}}
```

An installed distribution with an entry point in the group `qtasks` is found by every application. The entry point names
a module, an object, or a class that is made without arguments; what it names has
`QTASKS_PLUGIN_API = {PLUGIN_API_VERSION}`, as above:

```toml
# file: pyproject.toml
[project]
name = "qtasks-audit"
version = "1.0"
dependencies = ["qtasks-core"]

[project.entry-points.qtasks]
audit = "audit:Audit"
```

`qtasks plugins list` then shows it, or the reason why it is not loaded.

- An implementation takes those of the keywords that it needs, by name and without defaults.
- It is `def`, runs inline and must not block; or `async def`, with at most `hook_timeout` seconds (5) to answer.
- An `async def` has a price. Where one fires when tasks are added or read, a background event loop serves the blocking
  face; where one fires within a run, such as the `task_executor_around` above, the event loop leads blocking tasks,
  too.
- The plugin registered last is called first, the built-in one last; `@hookimpl(tryfirst=True)` and
  `@hookimpl(trylast=True)` move an implementation to the ends.
- `add_plugin(plugin, trigger_names=["worker_start", ...])` registers a plugin for these hooks only; `"-"` among them
  stands for all that end in `_start` or `_stop`. `component="worker"` registers it for those that begin with `worker_`
  or `task_executor_`.
- An object that marks nothing but has `trigger(name, **kwargs)`, plain or `async`, is a plugin of the old style: it is
  called for every hook but registration and `around`.
- What is misspelt, not marked, or asks for what is not there is refused when it is registered.
- An exception of QTasks itself, such as `TaskCancelError`, passes through hooks as it is; any other becomes a
  `PluginError` that names plugin and hook, except in `around`, where it is the error of the task.

## Kinds

"""

ANSWERS = """\
## What a `replace` hook may return

`None` keeps the value: a hook that only wants to look returns nothing. Anything else takes the place of the value, and
is what the next plugin is given.

- *A new* `x` in the column *answer* below: the answer is the value itself, of the type that [the keyword](#keywords)
  has. Such a hook cannot make `None` of a value.
- *Any of* several: the answer is a dict with the keys that are to change; the others stay. Its type, such as
  `Arguments`, is a `TypedDict` beside the hook: in `qtasks.hooks.specs.app`, `.backends` or `.worker`.
- Messages, deliveries and outcomes are frozen: `msgspec.structs.replace(model, priority=5)` makes a changed one. Lists
  and dicts that are given are not yours to change, either: return new ones.
- A dict with another key, or something else in the place of a message, a delivery, an outcome or a task definition, is
  a `PluginError`. It is raised by `add_task`, or is the error of that one task; a worker goes on.

A `model` is what there is of the task at that time: its message when it is added, its delivery before it is run, its
outcome afterwards. The tables say which.
"""

WORDS = {
    "qtasks": ("`QueueTasks`", "the application, in the face that it was made in"),
    "broker": ("`qtasks.ports.Broker`", "its broker. Its methods are coroutines, to be awaited in an `async def`"),
    "storage": ("`qtasks.ports.Storage`", "its storage, likewise"),
    "global_config": (
        "`qtasks.ports.GlobalConfig`",
        "its global config: `get`, `get_all`, `get_match`, `set`; calls of it in a hook fire no hook",
    ),
    "worker": (
        "`qtasks.worker.worker.Worker`",
        "the worker: `name`, `queues`, `concurrency` (slots), `stopping`; `runtime.app` is the application",
    ),
    "starter": ("`qtasks.app.starter.Starter`", "what runs the components of a worker process: `worker`, `stop()`"),
    "stats": ("`SyncStats`, `AsyncStats`", "the statistics object; its `app` is the application"),
    "task_executor": ("[`TaskExecutor`](tasks.md#executors)", "the executor of this one attempt"),
    "task_name": ("`str`", "the name of the task"),
    "uuid": ("`uuid.UUID`", "the id of the task"),
    "priority": ("`int`", "its priority; the lower number runs first"),
    "args": ("sequence", "the positional arguments of the call"),
    "kw": ("mapping", "the keyword arguments of the call; in `*_update` the fields about to be written"),
    "extra": ("mapping", "the headers of the call"),
    "created_at": ("`datetime`", "when it was added, in UTC"),
    "args_info": ("tuple of [`ArgMeta`](#argmeta)", "what is known of each parameter of the function"),
    "model": (
        "[`TaskMessage`](#taskmessage), [`Envelope`](#envelope), [`Delivery`](#delivery) or [`Outcome`](#outcome)",
        "the task as far as it has come: the table of the hook says which",
    ),
    "task": ("[`Task`](python.md#handles), `None`", "the task as `app.get()` returns it"),
    "task_func": (
        "[`TaskDefinition`](#taskdefinition)",
        "the registered task; None after an outcome without a run: a message that is malformed or unknown here",
    ),
    "task_broker": ("[`TaskMessage`](#taskmessage)", "the task as it was taken from the broker; None likewise"),
    "task_status": ("`TaskStatus`", "the status of the record that is about to be written"),
    "task_data": ("mapping", "the fields of the task as it was taken"),
    "trace": ("`str`", "the traceback, as text"),
    "e": ("`Exception`", "the exception"),
    "result": ("any", "the result of the function; in `storage_get` a [`Task`](python.md#handles)"),
    "results": ("list", "the values of the generator; in `storage_get_all` a [`Record`](#record) of each task"),
    "middlewares_before": ("tuple, `None`", "the middlewares that run before the function"),
    "middlewares_after": ("tuple, `None`", "the middlewares that run after the function"),
    "call_next": ("callable", "awaited without arguments, runs the rest of the chain and returns the result"),
    "ctx": (
        "[`TaskExecutor`](tasks.md#executors)",
        "the executor of this one attempt; the context that an `echo` task sees is its `ctx.ctx`",
    ),
    "name_": ("`str`", "the name under which the setting is kept"),
    "key": ("`str`", "the key of the setting"),
    "value": ("JSON", "the value of the setting"),
    "get": ("JSON", "what has been read"),
    "register": ("callable", "the function that takes the part"),
    "config": ("[`QueueConfig`](configuration.md)", "the settings of the application"),
}

OBJECTS = (TaskDefinition, TaskMessage, Envelope, Delivery, Outcome, ErrorInfo, Record, ArgMeta)
"""What hooks hand out; the fields of each are told by its docstring."""


def page() -> str:
    """Make the whole page."""
    parts = [part for base in Plugin.__bases__ for part in component(base)]
    return INTRODUCTION + "\n".join([*kinds(), ANSWERS, *parts, *words(), *objects()])


def kinds() -> Iterator[str]:
    """Yield the list of the kinds, which is the docstring of `Kind` after its first sentence."""
    yield from (inspect.getdoc(Kind) or "").splitlines()[2:]
    yield ""


def component(part: type) -> Iterator[str]:
    """Yield the section of the hooks that one base class of `Plugin` declares."""
    specs = [SPECS[name] for name in vars(part) if name in SPECS]
    title = "Registration" if specs[0].sync_only else f"`{specs[0].component}`"
    yield from (f"## {title}", "", inspect.getdoc(part) or "", "")
    yield from ("| hook | kind | keywords | answer | when |", "|---|---|---|---|---|")
    for spec in specs:
        keywords = ", ".join(f"`{param}`" for param in spec.params)
        yield f"| `{spec.name}` | {spec.kind} | {keywords} | {answer(spec)} | {' '.join(spec.doc.split())} |"
    yield ""


def answer(spec: HookSpec) -> str:
    """Say what an implementation returns."""
    if spec.kind is Kind.AROUND:
        return "the result"
    if not spec.returns:
        return "-"
    if spec.answer is None:
        return f"a new `{next(iter(spec.returns))}`"
    return f"`{spec.answer.__name__}`: any of " + ", ".join(f"`{key}`" for key in spec.returns)


def words() -> Iterator[str]:
    """Yield the table of the keywords."""
    used = {param for spec in SPECS.values() for param in spec.params}
    if used != set(WORDS):
        sys.exit(f"{__file__}: WORDS must explain exactly the keywords of the hooks; see {sorted(used ^ set(WORDS))}.")
    yield from ("## Keywords", "", "| keyword | type | what it is |", "|---|---|---|")
    for word, (kind, meaning) in WORDS.items():
        yield f"| `{word}` | {kind} | {meaning} |"
    yield ""


def objects() -> Iterator[str]:
    """Yield a section for each class of objects that hooks hand out, with a table of its fields."""
    yield from ("## Objects", "", "What is here may be relied on; other attributes of these objects may change.", "")
    for kind in OBJECTS:
        doc = inspect.getdoc(kind) or ""
        fields, meanings = get_type_hints(kind), dict(arguments(doc))
        yield from (f"### {kind.__name__}", "", f"`{kind.__module__}.{kind.__name__}`. {doc.splitlines()[0]}", "")
        if meanings:
            yield from ("| field | type | meaning |", "|---|---|---|")
            yield from (f"| `{field}` | {type_name(hint)} | {meanings[field]} |" for field, hint in fields.items())
        else:
            yield "Fields: " + ", ".join(f"`{field}` ({type_name(hint)})" for field, hint in fields.items()) + "."
        yield ""


def arguments(doc: str) -> Iterator[tuple[str, str]]:
    """Yield what a docstring of Google's kind says of each argument."""
    for match in re.finditer(r"^    (\w+): (.*(?:\n     +.*)*)", doc, re.MULTILINE):
        yield match[1], " ".join(match[2].split()).removesuffix(".")


def type_name(hint: Any) -> str:
    """A type as a reader writes it, fit for a table."""
    name = hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint)
    name = re.sub(r"\b(?:typing|qtasks)\.(?:\w+\.)*", "", name)
    name = re.sub(r"Optional\[(.*)\]", r"\1 | None", name)  # as some versions of Python show it
    return " or ".join(f"`{part}`" for part in name.split(" | "))


if __name__ == "__main__":
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page(), encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page():
        sys.exit(f"{PAGE} is not what the hooks say; run: python tools/hook_reference.py")
