from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_emulator.scheduling.recurrence import Outlook, Recurrence

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))
spans = st.timedeltas(MINUTE, timedelta(days=400))
recurrences = st.builds(
    Recurrence,
    anchor=moments,
    interval=st.none() | spans,
    window=st.none() | spans,
    end=st.none() | moments,
)


@pytest.mark.parametrize(
    ("recurrence", "now", "last_run", "expected"),
    [
        # It recurs daily: the first job at once, the next a day later.
        (Recurrence(anchor=NOON, interval=DAY), NOON, None, (NOON, NOON + DAY, False)),
        (Recurrence(anchor=NOON, interval=DAY), NOON + HOUR, NOON, (None, NOON + DAY, False)),
        # It waits for doNotRunUntil.
        (Recurrence(anchor=NOON), NOON - MINUTE, None, (None, NOON, False)),
        # Once only: over when its one job is made.
        (Recurrence(anchor=NOON), NOON + HOUR, None, (NOON, None, False)),
        (Recurrence(anchor=NOON), NOON + HOUR, NOON, (None, None, True)),
        # The window is missed: the opportunity is lost.
        (Recurrence(anchor=NOON, window=MINUTE), NOON + HOUR, None, (None, None, True)),
        (Recurrence(anchor=NOON, interval=DAY, window=MINUTE), NOON + HOUR, None, (None, NOON + DAY, False)),
        # Only the newest of missed recurrences counts.
        (Recurrence(anchor=NOON, interval=HOUR), NOON + 5.5 * HOUR, NOON, (NOON + 5 * HOUR, NOON + 6 * HOUR, False)),
        # doNotRunAfter: none is announced beyond it, and it is over once that is past.
        (Recurrence(anchor=NOON, interval=DAY, end=NOON + HOUR), NOON, NOON, (None, None, False)),
        (Recurrence(anchor=NOON, interval=DAY, end=NOON + HOUR), NOON + 2 * HOUR, NOON, (None, None, True)),
        # An interval without limit never comes round.
        (Recurrence(anchor=NOON, interval=timedelta.max), NOON, NOON, (None, None, True)),
    ],
)
def test_a_schedule_says_what_is_due_and_what_comes_next(recurrence, now, last_run, expected):
    outlook = recurrence.look(now, last_run)
    assert (outlook.due, outlook.next, outlook.is_over) == expected


@given(recurrences, moments, st.none() | moments)
def test_what_is_due_lies_within_its_window_and_after_the_last_run(recurrence, now, last_run):
    outlook = recurrence.look(now, last_run)
    if (due := outlook.due) is not None:
        assert recurrence.anchor <= due <= now
        assert last_run is None or due > last_run
        assert recurrence.window is None or now <= due + recurrence.window
        assert recurrence.end is None or now <= recurrence.end
    assert outlook.next is None or outlook.next > now
    assert not (outlook.is_over and (outlook.due or outlook.next))


@given(recurrences, moments, st.none() | moments, spans)
def test_nothing_changes_before_the_schedule_wakes(recurrence, now, last_run, later):
    outlook = recurrence.look(now, last_run)
    moment = now + later
    if outlook.wake is not None:
        moment = min(moment, outlook.wake - timedelta(microseconds=1))
    if moment > now:
        then = recurrence.look(moment, last_run)
        assert then == Outlook(due=outlook.due, next=outlook.next, is_over=outlook.is_over, wake=outlook.wake)
