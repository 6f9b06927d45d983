"""The package as a whole: importing it is cheap, its reference is fresh, and the core calls hooks rightly."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import qtasks
from qtasks.hooks import SPECS, Kind

REPOSITORY = Path(__file__).resolve().parents[4]
SOURCES = sorted(Path(qtasks.__file__).parent.rglob("*.py"))


def test_importing_it_loads_neither_asyncio_nor_the_metadata_of_distributions():
    code = "import sys, qtasks.hooks; print({'asyncio', 'importlib.metadata', 'click'} & set(sys.modules))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output == "set()\n"


def test_the_reference_is_what_the_specifications_say():
    checked = subprocess.run(
        [sys.executable, REPOSITORY / "tools" / "hook_reference.py", "--check"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (checked.returncode, checked.stderr) == (0, "")


def wrong_calls(source):
    """List the calls of hooks that cannot give exactly the keywords of the hook."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SPECS:
            spec = SPECS[node.func.attr]
            given = {keyword.arg for keyword in node.keywords}
            if spec.kind is Kind.AROUND:
                given.update(spec.params[: len(node.args)])
            unpacked = None in given  # **fields: what is in there cannot be seen
            if given - {None, *spec.params} or (set(spec.params) - given and not unpacked):
                yield ast.unparse(node)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_the_core_gives_every_keyword_of_a_hook_by_name(path):
    assert list(wrong_calls(path.read_text(encoding="utf-8"))) == []


def test_a_wrong_call_of_a_hook_is_found():
    for right in (
        "h.worker_start(worker=self)",
        "h.task_executor_around(run, ctx)",
        "h.worker_add(worker=1, **fields)",
    ):
        assert list(wrong_calls(right)) == []
    for wrong in (
        "hooks.worker_start()",
        "hooks.worker_start(self)",
        "h.worker_start(worker=1, broker=2)",
        "h.worker_add(x=1, **y)",
    ):
        assert list(wrong_calls(wrong)) == [wrong]
