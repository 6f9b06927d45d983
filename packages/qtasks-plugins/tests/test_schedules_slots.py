"""When slots are, also where clocks are changed, and which of them a schedule decides to enqueue."""

import datetime as dt
import sys
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger
from msgspec.structs import replace
from qtasks.errors import ConfigError
from qtasks.plugins import Schedule
from qtasks.types import US_PER_S
from qtasks_plugins.schedules import policy, triggers
from qtasks_plugins.schedules.entries import Told

MIN, HOUR = 60 * US_PER_S, 3600 * US_PER_S
NOON = 1_790_000_000 // 86_400 * 86_400 * US_PER_S + 12 * HOUR
BERLIN = "Europe/Berlin"


def us(text):
    return round(dt.datetime.fromisoformat(text).timestamp() * US_PER_S)


def shown(when, after, count=3, begun=True, zone=BERLIN):
    """The first slots, as clocks in a zone show them."""
    slots = islice(when.slots(us(after), begun), count)
    return [f"{dt.datetime.fromtimestamp(slot / US_PER_S, ZoneInfo(zone)):%m-%d %H:%M:%S%z}" for slot in slots]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("*/20 * * * *", ["05-01 12:20:00+0200", "05-01 12:40:00+0200", "05-01 13:00:00+0200"]),
        ("*/30 * * * * *", ["05-01 12:00:30+0200", "05-01 12:01:00+0200", "05-01 12:01:30+0200"]),
        ("0 9 * * MON-FRI", ["05-04 09:00:00+0200", "05-05 09:00:00+0200", "05-06 09:00:00+0200"]),
        ("@hourly", ["05-01 13:00:00+0200", "05-01 14:00:00+0200", "05-01 15:00:00+0200"]),
        ("@daily", ["05-02 00:00:00+0200", "05-03 00:00:00+0200", "05-04 00:00:00+0200"]),
        ("@midnight", ["05-02 00:00:00+0200", "05-03 00:00:00+0200", "05-04 00:00:00+0200"]),
        ("@weekly", ["05-03 00:00:00+0200", "05-10 00:00:00+0200", "05-17 00:00:00+0200"]),
        ("@monthly", ["06-01 00:00:00+0200", "07-01 00:00:00+0200", "08-01 00:00:00+0200"]),
        ("@yearly", ["01-01 00:00:00+0100", "01-01 00:00:00+0100", "01-01 00:00:00+0100"]),
        ("@annually", ["01-01 00:00:00+0100", "01-01 00:00:00+0100", "01-01 00:00:00+0100"]),
    ],
)
def test_a_cron_expression_is_read_by_the_clock_of_its_zone(expression, expected):
    assert shown(triggers.cron(expression, BERLIN), "2026-05-01T12:00+02:00") == expected


def test_a_fixed_time_that_is_skipped_in_spring_is_made_up_for_right_afterwards():
    when = triggers.cron("30 2 * * *", BERLIN)
    days = ["03-28 02:30:00+0100", "03-29 03:00:00+0200", "03-30 02:30:00+0200"]
    assert shown(when, "2026-03-28T00:00+01:00") == days
    assert shown(when, "2026-03-29T03:00+02:00", 1) == days[2:]


def test_a_fixed_time_that_comes_twice_in_autumn_is_one_slot():
    when = triggers.cron("30 2 * * *", BERLIN)
    days = ["10-25 02:30:00+0200", "10-26 02:30:00+0100"]
    assert shown(when, "2026-10-24T12:00+02:00", 2) == days
    for after in ("2026-10-25T02:30+02:00", "2026-10-25T02:10+01:00", "2026-10-25T02:30+01:00"):
        assert shown(when, after, 1) == days[1:]


def test_an_expression_of_every_hour_goes_by_the_clock_in_spring_and_autumn():
    when = triggers.cron("0 * * * *", BERLIN)
    spring = ["03-29 01:00:00+0100", "03-29 03:00:00+0200", "03-29 04:00:00+0200"]
    autumn = ["10-25 02:00:00+0200", "10-25 02:00:00+0100", "10-25 03:00:00+0100"]
    assert shown(when, "2026-03-29T00:30+01:00") == spring
    assert shown(when, "2026-10-25T01:30+02:00") == autumn


def test_a_period_has_the_same_slots_in_all_processes():
    when = triggers.every("10m")
    assert list(islice(when.slots(NOON + 1, begun=False), 2)) == [NOON + 10 * MIN, NOON + 20 * MIN]
    assert list(islice(when.slots(NOON + 10 * MIN, begun=True), 1)) == [NOON + 20 * MIN]


def test_a_trigger_of_apscheduler_goes_on_from_the_slot_before():
    interval = triggers.Foreign(IntervalTrigger(minutes=7, start_date=dt.datetime(2026, 5, 1, tzinfo=dt.UTC)))
    assert shown(interval, "2026-05-01T00:03+00:00", 2, zone="UTC") == ["05-01 00:10:00+0000", "05-01 00:17:00+0000"]
    cron = triggers.Foreign(CronTrigger.from_crontab("0 9 * * *", timezone=BERLIN))
    assert shown(cron, "2026-05-01T09:00+02:00", 2) == ["05-02 09:00:00+0200", "05-03 09:00:00+0200"]


def test_a_date_of_apscheduler_is_one_slot():
    date = triggers.Foreign(DateTrigger("2026-05-01T12:00:00", timezone="UTC"))
    assert shown(date, "2026-04-01T00:00+00:00", begun=False, zone="UTC") == ["05-01 12:00:00+0000"]
    assert shown(date, "2026-05-01T12:00+00:00", begun=True) == []
    assert shown(date, "2026-06-01T12:00+00:00", begun=False) == []


class Naive:
    def get_next_fire_time(self, previous, now):
        return dt.datetime(2026, 5, 1)  # noqa: DTZ001 - that is the fault


class Standing:
    def get_next_fire_time(self, previous, now):
        return dt.datetime(2026, 5, 1, tzinfo=dt.UTC)


def test_a_trigger_without_a_time_zone_is_refused():
    with pytest.raises(ConfigError, match="without a zone"):
        next(triggers.Foreign(Naive()).slots(0, begun=False))


def test_a_trigger_that_stands_still_has_one_slot():
    assert len(list(triggers.Foreign(Standing()).slots(0, begun=False))) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"cron": "* * * *"}, "cron: '\\* \\* \\* \\*' is no cron expression: Wrong number of fields"),
        ({"cron": "61 * * * *"}, "Bad minute"),
        ({"cron": "0 0 30 2 *"}, "Bad day-of-month"),
        ({"cron": "@reboot"}, "no cron expression"),
        ({"cron": "@dayly"}, "Did you mean '@daily'"),
        ({"cron": "0 0 * * MONDAY"}, "SUN, MON, TUE, WED, THU, FRI, SAT, or 0-7"),
        ({"cron": 5}, "expected a text, found 5"),
        ({"cron": "@daily", "tz": "Europe/Bonn"}, "there is no time zone 'Europe/Bonn'"),
        ({"cron": "@daily", "tz": "../etc"}, "there is no time zone"),
        ({"every": "10 parsecs"}, "is not a duration"),
        ({"every": "200ms"}, "less than a second"),
        ({"every": "10s", "tz": BERLIN}, "tz= belongs to cron="),
        ({"trigger": "0 9 * * *"}, "no get_next_fire_time"),
        ({}, "exactly one of"),
        ({"cron": "@daily", "every": "10s"}, "exactly one of"),
        ({"every": "10s", "missed": "al"}, "missed: expected one of once, skip, all, found 'al'"),
        ({"every": "10s", "overlap": "no"}, "overlap: expected one of allow, skip"),
        ({"every": "10s", "queue": "a b"}, "is not a name"),
        ({"every": "10s", "priority": 2**40}, "32 bits"),
        ({"every": "10s", "name": ""}, "name must be"),
        ({"every": "10s", "args": "full"}, "args: expected a list, found 'full'"),
        ({"every": "10s", "kwargs": [1]}, "kwargs: expected a dict"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused_where_it_is_written(words, message):
    with pytest.raises(ConfigError, match=message):
        Schedule(**words)


def test_without_cronsim_a_cron_expression_names_the_pip_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "cronsim", None)
    with pytest.raises(ConfigError, match=r'pip install "qtasks-plugins\[schedules\]"'):
        Schedule(cron="@daily")
    assert Schedule(every="1m").when.expression == "every 1m"


@pytest.mark.parametrize("when", [triggers.cron("@daily", BERLIN), triggers.every(90)])
def test_an_expression_that_was_stored_is_read_again(when):
    assert triggers.read_again(when.expression, when.zone) == when


def test_a_trigger_of_apscheduler_is_not_read_again():
    for trigger, expression in ((IntervalTrigger(minutes=5), "interval[0:05:00]"), (Standing(), "Standing")):
        foreign = triggers.Foreign(trigger)
        assert foreign.expression == expression  # the same in each process
        assert triggers.read_again(foreign.expression, foreign.zone) is None


# Decisions.


def told(missed="once"):
    return Told("t", "every 1m", "", [], {}, "default", None, missed, "allow")


def decided(missed, passed_us, period="1m"):
    """What a schedule with this policy decides so long after noon."""
    when = triggers.every(period)
    return policy.decide(policy.begin(told(missed), when, NOON), when, NOON + passed_us)


def test_a_new_schedule_has_missed_nothing():
    entry = policy.begin(told(), triggers.every("1m"), NOON + 1)
    assert (entry.position, entry.next, entry.begun) == (NOON + 1, NOON + MIN, False)


def test_nothing_is_planned_before_the_first_slot():
    entry = decided("all", MIN - 1)
    assert (entry.planned, entry.position, entry.next) == ([], NOON, NOON + MIN)


@pytest.mark.parametrize("missed", ["once", "skip", "all"])
def test_slots_of_the_last_thirty_seconds_are_all_enqueued(missed):
    entry = decided(missed, 30 * US_PER_S, "1s")
    assert entry.planned == [NOON + second * US_PER_S for second in range(1, 31)]
    assert (entry.position, entry.next, entry.missed) == (NOON + 30 * US_PER_S, NOON + 31 * US_PER_S, 0)


@pytest.mark.parametrize(
    ("missed", "planned", "given_up"),
    [("once", [5 * MIN], 4), ("skip", [], 5), ("all", [MIN, 2 * MIN, 3 * MIN, 4 * MIN, 5 * MIN], 0)],
)
def test_missed_slots_follow_the_policy(missed, planned, given_up):
    entry = decided(missed, 5 * MIN + 40 * US_PER_S)
    assert [slot - NOON for slot in entry.planned] == planned
    assert (entry.position, entry.next, entry.missed) == (NOON + 5 * MIN, NOON + 6 * MIN, given_up)


def test_a_slot_that_is_due_now_is_the_one_that_makes_up_for_missed_ones():
    entry = decided("once", 5 * MIN)
    assert (entry.planned, entry.missed) == ([NOON + 5 * MIN], 4)


def test_at_most_a_hundred_missed_slots_are_enqueued_the_last_ones():
    entry = decided("all", 500 * MIN + 40 * US_PER_S)
    assert entry.planned == [NOON + number * MIN for number in range(401, 501)]
    assert entry.missed == 400


def test_the_last_ones_are_made_up_for_also_of_more_than_anybody_looks_at():
    entry = decided("all", 7200 * US_PER_S, "1s")
    assert entry.planned == [NOON + second * US_PER_S for second in range(7200 - 130, 7201)]
    assert (entry.position, entry.next) == (NOON + 7200 * US_PER_S, NOON + 7201 * US_PER_S)


def test_slots_of_a_burst_that_is_long_over_are_made_up_for_once():
    burst = triggers.cron("* * 0 1 1 *", "UTC")  # each second of one hour a year
    june = us("2026-06-01T00:00+00:00")
    entry = policy.decide(policy.begin(told("once"), burst, us("2025-12-31T00:00+00:00")), burst, june)
    assert len(entry.planned) == 1
    assert (entry.position, entry.next) == (june, us("2027-01-01T00:00+00:00"))


def test_after_a_long_time_without_workers_the_next_slot_is_to_come():
    entry = decided("once", 100_000 * MIN + 40 * US_PER_S)
    assert entry.planned == [NOON + 100_000 * MIN]
    assert entry.next == NOON + 100_001 * MIN
    assert policy.decide(replace(entry, planned=[]), triggers.every("1m"), entry.next).planned == [entry.next]


def test_a_clock_that_is_set_back_repeats_no_slot():
    when = triggers.every("1m")
    entry = replace(decided("all", 5 * MIN), planned=[])
    back = policy.decide(entry, when, NOON + 2 * MIN)
    assert (back.planned, back.position, back.next) == ([], NOON + 5 * MIN, NOON + 6 * MIN)


def test_a_schedule_whose_expression_is_changed_has_missed_nothing():
    entry = decided("all", MIN)
    same = policy.retold(entry, told("skip"), triggers.every("1m"), NOON + 5 * MIN)
    assert (same.position, same.told.missed) == (entry.position, "skip")
    other = policy.retold(entry, replace(told(), expression="every 2m"), triggers.every("2m"), NOON + 5 * MIN)
    assert (other.position, other.next) == (NOON + 5 * MIN, NOON + 6 * MIN)


def test_what_passed_while_a_schedule_was_paused_is_not_missed():
    when = triggers.every("1m")
    entry = policy.resumed(replace(decided("all", MIN), planned=[], paused=True), when, NOON + 9 * MIN + 1)
    assert (entry.paused, entry.next) == (False, NOON + 10 * MIN)
    assert policy.decide(entry, when, NOON + 10 * MIN).planned == [NOON + 10 * MIN]


@pytest.mark.parametrize("ahead_s", [20, 40])
def test_what_a_clock_that_is_ahead_has_decided_stays_so_unless_it_is_far_ahead(ahead_s):
    entry = replace(decided("all", MIN), planned=[])
    when, now = triggers.every("1s"), entry.position - ahead_s * US_PER_S
    position = entry.position if ahead_s == 20 else now
    paused = replace(entry, paused=True)
    assert policy.resumed(paused, when, now).position == position
    assert policy.resumed(paused, when, now).next == position + US_PER_S
    assert policy.retold(entry, replace(told(), expression="every 1s"), when, now).position == position
