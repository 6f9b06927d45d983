"""Where a database is and how it is to be opened: URLs, and the default place.

Nothing here opens a database.
"""

from __future__ import annotations

import contextlib
import difflib
import os
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import attrs

from qtasks.errors import BackendUnavailableError, ConfigError

DEFAULT_DIRECTORY = ".qtasks"
DEFAULT_FILE = "qtasks.db"
FORM = "sqlite:///relative/path.db, sqlite:////absolute/path.db, or sqlite:// for the default file"


def default_path() -> Path:
    """The file used without a URL: `.qtasks/qtasks.db` of the project.

    The project is the nearest directory, from the working directory up, that holds `.qtasks/` or
    `pyproject.toml`; without one it is the working directory.
    """
    here = Path.cwd()
    for directory in (here, *here.parents):
        if (directory / DEFAULT_DIRECTORY).is_dir() or (directory / "pyproject.toml").is_file():
            return directory / DEFAULT_DIRECTORY / DEFAULT_FILE
    return here / DEFAULT_DIRECTORY / DEFAULT_FILE


@attrs.frozen
class Location:
    """A database file and the options of its URL.

    Args:
        path: the absolute path of the file.
        is_default: True in the default place, whose directory is made when it is missing.
        durability: `normal` survives the death of every process; `full` also a power cut, at the price
            of one fsync per commit.
        mode: `rw`, or `ro` to read only.
        max_pages: how many pages of 4,096 bytes the file may have; None for no limit.
    """

    path: str
    is_default: bool = False
    durability: str = attrs.field(default="normal", validator=attrs.validators.in_(("normal", "full")))
    mode: str = attrs.field(default="rw", validator=attrs.validators.in_(("rw", "ro")))
    max_pages: int | None = attrs.field(
        default=None, converter=attrs.converters.optional(int), validator=attrs.validators.optional(attrs.validators.ge(1))
    )

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Read a URL: `sqlite:///path?durability=full&mode=ro&max_pages=1000`.

        Raises:
            ConfigError: the URL has a part, a parameter or a value that is not understood.
        """
        parts = urlsplit(url)
        if parts.scheme != "sqlite" or parts.netloc or parts.fragment:
            raise ConfigError(f"{url!r} is no URL of an SQLite database.", f"Write {FORM}.")
        name = unquote(parts.path[1:])
        if name == ":memory:":
            raise ConfigError("sqlite:///:memory: cannot be shared between processes.", "Use memory:// instead.")
        options: dict[str, Any] = dict(parse_qsl(parts.query, keep_blank_values=True))
        known = ("durability", "mode", "max_pages")
        for option in options:
            if option not in known:
                near = difflib.get_close_matches(option, known, n=1)
                hint = f"Did you mean {near[0]}?" if near else f"Known are {', '.join(known)}."
                raise ConfigError(f"{url!r} has the unknown parameter {option!r}.", hint)
        path = Path(name).absolute() if name else default_path()
        try:
            return cls(str(path), is_default=not name, **options)
        except ValueError as error:
            raise ConfigError(
                f"{url!r} has a parameter whose value cannot be used: {error.args[0]}.",
                "durability is normal or full, mode is rw or ro, max_pages is a positive integer.",
            ) from error

    @property
    def url(self) -> str:
        """The same as a URL with an absolute path."""
        options = {"durability": "normal", "mode": "rw", "max_pages": None}
        changed = [f"{key}={value}" for key, default in options.items() if (value := getattr(self, key)) != default]
        return f"sqlite:///{quote(self.path)}" + ("?" + "&".join(changed) if changed else "")

    @property
    def bells(self) -> str:
        """The directory of the doorbells of everybody who has the file open."""
        return self.path + ".bells"

    def create(self) -> None:
        """Make the file, readable by its owner only, where there is none; SQLite fills it.

        Raises:
            BackendUnavailableError: it cannot be made.
        """
        try:
            if self.is_default:
                self._create_directory()
            # O_EXCL: closing a file that SQLite has open would drop the locks of the whole process.
            with contextlib.suppress(FileExistsError):
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except OSError as error:
            raise BackendUnavailableError(
                f"The database {self.path} cannot be created: {error.strerror}.",
                f"Check that the directory {os.path.dirname(self.path)} exists and may be written to.",  # noqa: PTH120 - a str
            ) from error

    def _create_directory(self) -> None:
        directory = Path(self.path).parent
        if not directory.is_dir():
            directory.mkdir(mode=0o700, exist_ok=True)
            (directory / ".gitignore").write_text("*\n")
