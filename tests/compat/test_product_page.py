"""The snippets of the product page as they are written, on every backend, with two worker processes."""

from pathlib import Path

import pytest

PROGRAMS = sorted(Path(__file__).with_name("product_page").glob("*.py"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_the_product_page_runs_as_written(program, run):
    run(program)
