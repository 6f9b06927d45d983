"""The programs use all of `names.toml`: every module and name, keyword, attribute, trigger and word."""

import ast
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROGRAMS = sorted(HERE.glob("programs/**/*.py"))
SURFACE = tomllib.loads((HERE / "names.toml").read_text(encoding="utf-8"))


def each(words: str) -> Iterator[str]:
    """The words of a text, those with an asterisk for both faces."""
    for word in words.split():
        yield from (word.replace("*", face) for face in (("Async", "Sync") if "*" in word else ("",)))


def callee(call: ast.Call) -> str:
    """What is called, without where it is had from."""
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


class Uses(ast.NodeVisitor):
    """What a program names.

    Attributes:
        names: of each module, those that are imported from it.
        keywords: of each callee, those that it is called with.
        attributes: those that are asked of anything, or defined in a class.
        words: those of all texts, the docstring included.
    """

    def __init__(self, programs: Iterable[Path]) -> None:
        self.names: set[tuple[str, str]] = set()
        self.keywords: set[tuple[str, str]] = set()
        self.attributes: set[str] = set()
        self.words: set[str] = set()
        for program in programs:
            self.visit(ast.parse(program.read_text(encoding="utf-8")))

    def visit_ImportFrom(self, node):
        self.names |= {(node.module or "", alias.name) for alias in node.names}

    def visit_Call(self, node):
        self.keywords |= {(callee(node), keyword.arg) for keyword in node.keywords if keyword.arg}
        self.generic_visit(node)

    def visit_Attribute(self, node):
        self.attributes.add(node.attr)
        self.generic_visit(node)

    def visit_FunctionDef(self, node):
        self.attributes.add(node.name)
        self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node):
        self.visit_FunctionDef(node)

    def visit_Constant(self, node):
        if isinstance(node.value, str):
            self.words |= set(node.value.split())


@pytest.fixture(scope="module")
def uses():
    return Uses(PROGRAMS)


@pytest.mark.parametrize("module", SURFACE["modules"])
def test_every_name_of_a_module_is_imported_by_a_program(uses, module):
    imported = {name for where, name in uses.names if where == module}
    imported |= uses.words if module == "qtasks.brokers" else set()  # some of which may not be installed
    assert set(each(SURFACE["modules"][module])) - imported == set()


@pytest.mark.parametrize("name", SURFACE["keywords"])
def test_every_keyword_of_a_call_is_used_by_a_program(uses, name):
    used = {keyword for called, keyword in uses.keywords if called == name}
    assert set(each(SURFACE["keywords"][name])) - used == set()


@pytest.mark.parametrize("name", SURFACE["attributes"])
def test_every_attribute_of_an_object_is_used_by_a_program(uses, name):
    assert set(each(SURFACE["attributes"][name])) - uses.attributes == set()


@pytest.mark.parametrize("name", SURFACE["words"])
def test_every_word_is_used_by_a_program(uses, name):
    assert set(each(SURFACE["words"][name])) - uses.words - uses.attributes == set()


def test_every_trigger_is_expected_by_a_program(uses):
    assert set(SURFACE["triggers"]) - uses.words == set()


def test_a_name_that_no_program_uses_is_found(tmp_path):
    program = tmp_path / "program.py"
    program.write_text("from qtasks import QueueTasks\napp = QueueTasks(name='one')\napp.get('two')\n")
    uses = Uses([program])
    assert uses.names == {("qtasks", "QueueTasks")}
    assert uses.keywords == {("QueueTasks", "name")}
    assert uses.attributes == {"get"}
    assert uses.words == {"one", "two"}
