"""What the repository promises to its contributors, where no tool of others checks it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FRAGMENTS = sorted(path for path in ROOT.glob("changelog.d/*.md") if path.name != "README.md")


def test_ci_runs_the_very_line_that_the_readme_gives_for_the_tests():
    lines = re.findall(r"^python3 -m venv .*$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert [line.split()[-1] for line in lines] == ["demo", "tests"]
    assert lines[1] in (ROOT / ".ci/run").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: path.name)
def test_a_changelog_fragment_is_one_sentence_of_a_known_kind(path):
    assert re.fullmatch(r"\d+(-[a-z0-9-]+)?\.(added|changed|fixed|removed)\.md", path.name)
    assert re.fullmatch(r"[A-Z`].*\.\n", path.read_text(encoding="utf-8")), (
        "one line, one sentence, a full stop at its end"
    )
