"""Where a database is and how it is to be opened: URLs, and the default place.

Nothing here opens a database.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Self
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import attrs

from qtasks.errors import BackendUnavailableError, ConfigError, did_you_mean

DIRECTORY = ".qtasks"
"""Of the default place; it is made when it is missing, unlike others, and hidden from git."""

_OPTIONS = {"durability": "normal|full", "mode": "rw|ro", "max_pages": "[1-9][0-9]*"}
"""The parameters of URLs, and the values that each may have."""


def default_path() -> Path:
    """The file used without a URL: `.qtasks/qtasks.db` of the project.

    The project is the nearest directory, from the working directory up, that holds `.qtasks/` or
    `pyproject.toml`; without one it is the working directory.
    """
    here = Path.cwd()
    for directory in (here, *here.parents):
        if (directory / DIRECTORY).is_dir() or (directory / "pyproject.toml").is_file():
            return directory / DIRECTORY / "qtasks.db"
    return here / DIRECTORY / "qtasks.db"


@attrs.frozen
class Location:
    """A database file and the options of its URL.

    Args:
        url: the URL, with the absolute path.
        path: the absolute path of the file.
        durability: `normal` survives the death of every process; `full` also a power cut, at the price
            of one fsync per commit.
        mode: `rw`, or `ro` to read only.
        max_pages: how many pages of 4,096 bytes the file may have; 0 for no limit.
    """

    url: str
    path: str
    durability: str = "normal"
    mode: str = "rw"
    max_pages: int = attrs.field(default=0, converter=int)

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Read a URL: `sqlite:///path?durability=full&mode=ro&max_pages=1000`.

        Raises:
            ConfigError: the URL has a part, a parameter or a value that is not understood.
        """
        parts = urlsplit(url)
        name = unquote(parts.path[1:])
        slashed = not parts.path or url.startswith("sqlite:///")
        if parts.scheme != "sqlite" or not slashed or parts.netloc or parts.fragment or name == ":memory:":
            raise ConfigError(
                f"{url!r} names no SQLite file.",
                "Write sqlite:///relative/path.db, sqlite:////absolute/path.db, or sqlite:// for the default file.",
            )
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        for option, value in options.items():
            if option not in _OPTIONS:
                hint = did_you_mean(option, _OPTIONS) or f"Known are {', '.join(_OPTIONS)}."
                raise ConfigError(f"{url!r} has the unknown parameter {option!r}.", hint)
            if not re.fullmatch(_OPTIONS[option], value):
                hint = f"Write {option}={_OPTIONS[option]}."
                raise ConfigError(f"{url!r} has {value!r} for {option!r}, which cannot be used.", hint)
        path = str(Path(name).absolute() if name else default_path())
        whole = f"sqlite:///{quote(path)}" + f"?{parts.query}" * bool(options)
        return cls(whole, path, **options)

    @property
    def bells(self) -> str:
        """The directory with the doorbells of those who have the file open."""
        return self.path + ".bells"

    def find_inode(self) -> int:
        """Which file is at the path; 0 when there is none."""
        try:
            return os.stat(self.path).st_ino  # noqa: PTH116 - the path is a str
        except FileNotFoundError:
            return 0

    def create(self) -> None:
        """Make the file, readable by its owner only, where there is none; SQLite fills it.

        Raises:
            BackendUnavailableError: it cannot be made.
        """
        directory = Path(self.path).parent
        try:
            if directory.name == DIRECTORY and not directory.is_dir():
                directory.mkdir(mode=0o700, exist_ok=True)
                (directory / ".gitignore").write_text("*\n")
            # O_EXCL: closing a file that SQLite has open would drop the locks of the whole process.
            with contextlib.suppress(FileExistsError):
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except OSError as error:
            raise BackendUnavailableError(
                f"The database {self.path} cannot be created: {error.strerror}.",
                f"Make the directory {directory}, or make it writable.",
            ) from error
