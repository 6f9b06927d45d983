import pytest
import surface

MANIFEST = """
[[line]]
says = "app = QueueTasks()"
test = "tests/test_a.py::TestApp::test_default"

[hooks]
worker_start = "tests/test_a.py::test_hook_fires[worker_start]"
"""

REPORT = """<testsuites><testsuite>
<testcase classname="tests.test_a.TestApp" name="test_default">{default}</testcase>
<testcase classname="tests.test_a" name="test_hook_fires[worker_start]">{hook}</testcase>
<testcase classname="tests.test_a" name="test_hook_fires[worker_stop]"><failure/></testcase>
</testsuite></testsuites>"""


@pytest.fixture
def check(tmp_path):
    manifest, report = tmp_path / "manifest.toml", tmp_path / "py.xml"
    manifest.write_text(MANIFEST)

    def check(default="", hook="", text=REPORT):
        report.write_text(text.format(default=default, hook=hook))
        return surface.check(manifest, [report])

    return check


def test_lines_are_proved_when_their_tests_passed(check):
    assert check() == []


@pytest.mark.parametrize("outcome", ["<failure/>", "<error/>", "<skipped/>"])
def test_a_line_is_not_proved_by_a_test_that_did_not_pass(check, outcome):
    assert check(default=outcome) == [
        "app = QueueTasks()\n    tests/test_a.py::TestApp::test_default did not pass (py)"
    ]


def test_a_line_is_not_proved_by_a_test_that_does_not_exist(check):
    empty = "<testsuites/>"
    assert check(text=empty) == [
        "app = QueueTasks()\n    tests/test_a.py::TestApp::test_default was not run (py)",
        "hook worker_start\n    tests/test_a.py::test_hook_fires[worker_start] was not run (py)",
    ]


def test_a_parametrised_test_named_whole_passes_only_when_all_its_cases_did(tmp_path):
    report = tmp_path / "py.xml"
    report.write_text(REPORT.format(default="", hook=""))
    assert surface.outcomes(report)[surface.key_of("tests/test_a.py::test_hook_fires")] is False


def test_a_line_must_be_proved_by_every_run(check, tmp_path):
    check()
    other = tmp_path / "other.xml"
    other.write_text("<testsuites/>")
    [first, _] = surface.check(tmp_path / "manifest.toml", [tmp_path / "py.xml", other])
    assert first == "app = QueueTasks()\n    tests/test_a.py::TestApp::test_default was not run (other)"


def test_a_line_that_a_session_of_its_own_proves_is_asked_of_that_one(tmp_path):
    manifest = tmp_path / "manifest.toml"
    manifest.write_text('line = []\n[programs]\none = "tests/compat/test_a.py::test_program"\n')
    whole, compat = tmp_path / "py.xml", tmp_path / "compat.xml"
    whole.write_text("<testsuites/>")
    assert surface.check(manifest, [whole]) == [
        "program one\n    tests/compat/test_a.py::test_program was not run (compat)"
    ]
    compat.write_text('<testsuites><testcase classname="tests.compat.test_a" name="test_program"/></testsuites>')
    assert surface.check(manifest, [whole, compat]) == []


def test_a_run_of_another_session_proves_nothing_else(check, tmp_path):
    check()
    (tmp_path / "py.xml").rename(tmp_path / "compat.xml")
    assert len(surface.check(tmp_path / "manifest.toml", [tmp_path / "compat.xml"])) == 2
