"""An environment of its own for each peer, made when it is first needed and kept as long as its pins stay the same."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from comparison.entrants import Entrant

VERSIONS = ("3.11", "3.12", "3.13", "3.14")

_LIST = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
_TOOLS = {"pip", "setuptools", "wheel"}


class UnavailableError(Exception):
    """A peer that cannot take part here, with the reason."""


def interpreter_for(entrant: Entrant, folder: Path) -> Path:
    """Return the interpreter of the peer's environment, which is made if need be.

    Args:
        entrant: who needs it.
        folder: where environments are kept.

    Raises:
        UnavailableError: no interpreter fits, or its packages cannot be installed.
    """
    if not entrant.dependencies:
        return Path(sys.executable)
    home = folder / entrant.module
    python, pins = home / "bin" / "python", home / "pins.json"
    wanted = json.dumps([entrant.python, entrant.dependencies])
    if not (pins.is_file() and pins.read_text() == wanted):
        shutil.rmtree(home, ignore_errors=True)
        _run(entrant, [_interpreter(entrant), "-m", "venv", str(home)])
        _run(entrant, [str(python), "-m", "pip", "install", "--quiet", *entrant.dependencies])
        pins.write_text(wanted)
    return python


def versions(python: Path) -> dict[str, str]:
    """Return what is installed beside an interpreter: names and versions."""
    output = subprocess.run([python, "-c", _LIST], capture_output=True, text=True, check=True).stdout
    installed = json.loads(output)
    return {name: installed[name] for name in sorted(installed, key=str.lower) if name not in _TOOLS}


def _interpreter(entrant: Entrant) -> str:
    """This one where it fits, else the newest on PATH that does."""
    lowest = tuple(map(int, re.findall(r"\d+", entrant.python)))
    if sys.version_info[:2] >= lowest:
        return sys.executable
    for version in reversed(VERSIONS):
        found = shutil.which(f"python{version}")
        fits = tuple(map(int, version.split("."))) >= lowest
        if found and fits and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
            return found
    raise UnavailableError(f"{entrant.name} needs Python {entrant.python}, and none is on PATH")


def _run(entrant: Entrant, command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise UnavailableError(f"the environment of {entrant.name} could not be made: {last}")
