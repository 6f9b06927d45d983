"""Prints how large each area of the code is beside its budget, and fails when one is over it.

The budgets and the length of the longest file stand in `size.toml`; what counts as a line of code is decided here.
"""

import ast
import io
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_LAYOUT = {
    tokenize.COMMENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
    tokenize.INDENT,
    tokenize.NEWLINE,
    tokenize.NL,
}


def code_lines(source: str) -> int:
    """Count the lines that hold code: no blanks, no comments, no docstrings (those of attributes included)."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _LAYOUT:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def area_of(path: Path, areas: list[dict[str, Any]]) -> str | None:
    """Name the first area whose folder holds the file; None for tests, tools and the like."""
    return next((area["name"] for area in areas if any(path.is_relative_to(f) for f in area["folders"])), None)


def report(root: Path) -> Iterator[str]:
    """Print the table and yield what is wrong with it, a sentence each."""
    settings = tomllib.loads((root / "tools/size.toml").read_text(encoding="utf-8"))
    used = {area["name"]: 0 for area in settings["area"]}
    for path in sorted({path for pattern in settings["files"] for path in root.glob(pattern)}):
        source = path.read_text(encoding="utf-8")
        length, name = source.count("\n"), path.relative_to(root)
        if length > settings["longest_file"]:
            yield f"{name} has {length} lines, at most {settings['longest_file']} are allowed: split it by idea."
        if area := area_of(name, settings["area"]):
            used[area] += code_lines(source)
    print(f"{'area':<16}{'lines of code':>14}{'budget':>8}{'used':>7}")
    for area in settings["area"]:
        name, budget = area["name"], area["budget"]
        print(f"{name:<16}{used[name]:>14}{budget:>8}{used[name] / budget:>7.0%}")
        if used[name] > budget:
            yield f"{name} has {used[name]} lines of code, its budget is {budget}: make it smaller."


if __name__ == "__main__":
    complaints = list(report(Path(__file__).parent.parent))
    sys.exit("\n".join(complaints) or None)
