"""The page tells a stranger how to test a broker: it works as it stands there."""

from pathlib import Path

import pytest
from code_blocks import run_page

README = Path(__file__).parents[1] / "README.md"

STRANGER = """
from qtasks.backends.memory.broker import MemoryBroker
from qtasks.backends.memory.storage import MemoryStorage


class MyBroker(MemoryBroker):
    '''A stranger's.'''


class MyStorage(MemoryStorage):
    '''A stranger's.'''
"""


@pytest.mark.timeout(120)
def test_readme_of_the_testkit_does_what_it_says():
    text = README.read_text(encoding="utf-8").replace("my://", "memory://")
    Path("my_broker.py").write_text(STRANGER)
    run_page(text, "README.md")
