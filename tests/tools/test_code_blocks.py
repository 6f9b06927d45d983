import re
from pathlib import Path

import pytest
from code_blocks import PageError, run_page


def page(*fences):
    """A page of (mark, language, body) fences."""
    return "\n".join(
        (f"Some words.\n\n<!-- test: {mark} -->\n" if mark else "") + f"```{language}\n{body}\n```\n"
        for mark, language, body in fences
    )


def test_blocks_run_in_order_and_share_a_directory_only():
    run_page(
        page(
            ("", "python", "# file: pkg/value.py\nVALUE = 3"),
            ("", "python", "from pkg.value import VALUE\nopen('out', 'w').write(str(VALUE))"),
            ("", "bash", "test $(cat out) = 3"),
            ("", "console", "$ cat out\n3\n$ echo one \\\n     two\none two"),
        ),
        "page.md",
    )


def test_plain_and_skipped_blocks_do_not_run():
    run_page(page(("", "text", "exit 1"), ("skip needs a network", "bash", "exit 1")), "page.md")


def test_a_block_in_a_list_runs_without_its_indentation():
    run_page("1. Do\n\n    ```python\n    if True:\n        print(1)\n    ```\n", "page.md")


@pytest.mark.parametrize("language", ["python", "bash"])
def test_a_block_that_fails_is_named_with_its_line_and_its_output(language):
    bad = {"python": "raise SystemExit('oh no')", "bash": "echo oh no; false\ntrue"}[language]
    with pytest.raises(PageError, match=r"page.md:5: exit code 1, expected 0\.\noh no"):
        run_page(page(("", "text", "-"), ("", language, bad)), "page.md")


def test_an_announced_exit_code_must_be_the_one():
    run_page(page(("exit 2", "bash", "exit 2")), "page.md")
    with pytest.raises(PageError, match="exit code 0, expected 2"):
        run_page(page(("exit 2", "bash", "true")), "page.md")


def test_shown_output_is_compared_but_for_ellipses():
    run_page(page(("", "console", "$ echo started at 12:01\nstarted at ...")), "page.md")
    with pytest.raises(PageError, match="but the command printed\nfour"):
        run_page(page(("", "console", "$ echo four\nfive")), "page.md")


def test_a_background_block_runs_until_the_page_ends():
    serve = """
import signal, sys
from pathlib import Path

signal.signal(signal.SIGTERM, lambda *_: sys.exit(Path("end").write_text("stopped")))
Path("up").write_text("up")
signal.pause()
"""
    wait = "cat up; test ! -e end"
    run_page(page(("", "bash", "mkfifo up"), ("background", "python", serve), ("", "bash", wait)), "page.md")
    assert Path("end").read_text() == "stopped"


def test_a_background_block_that_ends_early_is_an_error():
    die = "exec 3> life; echo bye"
    with pytest.raises(PageError, match=r"page.md:8: ended before its page did\.\nbye"):
        run_page(page(("", "bash", "mkfifo life"), ("background", "bash", die), ("", "bash", "cat life")), "page.md")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("```py\n1\n```\n", "'py' is neither run"),
        ("```\n1\n```\n", "'' is neither run"),
        ("```python\n1\n", "a fence is not closed"),
        ("~~~python\n1\n~~~\n", "a fence is not closed"),
        ("<!-- test: backgroud -->\n```bash\n1\n```\n", "unknown mark 'backgroud'"),
        ("<!-- test: skip -->\n```bash\n1\n```\n", "unknown mark 'skip'"),
        ("<!-- test: background -->\n\nwords\n\n```bash\ntrue\n```\n", "a mark does not stand right above"),
        ("```console\nls\n```\n", "a console block shows commands"),
    ],
)
def test_what_would_silently_not_run_is_refused(text, complaint):
    with pytest.raises(PageError, match=re.escape(complaint)):
        run_page(text, "page.md")
