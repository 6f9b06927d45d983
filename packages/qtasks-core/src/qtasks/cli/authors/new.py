"""`qtasks plugins new`: the beginning of a distribution, which builds and passes its tests as it is."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from pathlib import Path

import attrs
import click

from qtasks.errors import ConfigError, did_you_mean

TEMPLATES = Path(__file__).with_name("templates")
KINDS = ("plugin", "broker", "storage")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
"""What a distribution may be called: https://packaging.python.org/en/latest/specifications/name-normalization/."""


@attrs.frozen
class Names:
    """What a new distribution is called, wherever the template says `sample`.

    Args:
        distribution: for pip, `qtasks-nats`.
        module: for imports, `qtasks_nats`.
        word: of the entry point, the scheme and the command, `nats`.
        classes: before `Broker` and `Storage`, `Nats`.
    """

    distribution: str
    module: str
    word: str
    classes: str

    @classmethod
    def of(cls, name: str) -> Names:
        """Make them all of one name.

        Raises:
            ConfigError: it cannot be the name of a distribution, or of its module; or it is taken here.
        """
        word = re.sub(r"[-_.]+", "-", name).lower().removeprefix("qtasks-")
        module = re.sub(r"[-_.]+", "_", name).lower()
        if not _NAME.fullmatch(name):
            hint = "Letters, digits, '-', '_' and '.' make a name, with a letter or a digit at both ends."
            raise ConfigError(f"{name!r} is no name of a distribution.", hint)
        if not module.isidentifier() or keyword.iskeyword(module) or not re.match("[a-z]", word):
            raise ConfigError(f"No module can be called {module!r}.", "Begin with a letter, as in qtasks-nats.")
        if module in sys.stdlib_module_names or importlib.util.find_spec(module) is not None:
            raise ConfigError(f"There is a module {module!r} already.", "Take another name.")
        return cls(name, module, word, "".join(part.capitalize() for part in word.split("-")))

    def put_into(self, text: str, kind: str) -> str:
        """Give a template these names."""
        words = {
            "qtasks-sample": self.distribution,
            "qtasks_sample": self.module,
            "Sample": self.classes,
            "sample": self.word,
            "KIND": kind,
        }
        return re.sub("|".join(words), lambda found: words[found[0]], text)


@click.command()
@click.argument("kind", metavar=f"[{'|'.join(KINDS)}]")
@click.argument("name")
@click.option("--path", type=click.Path(path_type=Path), help="Where. Default: a new directory NAME.")
@click.pass_context
def new(ctx: click.Context, kind: str, name: str, path: Path | None) -> None:
    """Write a distribution to begin with: NAME is what pip will call it, such as qtasks-nats.

    It builds, its tests pass, and `qtasks plugins check` finds nothing. Nothing is overwritten.
    """
    if kind not in KINDS:
        raise click.UsageError(f"{kind!r} cannot be begun. {did_you_mean(kind, KINDS)}".rstrip())
    names, target = Names.of(name), path or Path(name)
    commands = ctx.find_root().command
    if isinstance(commands, click.Group) and kind == "plugin" and names.word in commands.list_commands(ctx):
        raise ConfigError(f"There is a command `qtasks {names.word}` already.", "Take another name.")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"{target} is there already, and nothing is overwritten.", "Say another --path.")
    try:
        for template in (*sorted(TEMPLATES.glob("common/**/*.txt")), *sorted(TEMPLATES.glob(f"{kind}/**/*.txt"))):
            relative = Path(*template.relative_to(TEMPLATES).parts[1:]).with_suffix("")
            file = target / names.put_into(str(relative), kind)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(names.put_into(template.read_text(encoding="utf-8"), kind), encoding="utf-8")
    except OSError as error:
        raise click.FileError(error.filename, error.strerror) from error
    click.echo(f"Wrote the {kind} {name} into {target}. To install it, check it and run its tests:\n")
    click.echo(f"cd {target}\npip install -e '.[test]'\nqtasks plugins check {names.word}\npytest")
