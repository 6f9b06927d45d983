import size

SETTINGS = """
longest_file = 5
files = ["src/**/*.py"]

[[area]]
name = "leaf"
folders = ["src/leaf"]
budget = 1

[[area]]
name = "rest"
folders = ["src"]
budget = 3
"""


def complaints(root, files):
    (root / "tools").mkdir()
    (root / "tools/size.toml").write_text(SETTINGS)
    for name, source in files.items():
        path = root / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return list(size.report(root))


def test_blanks_comments_and_docstrings_are_not_code():
    source = '''"""Module."""

# a comment

LIMIT = 3
"""An attribute's docstring,

over three lines."""


def f(
    x,  # counted: there is code before the comment
):
    """Function."""
    return f"""{x}
    two lines of a value"""
'''
    assert size.code_lines(source) == 6


def test_a_file_counts_for_the_first_area_that_holds_it(tmp_path, capsys):
    assert complaints(tmp_path, {"leaf/a.py": "a = 1\n", "b.py": "b = 1\nc = 2\nd = 3\n"}) == []
    assert [line.split() for line in capsys.readouterr().out.splitlines()[1:]] == [
        ["leaf", "1", "1", "100%"],
        ["rest", "3", "3", "100%"],
    ]


def test_an_area_over_its_budget_is_named(tmp_path):
    assert complaints(tmp_path, {"leaf/a.py": "a = 1\nb = 2\n"}) == [
        "leaf has 2 lines of code, its budget is 1: make it smaller."
    ]


def test_a_file_that_is_too_long_is_named_however_little_code_it_has(tmp_path):
    assert complaints(tmp_path, {"a.py": "# one\n" * 6}) == [
        "src/a.py has 6 lines, at most 5 are allowed: split it by idea."
    ]
