"""The pages that write a distribution: their blocks run where it is installed."""

import os
from pathlib import Path

import code_blocks
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Do what `pip install -e` of a page does, ahead of time: its metadata, and a path to its sources."""

    def install(word):
        metadata = tmp_path / "site" / f"qtasks_{word}-0.1.0.dist-info"
        metadata.mkdir(parents=True)
        metadata.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: qtasks-{word}\nVersion: 0.1.0\n")
        sources = Path.cwd() / f"qtasks-{word}" / "src"
        entry = f"[qtasks]\n{word} = qtasks_{word}.plugin\n"
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "site"), str(sources)]))
        monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:cacheprovider -p no:randomly")
        return lambda: metadata.joinpath("entry_points.txt").write_text(entry)

    return install


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("page", "word"), [("docs/tutorial/first-plugin.md", "slow"), ("docs/how-to/write-a-broker.md", "acme")]
)
def test_the_blocks_of_a_page_run_where_its_distribution_is_installed(installed, page, word):
    before, install, after = (
        (ROOT / page).read_text(encoding="utf-8").partition(f"$ pip install -e ./qtasks-{word}\n```\n")
    )
    assert install
    make = installed(word)
    code_blocks.run_page(f"{before}{install}", page)
    make()
    code_blocks.run_page(after, page)
