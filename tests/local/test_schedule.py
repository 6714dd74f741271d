import time
from datetime import datetime, timedelta

import pytest

from local.host.errors import BindingError
from local.host.timers.schedule import Schedule


@pytest.fixture
def in_berlin(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "after", "following"),
    [
        ("*/2 * * * * *", "2026-11-22T10:00:01+00:00", "2026-11-22T10:00:02+00:00"),
        ("0 */5 * * * *", "2026-11-22T10:00:00+00:00", "2026-11-22T10:05:00+00:00"),
        ("*/5 * * * *", "2026-11-22T10:01:00+00:00", "2026-11-22T10:05:00+00:00"),
        ("30 0 0 1 1 *", "2026-11-22T10:00:00+00:00", "2026-12-31T23:00:30+00:00"),
        ("0 0 9 * * MON-FRI", "2026-11-20T10:00:00+00:00", "2026-11-23T08:00:00+00:00"),
        ("00:00:30", "2026-11-22T10:00:01+00:00", "2026-11-22T10:00:31+00:00"),
        ("1.00:00:00", "2026-11-22T10:00:01+00:00", "2026-11-23T10:00:01+00:00"),
        ("0 0 9 * January sun", "2026-11-22T10:00:01+00:00", "2027-01-03T08:00:00+00:00"),
        ("0-0 0 9 31 * MON", "2026-11-22T10:00:01+00:00", "2027-05-31T07:00:00+00:00"),
    ],
)
def test_the_next_run_is_counted_in_local_time(in_berlin, text, after, following):
    schedule = Schedule.parse(text)
    assert schedule.next_after(datetime.fromisoformat(after)) == datetime.fromisoformat(following)


def test_a_daily_timer_keeps_its_hour_when_summer_time_begins(in_berlin):
    daily = Schedule.parse("0 0 9 * * *")
    friday = datetime.fromisoformat("2026-03-27T09:00:00+01:00")
    runs = [friday]
    for _ in range(3):
        runs.append(daily.next_after(runs[-1]))
    assert [run.isoformat() for run in runs[1:]] == [
        "2026-03-28T09:00:00+01:00",
        "2026-03-29T09:00:00+02:00",
        "2026-03-30T09:00:00+02:00",
    ]


@pytest.mark.parametrize(
    "text", ["", "every minute", "* * *", "99 * * * * *", "00:00:00", "24:00:00", "0 0 0 ? * FRI", "@daily", "00:61:00"]
)
def test_what_is_no_schedule_is_refused(text):
    with pytest.raises(BindingError, match="no timer schedule"):
        Schedule.parse(text)


def test_schedules_of_less_than_a_minute_are_known():
    moment = datetime.fromisoformat("2026-11-22T10:00:00+00:00")
    assert Schedule.parse("*/30 * * * * *").is_below_one_minute(moment)
    assert not Schedule.parse("0 * * * * *").is_below_one_minute(moment)
    assert Schedule.parse("00:00:30").period == timedelta(seconds=30)
