"""Scripts that run on the server. What each does stands in its file in `lua/`."""

from __future__ import annotations

import hashlib
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
        """Read `lua/<name>.lua`, behind `base.lua` and, where its second line says so, `moves.lua`."""
        flags, _, body = _read(name).partition("\n")
        moves = _read("moves") if body.startswith("-- include moves\n") else ""
        return cls(name, f"{flags}\n{_read('base')}{moves}{body}")


def _read(name: str) -> str:
    return (_FOLDER / f"{name}.lua").read_text(encoding="utf-8")
