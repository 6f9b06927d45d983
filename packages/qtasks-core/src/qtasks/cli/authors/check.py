"""`qtasks plugins check`: what is wrong with a plugin, before somebody installs it.

A directory is looked at as if it were installed: its metadata is made beside it, and the command called again.
"""

from __future__ import annotations

import importlib.util
import inspect
import json as json_module
import os
import pkgutil
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import click

from qtasks.cli.doctor import Finding
from qtasks.errors import ConfigError, PluginError, QTasksError, did_you_mean, listed
from qtasks.hooks import HookRegistry, load_plugin
from qtasks.hooks.kinds import PROJECT
from qtasks.ports import Broker, GlobalConfig, Storage
from qtasks.runtime import drive
from qtasks.stats.render import as_json

SLOW_MS = 50
"""An import of an entry point that takes longer is one that every program waits for."""

HEAVY = frozenset({"asyncio", "click", "multiprocessing", "sqlite3", "ssl"})
"""Modules that an entry point should not bring; everything that is neither Python's nor ours is another."""

OURS = frozenset({"qtasks", "attr", "attrs", "msgspec", "pluggy"})

_IMPORT = """
import json, os, sys, time
import qtasks.hooks, qtasks.config, attrs, msgspec
before, begun = set(sys.modules), time.perf_counter()
try:
    __import__(sys.argv[1])
except SystemExit:
    sys.exit(1)
took_ms = (time.perf_counter() - begun) * 1000
print(json.dumps([took_ms, sorted({name.partition(".")[0] for name in set(sys.modules) - before})]), flush=True)
os._exit(0)  # nothing is said behind that
"""

_TARGETS: dict[str, tuple[str, str, Callable[[Any], bool]]] = {
    "register_brokers": ("broker", "a Broker", lambda found: issubclass(found, Broker)),
    "register_storages": ("storage", "a Storage", lambda found: issubclass(found, Storage)),
    "register_global_configs": ("global config", "a GlobalConfig", lambda found: issubclass(found, GlobalConfig)),
    "register_commands": ("command", "a click command", lambda found: isinstance(found, click.Command)),
    "register_stats": ("section", "an `async def`", inspect.iscoroutinefunction),
}
"""Hooks that register dotted paths: what is registered, and what has to be there."""


@click.command()
@click.argument("plugin", metavar="[NAME|DIRECTORY]", required=False)
@click.option("--url", help="Where its broker or storage may be tried: it writes below a namespace of its own.")
@click.option("--json", is_flag=True, help="Print JSON.")
def check(plugin: str | None, url: str | None, json: bool) -> None:
    """Check installed plugins, or one that is not: hooks, API number, imports; exit code 1 when there is a problem.

    It imports and runs what it checks, as all programs do that have it installed: check nothing that you do not trust.
    NAME is that of an entry point, as `plugins list` shows it; without one all are checked. DIRECTORY, written with a
    slash where a plugin has the same name, holds a pyproject.toml.
    """
    known = {entry.name: entry for entry in entry_points(group=PROJECT) if entry.name != "core"}
    if plugin is not None and plugin not in known:
        if Path(plugin, "pyproject.toml").is_file():
            click.get_current_context().exit(_as_installed(Path(plugin).absolute(), url, json=json))
        hint = did_you_mean(plugin, known) or f"Installed are: {listed(known)}. A directory needs a pyproject.toml."
        raise ConfigError(f"No plugin {plugin!r} is installed.", hint)
    findings = [one for name in sorted(known) if plugin in {None, name} for one in examine(known[name], url)]
    click.echo(as_json(findings) if json else "\n".join(map(str, findings)) or "No plugin is installed.")
    if any(finding.state == "problem" for finding in findings):
        click.get_current_context().exit(1)


def examine(entry: EntryPoint, url: str | None = None) -> Iterator[Finding]:
    """Look at one plugin; what a problem before keeps from being looked at is left out."""
    origin = f", of {entry.dist.name} {entry.dist.version}" if entry.dist else ""
    yield Finding("ok", "plugin", f"{entry.name}: {entry.value}{origin}")
    yield from _imports(entry)
    registry = HookRegistry()
    try:
        registry.add(load_plugin(entry), name=entry.name)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a plugin does when it is imported
        told = error if isinstance(error, QTasksError) else PluginError(f"{type(error).__name__}: {error}")
        yield Finding("problem", "hooks", told.message, told.hint)
        return
    [info] = registry.plugins()
    yield Finding("ok", "hooks", ", ".join(info.hooks))
    for hook in info.hooks:
        if hook in _TARGETS:
            yield from _targets(registry, hook)
    if {"register_brokers", "register_storages"} & {*info.hooks}:
        yield _conformance(entry.name, url)


def _imports(entry: EntryPoint) -> Iterator[Finding]:
    """In a process of its own: what the import of the entry point brings, and how long it takes."""
    done = subprocess.run([sys.executable, "-c", _IMPORT, entry.module], capture_output=True, text=True, check=False)  # noqa: S603 - Python
    if done.returncode:
        return  # loading it says why
    took_ms, names = json_module.loads(done.stdout.splitlines()[-1])
    own = {*OURS, entry.module.partition(".")[0]}
    heavy = [name for name in names if name in HEAVY or (name not in sys.stdlib_module_names and name not in own)]
    mend = "Import it where it is used: every program with QTasks waits for this import."
    found = f"{took_ms:.0f} ms" + (f", with {', '.join(heavy)}" if heavy else "")
    slow = bool(heavy) or took_ms > SLOW_MS
    yield Finding("warning", "import", found, mend) if slow else Finding("ok", "import", found)


def _targets(registry: HookRegistry, hook: str) -> Iterator[Finding]:
    """What one hook registers: is it there, and is it what it has to be?"""
    registered: dict[Any, list[str]] = {}
    what, expected, fits = _TARGETS[hook]
    try:
        call = getattr(registry.dispatch, hook)
        drive(call(register=lambda name, target, **_: registered.setdefault(target, []).append(name)))
    except QTasksError as error:
        yield Finding("problem", what, error.message, error.hint)
    for target, names in registered.items():
        found = f"{', '.join(names)}: {target}"
        try:
            fine = fits(pkgutil.resolve_name(target) if isinstance(target, str) else target)
        except Exception as error:  # noqa: BLE001 - whatever is found there
            yield Finding("problem", what, f"{found}: {type(error).__name__}: {error}")
        else:
            yield Finding("ok" if fine else "problem", what, found, "" if fine else f"Let it be {expected}.")


def _conformance(name: str, url: str | None) -> Finding:
    """Try a few claims of the conformance suite, in a process of its own."""
    if importlib.util.find_spec("qtasks_testkit") is None:
        return Finding("warning", "conformance", "not tried", "pip install qtasks-testkit")
    if url is None:
        return Finding("warning", "conformance", "not tried", f"qtasks plugins check {name} --url {name}://...")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "qtasks_testkit.smoke"]
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        settings = {**os.environ, "QTASKS_SMOKE_URL": url}
        done = subprocess.run(command, cwd=directory, env=settings, capture_output=True, text=True, check=False)  # noqa: S603 - Python
    found = re.sub(r" in [\d.]+s.*|=+ ?", "", (done.stdout.strip() or done.stderr.strip()).splitlines()[-1])
    if done.returncode == 0 and "passed" in found:
        return Finding("ok", "conformance", found)
    return Finding(
        "problem", "conformance", found, "QTASKS_SMOKE_URL=... python -m pytest --pyargs qtasks_testkit.smoke"
    )


def _as_installed(project: Path, url: str | None, *, json: bool) -> int:
    """Check a directory with a distribution; returns the exit code.

    Raises:
        ConfigError: its pyproject.toml cannot be read, or names no plugin.
    """
    try:
        settings = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    except ValueError as error:
        raise ConfigError(f"{project / 'pyproject.toml'} cannot be read: {error}.") from error
    entries = settings.get("entry-points", {}).get(PROJECT, {})
    if not entries:
        raise ConfigError(
            f"{project / 'pyproject.toml'} names no plugin.",
            f'Write [project.entry-points.{PROJECT}] there, and below it name = "package.module".',
        )
    with tempfile.TemporaryDirectory() as directory:
        name, version = settings.get("name", project.name), settings.get("version", "0")
        metadata = Path(directory, f"{re.sub(r'[-_.]+', '_', name)}-{version}.dist-info")
        metadata.mkdir()
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        metadata.joinpath("METADATA").write_text(text, encoding="utf-8")
        lines = [f"[{PROJECT}]", *(f"{entry} = {value}" for entry, value in entries.items())]
        metadata.joinpath("entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
        before = os.environ.get("PYTHONPATH", "")
        path = os.pathsep.join(filter(None, [directory, str(project / "src"), str(project), before]))
        options = [*(["--url", url] if url else []), *(["--json"] if json else [])]
        program = "from qtasks.cli import main; main()"
        return max(
            subprocess.run(  # noqa: S603 - Python
                [sys.executable, "-c", program, "plugins", "check", entry, *options],
                cwd=directory,  # where no directory can be taken for the plugin of its name
                env={**os.environ, "PYTHONPATH": path},
                check=False,
            ).returncode
            for entry in entries
        )
