"""Links that `mkdocs build --strict` does not look at: of the READMEs, and those that the first page should have."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
READMES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("packages/*/README.md"))]


def links(page):
    """Where the relative links of a page lead, without the place on it."""
    return set(re.findall(r"\]\((?!https?://)([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", READMES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_a_readme_leads_somewhere(page):
    assert [link for link in links(page) if not (page.parent / link).exists()] == []


def test_the_first_page_leads_to_every_page_but_single_decisions():
    pages = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")} - {"index.md"}
    assert {page for page in pages if not page.startswith("explanation/decisions/")} <= links(DOCS / "index.md")
