"""How a command is found by its name, and how an error of ours ends it."""

from __future__ import annotations

import pkgutil
import traceback
from typing import Any

import click

from qtasks import errors
from qtasks.cli.target import Target

FAILED, USAGE, UNHEALTHY, NOT_FOUND = 1, 2, 3, 4
"""Exit codes."""

_WRONG_USAGE = (errors.AppNotFoundError, errors.BackendMissingError, errors.ConfigError)


_OF_OURS = {"grpc": "grpc", "metrics": "prometheus", "schedule": "schedules"}
"""Commands that our plugins bring, and with which extra."""


class Commands(click.Group):
    """A group whose commands are imported when they are called; those of plugins stand beside ours.

    Args:
        lazy: name -> dotted path of the command, and its line in the help.
        settings: as for `click.Group`.
    """

    def __init__(self, *, lazy: dict[str, tuple[str, str]], **settings: Any) -> None:
        super().__init__(**settings)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Ours and those of plugins, by name."""
        return sorted({**_of_plugins(), **self._lazy})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """Import a command; one that is not there ends the program."""
        if cmd_name == "web":
            ctx.fail("web is not part of this version. The command `stats inspect` shows the same facts.")
        known = self._lazy if cmd_name in self._lazy else {**_of_plugins(), **self._lazy}
        if cmd_name not in known:
            extra = _OF_OURS.get(cmd_name)
            mend = f'pip install "qtasks-plugins[{extra}]"' if extra else errors.did_you_mean(cmd_name, known)
            ctx.fail(f"No such command {cmd_name!r}. {mend}".rstrip())
        command: click.Command = pkgutil.resolve_name(known[cmd_name][0])
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - likewise
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted((name, line) for name, (_, line) in {**_of_plugins(), **self._lazy}.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error of ours becomes its cause and the line that mends it."""
        try:
            return super().invoke(ctx)
        except errors.QTasksError as error:
            if ctx.ensure_object(Target).verbosity > 1:
                traceback.print_exception(error)
            click.echo(f"Error: {error}", err=True)
            code = USAGE if isinstance(error, _WRONG_USAGE) else FAILED
            ctx.exit(NOT_FOUND if isinstance(error, errors.TaskNotRegisteredError) else code)


def _of_plugins() -> dict[str, tuple[str, str]]:
    """The commands that installed plugins bring: name -> dotted path, and a line for the help.

    Raises:
        ClickException: a plugin fails; the help is written where nobody hears of errors of ours.
    """
    from qtasks.hooks import HookRegistry, discover
    from qtasks.runtime import drive

    commands: dict[str, tuple[str, str]] = {}

    def register(name: str, target: str, *, help: str = "") -> None:  # noqa: A002 - the name in the hook's contract
        commands[name] = (target, help)

    registry = HookRegistry()
    try:
        discover(registry)
        drive(registry.dispatch.register_commands(register=register))
    except errors.QTasksError as error:
        raise click.ClickException(str(error)) from error
    return commands
