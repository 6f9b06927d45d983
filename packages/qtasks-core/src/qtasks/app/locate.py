"""`-A module:attribute` to the application: dotted names only, no paths, no URLs."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from pathlib import Path

from qtasks.app.application import Application
from qtasks.errors import AppNotFoundError, did_you_mean
from qtasks.task import RegisteredTask

_SPEC = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?::([A-Za-z_]\w*))?", re.ASCII)


def load_app(spec: str) -> Application:
    """Import a module and return the application in it.

    The working directory goes on `sys.path`. What the module itself raises passes as it is, with its
    traceback.

    Args:
        spec: `package.module:attribute`; `:app` is assumed where the attribute is left out. The attribute
            is an application, or a function without arguments that makes one.

    Raises:
        AppNotFoundError: it is no such name, or there is no such module, attribute or application.
    """
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise AppNotFoundError(
            f"{spec!r} is not the place of an application.",
            "Write module:attribute, for example -A app:app for the name app in app.py; no paths, no URLs.",
        )
    module_name, attribute = match[1], match[2] or "app"
    directory = str(Path.cwd())
    if directory not in sys.path:
        sys.path.insert(0, directory)
    _require_module(module_name, directory)
    module = importlib.import_module(module_name)
    found = getattr(module, attribute, None)
    if found is None:
        raise AppNotFoundError(
            f"Module {module_name!r} has no attribute {attribute!r}.", _applications(module, attribute)
        )
    if not isinstance(found, Application | RegisteredTask) and callable(found):
        found = found()
    if not isinstance(found, Application):
        kind = "a task" if isinstance(found, RegisteredTask) else type(found).__name__
        raise AppNotFoundError(
            f"{module_name}:{attribute} is no application but {kind}.", _applications(module, attribute)
        )
    return found


def _require_module(name: str, directory: str) -> None:
    """Tell a module that is not there from one whose own imports fail."""
    known = ""
    for part in name.split("."):
        known = f"{known}.{part}" if known else part
        try:
            missing = importlib.util.find_spec(known) is None
        except ModuleNotFoundError as error:
            if error.name is None or not (known + ".").startswith(error.name + "."):
                raise
            missing = True
        if missing:
            raise AppNotFoundError(
                f"There is no module {known!r} in {directory} or on the Python path.",
                f"A module is meant, not its file: write -A {name.removesuffix('.py')}."
                if name.endswith(".py")
                else "Run the command in the directory of your module, or set PYTHONPATH.",
            )


def _applications(module: object, wanted: str) -> str:
    names = [name for name, value in vars(module).items() if isinstance(value, Application)]
    if not names:
        return "Make one there: app = QueueTasks()."
    return did_you_mean(wanted, names) or f"Applications there: {', '.join(names[:3])}."
