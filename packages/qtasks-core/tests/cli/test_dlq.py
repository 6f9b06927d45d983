"""`qtasks dlq`: listing, replaying, dropping, and asking first."""

import json

import pytest
from stats.support import bury, bury_garbage


def ready(queue):
    return sum(facts.ready for facts in queue.runtime.run_blocking(lambda link: link.broker.inspect()))


def listed(qtasks, *words):
    return [letter["id"] for letter in json.loads(qtasks("dlq", "ls", "--json", *words).stdout)]


def test_letters_are_listed_the_newest_first(qtasks, queue):
    first, second = bury(queue, "a", "b")
    assert listed(qtasks) == [second, first]
    assert "WorkerDied: three times" in qtasks("dlq", "ls").stdout


def test_an_empty_list_says_where_it_looked(qtasks, url):
    assert qtasks("dlq", "ls").stdout == f"No dead letters of QueueTasks in {url}.\n"


def test_letters_are_chosen_by_task_and_by_group(qtasks, queue):
    [one] = bury(queue, "a")
    [two] = bury(queue, "a", text="other")
    [three] = bury(queue, "b")
    groups = {letter["id"]: letter["group"] for letter in json.loads(qtasks("dlq", "ls", "--json").stdout)}
    assert listed(qtasks, "--task", "a") == [two, one]
    assert listed(qtasks, "--group", groups[three]) == [three]


def test_a_replay_is_told_with_its_new_id(qtasks, queue):
    [letter] = bury(queue, "charge")
    answer = qtasks("dlq", "replay", letter, "--yes")
    assert answer.exit_code == 0
    child = queue.get(letter).retry_child_uuid.hex
    assert [letter, child] == answer.stdout.splitlines()[1].split()[:2]
    assert listed(qtasks) == []


def test_all_letters_of_a_task_are_replayed(qtasks, queue):
    bury(queue, "a", "a", "b")
    assert qtasks("dlq", "replay", "--task", "a", "-y").exit_code == 0
    assert ready(queue) == 2
    assert len(listed(qtasks)) == 1


def test_a_letter_that_cannot_be_replayed_is_a_failure_and_the_others_go_on(qtasks, queue):
    bury(queue, "a")
    garbage = bury_garbage(queue)
    answer = qtasks("dlq", "replay", "--all", "-y")
    assert answer.exit_code == 1
    assert "cannot be read" in answer.stdout
    assert ready(queue) == 1
    assert listed(qtasks) == [garbage]


@pytest.mark.parametrize("verb", ["replay", "drop"])
def test_nothing_happens_before_the_user_agrees(qtasks, queue, verb):
    [letter] = bury(queue, "a")
    answer = qtasks("dlq", verb, "--all", input="n\n")
    assert answer.exit_code == 1
    assert letter in answer.stdout
    assert listed(qtasks) == [letter]
    assert ready(queue) == 0


@pytest.mark.parametrize("verb", ["replay", "drop"])
def test_a_dry_run_shows_the_letters_and_changes_nothing(qtasks, queue, verb):
    [letter] = bury(queue, "a")
    answer = qtasks("dlq", verb, "--all", "--dry-run", "--yes")
    assert answer.exit_code == 0
    assert letter in answer.stdout
    assert listed(qtasks) == [letter]


def test_agreed_letters_are_dropped(qtasks, queue):
    [one, two] = bury(queue, "a", "b")
    answer = qtasks("dlq", "drop", one, input="y\n")
    assert answer.exit_code == 0
    assert answer.stdout.endswith("Dropped 1.\n")
    assert listed(qtasks) == [two]
    assert queue.get(one) is None


@pytest.mark.parametrize("verb", ["replay", "drop"])
def test_what_is_meant_has_to_be_said(qtasks, verb):
    answer = qtasks("dlq", verb, "--yes")
    assert answer.exit_code == 2
    assert "--all" in answer.stderr


def test_an_id_that_is_no_dead_letter_is_not_found_and_nothing_is_done(qtasks, queue):
    [letter] = bury(queue, "a")
    waiting = queue.add_task("b").id
    answer = qtasks("dlq", "drop", letter, waiting, "nonsense", "--yes")
    assert answer.exit_code == 4
    assert f"No such dead letter: {waiting}, nonsense.\nSee qtasks -u memory://" in answer.stderr
    assert listed(qtasks) == [letter]


def test_no_letters_are_no_failure(qtasks):
    answer = qtasks("dlq", "replay", "--all")
    assert (answer.exit_code, answer.stdout) == (0, "There are none.\n")
