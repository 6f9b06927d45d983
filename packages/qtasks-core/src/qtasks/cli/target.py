"""Which application a command works on: the user's own by `-A`, or its backend by `-u`, without the user's code."""

from __future__ import annotations

import os
import re
import shlex
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import attrs
import click

from qtasks.errors import AppNotFoundError, ConfigError, QTasksError

if TYPE_CHECKING:
    from qtasks.app.application import Application

F = TypeVar("F", bound=Callable[..., Any])


@attrs.define
class Target:
    """What the command line says about the application; the object of the click context.

    Args:
        app: `module:attribute`, as `-A` gives it.
        url: of the broker, as `-u` gives it.
        namespace: the application's name, as `--namespace` gives it.
        verbosity: how often `-v` was given.
    """

    app: str | None = None
    url: str | None = None
    namespace: str | None = None
    verbosity: int = 0

    @property
    def app_spec(self) -> str | None:
        """Where the application is: from `-A`, QTASKS_APP, or `app` under `[tool.qtasks]` in `./pyproject.toml`.

        None where there is none, and where `-u` or `--namespace` say that none is to be imported.
        """
        elsewhere = self.url is not None or self.namespace is not None
        if self.app is not None and elsewhere:
            raise click.UsageError("Give -A, or -u and --namespace: an application knows its URL and its name.")
        if self.app is not None or elsewhere:
            return self.app
        return os.environ.get("QTASKS_APP") or _from_pyproject(Path("pyproject.toml"))

    def command(self, words: str) -> str:
        """A command on the same application, to be pasted as it is; only a password in the URL is left out."""
        url = self.url and re.sub(r"^(\w+://)[^/]*@", r"\1***@", self.url)
        said = {"-A": self.app, "-u": url, "--namespace": self.namespace}
        return " ".join(["qtasks", *(f"{name} {shlex.quote(value)}" for name, value in said.items() if value), words])

    def load(self) -> Application:
        """Import the user's application.

        What its module raises ends the program, with the traceback from the user's own code on.

        Raises:
            AppNotFoundError: none was given, or there is none.
        """
        from qtasks.app.locate import load_app

        if (spec := self.app_spec) is None:
            raise AppNotFoundError(
                "No application was given.",
                "Write qtasks -A module:attribute, or set QTASKS_APP, or app under [tool.qtasks] in pyproject.toml.",
            )
        try:
            return load_app(spec)
        except QTasksError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a module does when it is imported
            begin, ours = error.__traceback__, {"qtasks", "importlib"}
            while begin is not None and begin.tb_frame.f_globals.get("__name__", "").partition(".")[0] in ours:
                begin = begin.tb_next
            traceback.print_exception(error.with_traceback(begin))
            click.get_current_context().exit(1)

    def connect(self) -> Application:
        """The user's application where one is named, else one without tasks on the given URL.

        Raises:
            AppNotFoundError: there is none where it should be.
            BackendMissingError: nothing installed serves the URL.
        """
        if self.verbosity:
            from qtasks.app.logs import configure

            configure(level="info" if self.verbosity == 1 else "debug")
        if self.app_spec is not None:
            return self.load()
        from qtasks.app.faces import QueueTasks

        return QueueTasks(self.namespace or "QueueTasks", broker_url=self.url)


def _remember(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
    target = ctx.ensure_object(Target)
    if value not in {None, 0}:  # an option may stand before the command or behind it
        setattr(target, parameter.name or "", value)


_option = partial(click.option, expose_value=False, callback=_remember)

app_option = _option("-A", "-app", "--app", metavar="MODULE:VAR", help="The application. Default: QTASKS_APP.")
"""The option of a command that needs the user's application."""


def target_options(command: F) -> F:
    """Give a command, or the group of all, the options that make up a `Target`."""
    for add in (
        _option("-v", "--verbose", "verbosity", count=True, help="Log to stderr; -vv also shows tracebacks of errors."),
        _option("--namespace", metavar="NAME", help="The application's name, with -u. Default: QueueTasks."),
        _option("-u", "--url", help="The broker; no application is imported. Default: QTASKS_URL."),
        app_option,
    ):
        command = add(command)
    return command


def _from_pyproject(path: Path) -> str | None:
    import tomllib

    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return cast("str | None", settings.get("tool", {}).get("qtasks", {}).get("app"))
    except (ValueError, AttributeError, OSError) as error:
        raise ConfigError(f"{path.absolute()} is not TOML with a table [tool.qtasks]: {error}.") from error
