"""Checks that every line of `tests/surface/manifest.toml` was proved by a passing test in the runs just made.

Usage: `python tools/surface.py REPORT...`, each the JUnit report of one whole run of pytest.
"""

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

_NOT_PASSED = ("failure", "error", "skipped")

_APART = {"tests/compat/": "compat"}
"""Tests that only a session of their own runs, and the name of its report."""

Key = tuple[str, str]
"""How a JUnit report names a test: dotted module and classes, then the function without its parameters."""


def key_of(node_id: str) -> Key:
    """Turn `tests/a/test_b.py::TestC::test_d[x]` into `("tests.a.test_b.TestC", "test_d[x]")`."""
    path, *names = node_id.split("::")
    module = path.removesuffix(".py").replace("/", ".")
    return ".".join([module, *names[:-1]]), names[-1]


def outcomes(report: Path) -> dict[Key, bool]:
    """Read which tests passed; a parametrised test stands there whole, too, and passed when all its cases did."""
    passed: dict[Key, bool] = {}
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - our own pytest wrote it
        holder, name = case.attrib["classname"], case.attrib["name"]
        good = all(case.find(tag) is None for tag in _NOT_PASSED)
        for key in {(holder, name), (holder, name.partition("[")[0])}:
            passed[key] = passed.get(key, True) and good
    return passed


def claims(manifest: Path) -> Iterator[tuple[str, str]]:
    """Yield each line of the product page, and each hook, module and so on, with the id of the test that proves it."""
    content = tomllib.loads(manifest.read_text(encoding="utf-8"))
    yield from ((line["says"], line["test"]) for line in content.pop("line"))
    for kind, tests in content.items():
        yield from ((f"{kind.removesuffix('s')} {name}", test) for name, test in tests.items())


def runs_of(test: str, runs: list[str]) -> list[str]:
    """Name the runs that have to prove a claim: that of its session, or all of those that run everything."""
    for folder, run in _APART.items():
        if test.startswith(folder):
            return [run]
    return [run for run in runs if run not in _APART.values()] or ["tests"]


def check(manifest: Path, reports: list[Path]) -> list[str]:
    """List what some run did not prove, a claim each; print the count of what all proved."""
    runs = {report.stem: outcomes(report) for report in reports}
    expected = list(claims(manifest))
    complaints = []
    for says, test in expected:
        key = key_of(test)
        asked = runs_of(test, list(runs))
        if missing := [name for name in asked if key not in runs.get(name, {})]:
            complaints.append(f"{says}\n    {test} was not run ({', '.join(missing)})")
        elif failed := [name for name in asked if not runs[name][key]]:
            complaints.append(f"{says}\n    {test} did not pass ({', '.join(failed)})")
    print(f"{len(expected) - len(complaints)} of {len(expected)} lines of the surface are proved ({', '.join(runs)})")
    return complaints


if __name__ == "__main__":
    given = [Path(name) for name in sys.argv[1:]]
    if not given:
        sys.exit("No reports of test runs. Run `nox -s tests` first.")
    complaints = check(Path(__file__).parent.parent / "tests/surface/manifest.toml", given)
    sys.exit("\n".join(complaints) or None)
