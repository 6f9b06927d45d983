"""Every code block that a reader is shown runs, page by page."""

from pathlib import Path

import code_blocks
import pytest

ROOT = Path(__file__).parents[2]
TESTED_ELSEWHERE = {
    ROOT / "packages/qtasks-testkit/README.md",  # by its own tests, which bring the reader's backend
    ROOT / "docs/how-to/redis.md",  # by test_redis_page.py, which brings the server
}
PAGES = sorted({ROOT / "README.md", *ROOT.glob("packages/*/README.md"), *ROOT.glob("docs/**/*.md")} - TESTED_ELSEWHERE)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", [str(path.relative_to(ROOT)) for path in PAGES])
def test_the_code_blocks_of_a_page_do_what_it_says(name):
    code_blocks.run_page((ROOT / name).read_text(encoding="utf-8"), name)
