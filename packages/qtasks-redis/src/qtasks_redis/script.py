"""Scripts that run on the server. What each does stands in its file in `lua/`."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Self

import attrs

_FOLDER = Path(__file__).parent / "lua"


@attrs.frozen
class Script:
    """A script in Lua, called by its digest.

    Args:
        name: for error messages.
        text: what the server is given when it does not know the digest.
    """

    name: str
    text: str = attrs.field(repr=False)
    sha1: str = attrs.field(init=False, eq=False)

    @sha1.default
    def _digest(self) -> str:
        return hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    @classmethod
    def load(cls, name: str) -> Self:
        """Read `lua/<name>.lua`, and the files that it includes; `base.lua` comes first unless it says where."""
        flags, _, body = _read(name).partition("\n")
        before = "" if "-- include base\n" in body else "-- include base\n"
        return cls(name, f"{flags}\n{_INCLUDE.sub(lambda line: _read(line[1]), before + body)}")


_INCLUDE = re.compile(r"^-- include (\w+)\n", re.MULTILINE)


def _read(name: str) -> str:
    return (_FOLDER / f"{name}.lua").read_text(encoding="utf-8")
