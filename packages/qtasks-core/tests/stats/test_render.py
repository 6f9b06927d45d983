"""How facts look: tables for people, JSON for programs."""

import attrs
import pytest
from qtasks.stats.render import as_json, duration, pairs, table


@attrs.frozen
class Fact:
    name: str
    count: int = 0
    took_s: float = 0.0
    note: str = ""


def test_numbers_are_flush_right_and_names_flush_left():
    assert table([Fact("a", 7), Fact("longer", 123)], "name count", "") == (
        "NAME    COUNT\na           7\nlonger    123"
    )


def test_no_facts_are_said_in_words():
    assert table([], "name", "Nothing here.") == "Nothing here."


def test_a_missing_value_is_a_dash():
    assert table([Fact("a")], "name note", "").splitlines()[1] == "a     -"


def test_long_texts_are_cut_in_tables_and_whole_in_json():
    fact = Fact("a", note="x" * 100)
    assert "x" * 61 not in table([fact], "note", "")
    assert "x" * 100 in as_json([fact])


@pytest.mark.parametrize("text", ["\x1b[31mred", "two\nlines", "bell\a", "\u202eesrever"])
def test_what_a_task_says_cannot_steer_the_terminal(text):
    lines = table([Fact(text)], "name", "").splitlines()
    assert len(lines) == 2
    assert lines[1].isprintable()
    assert pairs(Fact(text)).replace("\n", "").isprintable()


def test_pairs_leave_out_what_has_no_value():
    assert pairs(Fact("a", 0, 1.5)) == "name   a\ncount  0\ntook   1.5 s"


def test_json_has_the_fields_in_their_order():
    assert as_json(Fact("a", 1, 0.5)) == '{\n  "name": "a",\n  "count": 1,\n  "took_s": 0.5,\n  "note": ""\n}'


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.00025, "250 us"),
        (0.012, "12 ms"),
        (1.5, "1.5 s"),
        (59.94, "59.9 s"),
        (125, "2m 5s"),
        (12_000, "3h 20m"),
        (349_200, "4d 1h"),
    ],
)
def test_a_duration_is_told_in_the_units_that_matter(seconds, text):
    assert duration(seconds) == text
