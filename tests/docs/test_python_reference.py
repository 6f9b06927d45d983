"""The reference of the Python API names every option, argument, attribute and error that there is, and no other."""

import inspect
import re
from pathlib import Path

import attrs
import pytest
import qtasks.asyncio
from qtasks import errors, testing
from qtasks.executor.context import AsyncContext, SyncContext, TaskContext
from qtasks.executor.executor import TaskExecutor
from qtasks.options import CallOptions, TaskOptions
from qtasks.ports import CancelAnswer
from qtasks.stats import InspectStats

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"

INSIDE = {"include_in", "of", "read", "read_many", "run", "wait"}
"""What the parts of QTasks have for each other, and nobody else needs."""


def fields(kind):
    return {field.name for field in attrs.fields(kind)} - {"extra"}


def public(*kinds):
    return {name for kind in kinds for name in dir(kind) if not name.startswith("_")} - INSIDE


def parameters(function):
    return set(inspect.signature(function).parameters) - {"self"}


def given(kind):
    """The attributes of instances that the docstring of a class tells of."""
    told = inspect.getdoc(kind).partition("Attributes:")[2]
    return set(re.findall(r"^    (\w+): ", told, re.MULTILINE)) - INSIDE


def section(page, heading):
    """What stands under a heading, up to the next one, without the code."""
    text = re.sub(r"^```.*?^```$", "", (REFERENCE / page).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    [found] = re.findall(rf"^#+ {heading}\n(.*?)(?=^#+ |\Z)", text, re.MULTILINE | re.DOTALL)
    return found


def named(text):
    """The names in the first cells of the tables of a text."""
    cells = re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(?:await )?([\w.]+)[^`]*`", cell)}


@pytest.mark.parametrize(
    ("page", "heading", "names"),
    [
        (
            "python.md",
            "Names",
            {*qtasks.__all__, *(f"qtasks.{name}" for name in ("asyncio", "errors", "stats", "testing", "ports"))},
        ),
        (
            "python.md",
            "The application",
            public(qtasks.QueueTasks, qtasks.asyncio.QueueTasks)
            | parameters(qtasks.QueueTasks)
            | {"routers", "tasks", "version"},
        ),
        ("python.md", "Options of a call", fields(CallOptions)),
        ("python.md", "Handles", public(qtasks.Task)),
        ("python.md", "Statuses", {status.value for status in qtasks.TaskStatus}),
        ("python.md", "Cancelling", {answer.value for answer in CancelAnswer}),
        ("python.md", "Statistics", public(InspectStats)),
        ("python.md", "Testing", set(testing.__all__)),
        ("tasks.md", "Options", fields(TaskOptions)),
        ("tasks.md", "The context", public(SyncContext, AsyncContext) | given(TaskContext)),
        ("tasks.md", "Executors", public(TaskExecutor) | given(TaskExecutor) | {"runtime"}),
        ("tasks.md", "Shared tasks", parameters(qtasks.shared_task) - {"name", "options"}),
    ],
)
def test_the_reference_names_what_there_is_and_nothing_else(page, heading, names):
    assert named(section(page, heading)) == names


def test_the_reference_tells_of_every_error_what_it_is_also():
    text = (REFERENCE / "errors.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*)\|", text, re.MULTILINE)
    told = {name: set(re.findall(r"\w+", also)) for name, also in rows}
    kinds = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, errors.QTasksError)]
    bases = {kind.__name__: {base.__name__ for base in kind.__bases__} for kind in kinds}
    assert told == {name: also - {"QTasksError", "Exception"} for name, also in bases.items()}
