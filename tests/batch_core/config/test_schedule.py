import calendar
import re
from datetime import datetime
from itertools import pairwise

import pytest
from croniter import croniter
from hypothesis import given
from hypothesis import strategies as st

from batch_core.config.schedule import CronSchedule

LIMITS = [(0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6)]
NAMES = {4: [month[:3] for month in calendar.month_name[1:]], 5: ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]}


@st.composite
def items(draw, place):
    """One item of a field as NCrontab reads it, and the values that it means."""
    low, high = LIMITS[place]
    first = draw(st.integers(low, high))
    last = draw(st.integers(first, high))
    step = draw(st.integers(1, 70))

    def written(value):
        names = NAMES.get(place)
        return draw(st.sampled_from([str(value), f"0{value}", *([names[value - low].lower()] if names else [])]))

    return draw(
        st.sampled_from(
            [
                ("*", range(low, high + 1)),
                (f"*/{step}", range(low, high + 1, step)),
                (written(first), [first]),
                (f"{written(first)}-{written(last)}", range(first, last + 1)),
                (f"{written(first)}-{written(last)}/{step}", range(first, last + 1, step)),
                (f"{written(first)}/{step}", range(first, high + 1, step)),
            ]
        )
    )


@st.composite
def expressions(draw):
    fields = [draw(st.lists(items(place), min_size=1, max_size=3)) for place in range(6)]
    text = draw(st.sampled_from([" ", "  "])).join(",".join(text for text, _ in field) for field in fields)
    return text, tuple(frozenset(value for _, values in field for value in values) for field in fields)


@given(expressions())
def test_what_ncrontab_reads_is_read_alike(expression):
    text, fields = expression
    try:
        schedule = CronSchedule.parse(text)
    except ValueError as exc:
        assert "never run" in str(exc)  # noqa: PT017 - it may come for some
        assert min(fields[3]) > 28
        return
    assert schedule.fields == fields
    assert CronSchedule.parse(schedule.as_numbers()) == schedule


@given(expressions(), st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)))
def test_the_embedded_host_runs_at_just_these_times(expression, start):
    text, fields = expression
    # Few days fit, so that years may lie between two of them: those are another test's.
    text, fields = f"{' '.join(text.split()[:3])} * * *", fields[:3]
    cron = croniter(CronSchedule.parse(text).as_numbers(), start, second_at_beginning=True, day_or=False)
    times = [cron.get_next(datetime) for _ in range(5)]
    assert all(
        (time.second in fields[0], time.minute in fields[1], time.hour in fields[2]) == (True,) * 3 for time in times
    )
    assert all(one < other for one, other in pairwise([start, *times]))


def test_seconds_can_be_left_out():
    assert CronSchedule.parse("*/5 * * * *") == CronSchedule.parse("0 */5 * * * *")


@pytest.mark.parametrize("word", ["Friday", "FRI", "fri", "FRIDAY", "5"])
def test_names_are_read_in_full_and_by_three_letters(word):
    assert CronSchedule.parse(f"0 0 0 * March {word}").fields[4:] == ({3}, {5})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "0 fields"),
        ("hourly", "1 fields"),
        ("0 0 0 1 1 * 2027", "7 fields"),
        ("61 * * * * *", "'61' is no second"),
        ("0 0 24 * * *", "'24' is no hour"),
        ("0 0 0 0 * *", "'0' is no day of the month"),
        ("0 0 0 * 13 *", "'13' is no month"),
        ("0 0 0 * * 7", "'7' is no day of the week"),
        ("0 0 0 ? * FRI", "'?' is no day of the month"),
        ("0 0 0 L * *", "'L' is no day of the month"),
        ("0 0 0 1W * *", "'1W' is no day of the month"),
        ("0 0 0 * * MON#1", "'MON#1' is no day of the week"),
        ("0 0 0 * * F", "'F' is no day of the week"),
        ("0 0 0 * Janu *", "'Janu' is no month"),
        ("R * * * * *", "'R' is no second"),
        ("@daily", "1 fields"),
        ("*/0 * * * * *", "step of 0"),
        ("*/-5 * * * * *", "is no second"),
        ("50-10 * * * * *", "runs backwards"),
        ("0 0 0 * * SAT-MON", "runs backwards"),
        ("1,,2 * * * * *", "is no second"),
        ("0 0 0 30 2 *", "never run"),
        ("0 0 0 31 2,4,6 *", "never run"),
        ("0\t0 0 * * *", "parted by spaces"),
        ("٣ * * * * *", "parted by spaces"),
        ("00:00:30", "App Service plan"),
        ("1.00:00:00", "App Service plan"),
    ],
)
def test_what_azure_and_the_embedded_host_would_not_read_alike_is_refused(text, reason):
    with pytest.raises(ValueError, match=re.escape(reason)):
        CronSchedule.parse(text)


def test_a_leap_day_comes():
    assert CronSchedule.parse("0 0 0 29 FEB *").fields[3] == {29}


@pytest.mark.slow
@given(st.text())
def test_any_text_is_read_or_refused(text):
    try:
        CronSchedule.parse(text)
    except ValueError as exc:
        assert str(exc)  # noqa: PT017 - either is right
