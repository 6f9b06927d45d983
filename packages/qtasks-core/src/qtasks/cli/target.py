"""Which application a command works on: the user's own by `-A`, or its backend by `-u`, without the user's code."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import attrs
import click

from qtasks.errors import AppNotFoundError, ConfigError

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
        """Where the application is: from `-A`, QTASKS_APP, or `app` under `[tool.qtasks]` in `./pyproject.toml`."""
        return self.app or os.environ.get("QTASKS_APP") or _from_pyproject(Path("pyproject.toml"))

    def load(self) -> Application:
        """Import the user's application.

        Raises:
            AppNotFoundError: none was given, or there is none.
        """
        from qtasks.app.locate import load_app

        if (spec := self.app_spec) is None:
            raise AppNotFoundError(
                "No application was given.",
                "Write qtasks -A module:attribute, or set QTASKS_APP, or app under [tool.qtasks] in pyproject.toml.",
            )
        return load_app(spec)

    def connect(self) -> Application:
        """The user's application where one is named, else one without tasks on the given URL.

        Raises:
            AppNotFoundError: there is none where it should be.
            BackendMissingError: nothing installed serves the URL.
        """
        if self.verbosity:
            from qtasks.app.logs import configure

            configure(level="info" if self.verbosity == 1 else "debug")
        if self.url is None and self.namespace is None and self.app_spec is not None:
            return self.load()
        if self.app is not None:
            raise click.UsageError("Give -A, or -u and --namespace: an application knows its URL and its name.")
        from qtasks.app.faces import QueueTasks

        return QueueTasks(self.namespace or "QueueTasks", broker_url=self.url)


def target_options(command: F) -> F:
    """Give a command, or the group of all, the options that make up a `Target`."""
    option = partial(click.option, expose_value=False, callback=_remember)
    for add in (
        option("-v", "--verbose", "verbosity", count=True, help="Log to stderr; -vv also shows tracebacks of errors."),
        option("--namespace", metavar="NAME", help="The application's name, with -u. Default: QueueTasks."),
        option("-u", "--url", help="The broker; no application is imported. Default: QTASKS_URL."),
        option("-A", "-app", "--app", metavar="MODULE:VAR", help="The application. Default: QTASKS_APP."),
    ):
        command = add(command)
    return command


def _remember(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
    target = ctx.ensure_object(Target)
    if value:  # an option may stand before the command or behind it
        setattr(target, parameter.name or "", value)


def _from_pyproject(path: Path) -> str | None:
    import tomllib

    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path.absolute()} is not TOML: {error}.") from error
    return cast("str | None", settings.get("tool", {}).get("qtasks", {}).get("app"))
