"""Every code block that a reader is shown runs, page by page; what cannot run is known, and read at least."""

import re
import shlex
import tomllib
from pathlib import Path

import code_blocks
import pytest

ROOT = Path(__file__).parents[2]
TESTED_ELSEWHERE = {
    ROOT / "packages/qtasks-testkit/README.md",  # by its own tests, which bring the reader's backend
    ROOT / "docs/how-to/redis.md",  # by test_redis_page.py, which brings the server
    ROOT / "docs/tutorial/first-plugin.md",  # by tests/authors/test_pages.py, which installs what they write
    ROOT / "docs/how-to/write-a-broker.md",
}
ALL_PAGES = sorted({ROOT / "README.md", *ROOT.glob("packages/*/README.md"), *ROOT.glob("docs/**/*.md")})
PAGES = [path for path in ALL_PAGES if path not in TESTED_ELSEWHERE]

INSTALLS = re.compile(r"((\$ )?(pip install [^\n]*|python3 -m venv \.venv|\. \.venv/bin/activate)\n)+")

SKIPPED = {
    "nox -s demo": "CI runs it",
    "nox -s tests": "CI runs it",
    "qtasks -A app:app run": "in redis.md, for the file of the application before",
    "redis-cli --scan": "it removes everything",
    "grpc --listen": "it needs a certificate",
}
"""How the blocks read that are shown and not run, beside those that install our distributions."""


def projects():
    """Every distribution of ours with its extras."""
    files = [tomllib.loads(path.read_text(encoding="utf-8")) for path in ROOT.glob("packages/*/pyproject.toml")]
    return {file["project"]["name"]: set(file["project"].get("optional-dependencies", {})) for file in files}


def asked_for(text):
    """What the `pip install` lines of a text ask for: distributions of ours, each with its extras."""
    for line in re.findall(r"^(?:\$ )?(?:RUN )?pip install (.*)$|`pip install ([^`]*)`", text, re.MULTILINE):
        for word in shlex.split("".join(line)):
            if found := re.fullmatch(r"(qtasks[\w-]*)(?:\[([\w,-]+)\])?", word):
                yield found[1], set(filter(None, (found[2] or "").split(",")))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", [str(path.relative_to(ROOT)) for path in PAGES])
def test_the_code_blocks_of_a_page_do_what_it_says(name):
    code_blocks.run_page((ROOT / name).read_text(encoding="utf-8"), name)


def test_every_block_that_does_not_run_is_known():
    blocks = [block for path in ALL_PAGES for block in code_blocks.blocks_of(path.read_text(encoding="utf-8"), "")]
    shown = [block.body for block in blocks if block.mark.startswith("skip ")]
    others = [body for body in shown if not INSTALLS.fullmatch(body)]
    assert [body for body in others if not any(text in body for text in SKIPPED)] == []
    assert [text for text in SKIPPED if not any(text in body for body in others)] == []


@pytest.mark.parametrize("name", [str(path.relative_to(ROOT)) for path in ALL_PAGES])
def test_every_line_that_installs_something_of_ours_names_what_there_is(name):
    there_is = projects()
    for distribution, extras in asked_for((ROOT / name).read_text(encoding="utf-8")):
        assert distribution in there_is
        assert extras <= there_is[distribution]


def test_lines_that_install_are_found_wherever_they_stand():
    text = '$ pip install "qtasks-core[redis,plugins]"\nRUN pip install qtasks-core -r x\n`pip install qtasks-redis`'
    found = [("qtasks-core", {"redis", "plugins"}), ("qtasks-core", set()), ("qtasks-redis", set())]
    assert list(asked_for(text)) == found
