"""The demonstration: an index of the standard library of the Python that runs this, by two worker processes.

`python examples/stdlib_index/run.py` starts the installed command `qtasks` in a fresh directory and has its workers
find and describe every source file. Every figure is compared with one that is computed here, without any queue; then
`qtasks stats` shows what has run. The exit code is 0 only when all figures are equal and the workers ended well.

The tasks are in a database of that directory, or where `--url redis://localhost:6379/0` says.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import tokenize
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

HERE = Path(__file__).resolve().parent
PROCESSES = 2
LIMIT_S = 120
STOP_LIMIT_S = 30
QTASKS = [str(Path(sysconfig.get_path("scripts"), "qtasks")), "-A", "app:app"]


class DemonstrationError(Exception):
    """Something is not as it should be."""


@contextlib.contextmanager
def fresh_project(url: str | None) -> Iterator[IO[str]]:
    """Go to a new project that holds `app.py`, and make the log of its workers; it is shown when something fails.

    Args:
        url: where its tasks wait; None for a database of its own.
    """
    with (
        tempfile.TemporaryDirectory(prefix="stdlib_index_") as directory,
        contextlib.chdir(directory),
        Path("workers.log").open("w+", encoding="utf-8") as log,
    ):
        Path("pyproject.toml").touch()  # what makes a directory a project: its database is made here
        os.environ["QTASKS_URL"] = url or "sqlite://"
        shutil.copy(HERE / "app.py", directory)
        try:
            yield log
        except Exception:
            log.seek(0)
            print(f"\nThe workers said:\n{log.read()}", file=sys.stderr)
            raise


@contextlib.asynccontextmanager
async def workers(log: IO[str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start the worker processes; whatever happens, none of them stays behind."""
    run = [*QTASKS, "run", "--processes", str(PROCESSES)]
    process = await asyncio.create_subprocess_exec(*run, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def while_running(process: asyncio.subprocess.Process, work: Coroutine[Any, Any, Any]) -> Any:
    """Await what needs the workers; give up when they have ended, or when it takes too long."""
    task, ended = asyncio.create_task(work), asyncio.create_task(process.wait())
    try:
        await asyncio.wait([task, ended], timeout=LIMIT_S, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise DemonstrationError(
            f"The workers ended with exit code {ended.result()}." if ended.done() else f"Not done within {LIMIT_S} s."
        )
    finally:
        task.cancel()
        ended.cancel()


async def stop(process: asyncio.subprocess.Process) -> None:
    """Stop the workers as a service manager does, and see that they end well."""
    process.terminate()
    try:
        code = await asyncio.wait_for(process.wait(), STOP_LIMIT_S)
    except TimeoutError:
        raise DemonstrationError(f"The workers did not end within {STOP_LIMIT_S} s after SIGTERM.") from None
    if code:
        raise DemonstrationError(f"The workers ended with exit code {code} after SIGTERM.")
    print("workers        stopped by SIGTERM, exit code 0")


def show_progress(done: int, total: int) -> None:
    """Draw a bar, or a number while the total is not known. Nothing where nobody looks."""
    if not sys.stderr.isatty():
        return
    filled = 40 * done // total if total else 0
    line = f"describing [{'#' * filled:.<40}] {done:,}/{total:,}" if total else f"searching {done:,}"
    print(f"\r\033[K{line}", end="\n" if done == total else "", file=sys.stderr, flush=True)


def inspect(*what: str) -> None:
    """Show what the command says about the tasks that have run."""
    print(f"\n$ qtasks -A app:app stats inspect {' '.join(what)}", flush=True)
    subprocess.run([*QTASKS, "stats", "inspect", *what], check=True)


async def demonstrate(limit: int | None, log: IO[str]) -> None:
    """Run everything once; needs to be in a fresh project."""
    import client  # now, because an application without a URL belongs to the directory where it is made

    before = counted_runs()  # a server may remember earlier demonstrations
    async with workers(log) as process:
        sizes = await while_running(process, client.find_sources(sysconfig.get_path("stdlib"), show_progress))
        wanted = dict(list(sizes.items())[:limit])
        began = time.perf_counter()
        tasks = await while_running(process, client.describe_all(wanted, show_progress))
        seconds = time.perf_counter() - began
        outcomes = dict(zip(wanted, map(client.outcome, tasks), strict=True))
        show_table(outcomes, seconds)
        await stop(process)
    inspect("tasks")
    inspect("queues")
    figures = check(sizes, outcomes) + check_counts(before, tasks)
    print(f"\nall {figures:,} figures checked")


def show_table(outcomes: dict[str, Any], seconds: float) -> None:
    """Print what was found, and how long that took."""
    found = [outcome for outcome in outcomes.values() if not isinstance(outcome, str)]
    names = Counter(name for facts in found for name, _ in facts.top_names)
    rows = [
        ("Python", sys.version.split()[0]),
        ("files", f"{len(outcomes):,}"),
        ("not readable", f"{len(outcomes) - len(found):,} (the library's tests need broken ones)"),
        ("lines", f"{sum(facts.lines for facts in found):,}"),
        ("bytes", f"{sum(facts.size for facts in found):,}"),
        ("time", f"{seconds:.2f} s, {PROCESSES} worker processes"),
        ("tasks/s", f"{len(outcomes) / seconds:,.0f}"),
        ("top names", ", ".join(f"{name} in {files:,}" for name, files in names.most_common(5)) + " files"),
    ]
    for title, value in rows:
        print(f"{title:<14} {value}")


def check(sizes: dict[str, int], outcomes: dict[str, Any]) -> int:
    """Compare every figure with one that is computed here, and tell how many there were."""
    from app import NOT_THE_LIBRARY, describe

    root = Path(sysconfig.get_path("stdlib"))
    present = [path for path in root.rglob("*.py") if not NOT_THE_LIBRARY & set(path.relative_to(root).parts)]
    expect("the files and their sizes", sizes, {str(path): path.stat().st_size for path in present})
    figures = len(sizes)
    for path, found in outcomes.items():
        try:
            expected: Any = describe(path)
        except (SyntaxError, UnicodeError, tokenize.TokenError) as error:
            expected = f"{type(error).__name__}: {error}"
        expect(path, found, expected)
        figures += 1 if isinstance(found, str) else len(dataclasses.astuple(found)) - 2 + len(found.top_names)
    return figures


def check_counts(before: Counter[str], tasks: Sequence[Any]) -> int:
    """Compare what the command says about runs with what was added, and tell how many figures these were."""
    counted = counted_runs() - before
    expect("the counted runs", counted, Counter(["survey", *(task.task_name for task in tasks)]))
    return len(counted)


def counted_runs() -> Counter[str]:
    """How often each task has run, by what the command says."""
    told = subprocess.run([*QTASKS, "stats", "inspect", "tasks", "--json"], check=True, stdout=subprocess.PIPE)
    return Counter({each["name"]: each["runs"] for each in json.loads(told.stdout)})


def expect(what: str, found: Any, expected: Any) -> None:
    """Refuse a difference."""
    if found != expected:
        raise DemonstrationError(f"{what}: found\n{found}\nbut expected\n{expected}")


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, metavar="FILES", help="describe only the first so many files")
    parser.add_argument("--url", help="where the tasks wait, such as redis://localhost:6379/0")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the workers are stopped, too
    try:
        with fresh_project(arguments.url) as log:
            asyncio.run(demonstrate(arguments.limit, log))
    except (DemonstrationError, subprocess.CalledProcessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
