"""Writes `docs/reference/hooks.md` from the specifications of the hooks, or checks that it is what they say.

Usage: `python tools/hook_reference.py [--check]`, where `qtasks` can be imported.
"""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

from qtasks.hooks import PLUGIN_API_VERSION, SPECS, HookSpec, Kind, Plugin

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "hooks.md"

INTRODUCTION = f"""\
<!-- Written by tools/hook_reference.py from qtasks.hooks.specs: change it there. -->
# Hooks

A plugin implements hooks: it is an instance of a subclass of `qtasks.Plugin`, any other object, or a module, with
methods or functions marked `@hookimpl` that are called like the hooks. `app.add_plugin(plugin)` registers it for one
application. An installed distribution with an entry point in the group `qtasks` is found by itself; what the entry
point names has `QTASKS_PLUGIN_API = {PLUGIN_API_VERSION}`.

- An implementation takes those of the keywords that it needs, by name and without defaults.
- It is `def`, runs inline and must not block; or `async def`, with at most `hook_timeout` seconds (5) to answer.
- The plugin registered last is called first, the built-in one last; `@hookimpl(tryfirst=True)` and
  `@hookimpl(trylast=True)` move an implementation to the ends.
- `trigger_names=["-"]` registers a plugin for the hooks that end in `_start` or `_stop` only; `component="worker"` for
  those that begin with `worker_` or `task_executor_`.
- An answer that replaces several values is a dict; its type, such as `Arguments`, is in `qtasks.hooks.specs`.
- What is misspelt, not marked, or asks for what is not there is refused when it is registered.
- An exception of QTasks itself, such as `TaskCancelError`, passes through hooks as it is; any other becomes a
  `PluginError` that names plugin and hook, except in `around`, where it is the error of the task.

## Kinds

"""

WORDS = {
    "qtasks": "the application",
    "broker": "its broker",
    "storage": "its storage",
    "global_config": "its global config",
    "worker": "the worker",
    "starter": "the starter, which runs the components of a worker process",
    "stats": "the statistics object",
    "task_executor": "the executor of this one attempt",
    "task_name": "the name of the task",
    "uuid": "the id of the task",
    "priority": "its priority; the lower number runs first",
    "args": "the positional arguments of the call",
    "kw": "the keyword arguments of the call; in `*_update` the fields about to be written",
    "extra": "the fields that are kept beside the arguments",
    "created_at": "when it was added, in UTC",
    "args_info": "what is known of each parameter: name, annotation, default",
    "model": "the task's message, record or outcome, as far as it has come",
    "task": "the task as `app.get()` returns it",
    "task_func": "the registered task",
    "task_broker": "the task as it was taken from the broker",
    "task_status": "the task's record as it is about to be written",
    "task_data": "the fields of the task as it was taken",
    "trace": "the traceback, as text",
    "e": "the exception",
    "result": "the result of the function; in `storage_get` the record",
    "results": "the values of the generator; in `storage_get_all` the records",
    "middlewares_before": "the middlewares that run before the function",
    "middlewares_after": "the middlewares that run after the function",
    "call_next": "awaited without arguments, runs the rest of the chain and returns the result",
    "ctx": "the context of this run",
    "name_": "the name under which the setting is kept",
    "key": "the key of the setting",
    "value": "the value of the setting",
    "get": "what has been read",
    "register": "the function that takes the part",
}


def page() -> str:
    """Make the whole page."""
    parts = [part for base in Plugin.__bases__ for part in component(base)]
    return INTRODUCTION + "\n".join([*kinds(), *parts, *words()])


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
    yield from ("## Keywords", "", "| keyword | what it is |", "|---|---|")
    for word, meaning in WORDS.items():
        yield f"| `{word}` | {meaning} |"
    yield ""


if __name__ == "__main__":
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page(), encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page():
        sys.exit(f"{PAGE} is not what the hooks say; run: python tools/hook_reference.py")
