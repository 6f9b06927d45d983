"""Facts as text for people, aligned and without colours, and as JSON. Both have the same fields in the same order.

How a value is shown follows from its type and the unit at the end of its field's name.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from typing import Any

import attrs
import msgspec

from qtasks.types import US_PER_S

WIDEST_CELL = 60
"""Longer texts are cut in tables; JSON has them whole."""

_NUMBER = re.compile(r"-|\d.*")
_TIMES = frozenset({"created", "died", "due", "first", "last", "next", "started", "updated"})
_VALUES = frozenset({"args", "kwargs", "options", "result"})
_encode = msgspec.json.Encoder(enc_hook=lambda value: getattr(value, "__qualname__", None) or str(value)).encode
_UNITS = ((86_400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s"))


def plain(facts: Any) -> Any:
    """Facts as dicts and lists, the fields in the order in which they are declared."""
    if isinstance(facts, (list, tuple)):
        return [plain(one) for one in facts]
    return attrs.asdict(facts) if attrs.has(type(facts)) else facts


def as_json(facts: Any) -> str:
    """Facts as indented JSON."""
    return msgspec.json.format(_encode(plain(facts)), indent=2).decode()


def table(facts: Sequence[Any], columns: str | Sequence[str], empty: str) -> str:
    """A line for each of the facts, in aligned columns; those of numbers are flush right.

    Args:
        facts: objects or dicts.
        columns: the names of the fields to show; in a text they are separated by spaces.
        empty: what is said when there are no facts.
    """
    if not facts:
        return empty
    names = columns.split() if isinstance(columns, str) else columns
    rows = [[_cell(name, one[name]) for name in names] for one in plain(facts)]
    lines = [[_label(name).upper() for name in names], *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    flush = [{"-"} != set(column) and all(map(_NUMBER.fullmatch, column)) for column in zip(*rows, strict=True)]
    form = "  ".join(f"{{:{'>' if right else '<'}{width}}}" for width, right in zip(widths, flush, strict=True))
    return "\n".join(form.format(*line).rstrip() for line in lines)


def pairs(facts: Any, without: Sequence[str] = ()) -> str:
    """A line for each field that has a value.

    Args:
        facts: an object.
        without: fields that are left out.
    """
    fields = plain(facts).items()
    told = {_label(name): show(name, value) for name, value in fields if name not in without}
    width = max((len(label) for label, text in told.items() if text), default=0)
    return "\n".join(f"{label.ljust(width)}  {text}" for label, text in told.items() if text)


def anything(facts: dict[str, Any] | list[dict[str, Any]]) -> str:
    """Facts whose fields nobody knows beforehand: a dict as lines, a list of dicts as a table with all their fields."""
    if isinstance(facts, dict):
        return pairs(facts)
    columns = list(dict.fromkeys(name for one in facts for name in one))
    return table([dict.fromkeys(columns) | one for one in facts], columns, "Nothing.")


def _label(name: str) -> str:
    return name.removesuffix("_s").removesuffix("_bytes").replace("_per", "/s").replace("_", " ")


def _cell(name: str, value: Any) -> str:
    text = " ".join(show(name, value).split()) or "-"
    return text if len(text) <= WIDEST_CELL else text[: WIDEST_CELL - 3] + "..."


def show(name: str, value: Any) -> str:
    """One value of a field as text; empty where there is none."""
    if value is None or value in ("", [], {}, ()):
        return ""
    if name in _VALUES:
        return _encode(value).decode()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return _show_number(name, value)
    return printable(", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value))


def _show_number(name: str, value: float) -> str:
    if name in _TIMES:
        if not value:
            return ""
        moment = dt.datetime.fromtimestamp(value / US_PER_S, tz=dt.UTC)
        return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03} UTC"
    if name.endswith("_rate"):
        return f"{value:.1%}"
    if name.endswith("_bytes"):
        return f"{value / 2**20:.0f} MiB"
    if name.endswith("_s") and not name.endswith("_per_s"):
        return duration(value)
    return str(value) if isinstance(value, int) else f"{value:.1f}"


def duration(seconds: float) -> str:
    """A duration in the units that matter: 250 us, 12 ms, 1.5 s, 2m 5s, 3h 20m, 4d 1h."""
    for unit, name, smaller, smaller_name in _UNITS:
        if seconds >= unit:
            return f"{seconds // unit:.0f}{name} {seconds % unit // smaller:.0f}{smaller_name}"
    if seconds >= 1 or not seconds:
        return f"{seconds:.3g} s"
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.001 else f"{seconds * 1_000_000:.0f} us"


def printable(text: str) -> str:
    """A text without the control characters that could steer a terminal; lines stay."""
    return "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in text)
