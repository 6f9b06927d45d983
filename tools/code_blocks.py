"""Runs the code blocks of a page of documentation as a reader would.

The blocks run in order in the current directory, each in a process of its own. How a page marks what is special about a
block stands in CONTRIBUTING.md. Which pages there are is the business of `tests/docs/`.
"""

import contextlib
import doctest
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r"^(?: *<!-- test: (?P<mark>\S.*?) -->\n+)?"
    r"^(?P<indent> *)```(?P<language>[^\n`]*)\n(?P<body>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_MARK = re.compile(r"background|exit \d+|skip \S.*")
_FILE = re.compile(r"# file: (\S+)\n")
_COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)

_RUN = ("python", "bash", "console")
_PLAIN = ("ini", "json", "sql", "text", "toml", "yaml")

_BLOCK_LIMIT_S = 60
_STOP_LIMIT_S = 30
_LAST_LOOK_S = 0.5
_COMPARISON = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class PageError(Exception):
    """A page cannot be read, or a block of it does not do what the page says."""


@dataclass(frozen=True)
class Block:
    """One fence of a page: where it stands, its language and its text, and the mark above it, empty without one."""

    where: str
    language: str
    body: str
    mark: str


def blocks_of(page: str, name: str) -> list[Block]:
    """Find the fences of a page, and refuse what would silently not run: unknown languages and stray marks."""
    blocks = []
    for match in _BLOCK.finditer(page):
        line = page.count("\n", 0, match.start("language")) + 1
        where = f"{name}:{line}"
        language, mark = match["language"].strip(), match["mark"] or ""
        if language not in (*_RUN, *_PLAIN):
            raise PageError(f"{where}: {language!r} is neither run ({_RUN}) nor known as plain ({_PLAIN}).")
        if mark and not _MARK.fullmatch(mark):
            raise PageError(f"{where}: unknown mark {mark!r}; known are background, exit CODE and skip REASON.")
        body = re.sub(f"^{match['indent']}", "", match["body"], flags=re.MULTILINE)
        blocks.append(Block(where, language, body, mark))
    if len(re.findall(r"^ *(?:```|~~~)", page, re.MULTILINE)) != 2 * len(blocks):
        raise PageError(f"{name}: a fence is not closed at its own indentation.")
    if page.count("<!-- test:") != sum(bool(block.mark) for block in blocks):
        raise PageError(f"{name}: a mark does not stand right above a fence.")
    return blocks


def run_page(page: str, name: str) -> None:
    """Run what the page tells its reader to run.

    Args:
        page: the text of the page, in Markdown.
        name: how errors call it.

    Raises:
        PageError: a block ended with another exit code, or printed something else, than the page says.
    """
    with contextlib.ExitStack() as background:
        for block in blocks_of(page, name):
            if block.mark.startswith("skip "):
                continue
            if file := _FILE.match(block.body):
                path = Path(file[1])
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.body, encoding="utf-8")
            elif block.mark == "background":
                background.enter_context(_running(block))
            elif block.language in _RUN:
                _run(block)


def _steps(block: Block) -> list[tuple[list[str], str]]:
    """Split a block into commands, each with the output that the page shows for it."""
    bash = ["bash", "-euo", "pipefail", "-c"]
    if block.language == "python":
        return [([sys.executable, "-c", block.body], "")]
    if block.language == "bash":
        return [([*bash, block.body], "")]
    if steps := [([*bash, command], output) for command, output in _COMMAND.findall(block.body)]:
        return steps
    raise PageError(f"{block.where}: a console block shows commands, each after a '$ '.")


def _environment() -> dict[str, str]:
    """The reader's environment: our commands first on PATH, and plain, unbuffered output."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return os.environ | {"PATH": path, "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}


def _run(block: Block) -> None:
    expected = int(block.mark.removeprefix("exit ") or 0)
    for command, shown in _steps(block):
        done = subprocess.run(
            command,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_BLOCK_LIMIT_S,
            check=False,
        )
        if done.returncode != expected:
            raise PageError(f"{block.where}: exit code {done.returncode}, expected {expected}.\n{done.stdout}")
        if shown and not doctest.OutputChecker().check_output(shown, done.stdout, _COMPARISON):
            raise PageError(f"{block.where}: the page shows\n{shown}\nbut the command printed\n{done.stdout}")


@contextlib.contextmanager
def _running(block: Block) -> Iterator[None]:
    """Keep a block running until the page ends, then stop its whole group with SIGTERM."""
    [(command, _)] = _steps(block)
    log = Path(f"{block.where.replace('/', '_')}.log")
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_LAST_LOOK_S)  # one that is just dying is seen, too
            raise PageError(f"{block.where}: ended before its page did.\n{log.read_text(encoding='utf-8')}")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(_STOP_LIMIT_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
