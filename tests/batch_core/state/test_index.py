from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from batch_core.obstacle import Obstacle
from batch_core.state.changes import Change, Closing, Stored
from batch_core.state.index import Marks, index_changes
from batch_core.state.record import TRANSITIONS, DetectedBy, Outcome, TaskRecord, TaskState

NOW = datetime(2026, 11, 23, 8, 1, 2, tzinfo=UTC)


def record(state: TaskState = TaskState.QUEUED, **fields: object) -> TaskRecord:
    values = {
        "task_id": "20261123T080102-a-0123456789abcdef",
        "job_id": "job-1",
        "container": "input",
        "blob": "a",
        "blob_etag": "0x1",
        "blob_last_modified": NOW,
        "blob_size": 1,
        "attempt": 1,
        "detected_by": DetectedBy.TRIGGER,
        "recorded_at": NOW,
    }
    return TaskRecord(**(values | {"state": state} | fields))


def stored(state: TaskState = TaskState.QUEUED) -> Stored:
    return Stored(record=record(state), etag="1")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"reason": "because"}, {}),
        ({"state": TaskState.SUBMITTED, "submitted_at": NOW}, {}),
        ({"output_tries": 3}, {}),
        ({"retried_as": "x"}, {"is_lost": True}),
        ({"requeues": 2}, {"requeues": 2}),
        ({"job_id": "job-2"}, {"job_id": "job-2"}),
        ({"cancel_requested_at": NOW}, {"cancel_requested": True, "cancel_requested_at": NOW}),
        ({"route": "r"}, {"route": "r"}),
        ({"obstacle": Obstacle.ARCHIVED}, {"is_obstructed": True, "is_queued": True}),
        ({"next_attempt_at": NOW}, {"next_attempt_at": NOW, "is_queued": True}),
    ],
    ids=str,
)
def test_the_index_follows_a_change_in_what_it_mirrors_and_in_nothing_else(change, expected):
    assert index_changes(record(), replace(record(), **change)) == expected


def test_a_task_that_is_accepted_waits_for_no_further_attempt():
    waiting = record(next_attempt_at=NOW + timedelta(minutes=1))
    accepted = replace(waiting, state=TaskState.SUBMITTED, next_attempt_at=None)
    assert index_changes(waiting, accepted) == {"next_attempt_at": None, "is_queued": False}


def test_a_task_that_goes_back_to_its_queue_is_neither_verified_nor_explained():
    changes = index_changes(record(TaskState.SUBMITTED), record(TaskState.QUEUED))
    assert changes == {"is_verified": False, "explained": None}


def test_marks_go_with_the_change():
    marks = Marks(explained="because", failing_since=NOW)
    assert index_changes(record(), record(), marks) == {"explained": "because", "failing_since": NOW}


PAIRS = [(before, after) for before in TaskState for after in TaskState]


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_a_change_keeps_a_record_open_in_a_state_that_may_follow(before, after):
    if after is before or (after in TRANSITIONS[before] and not after.is_final):
        assert Change(stored(before), record(after)).record.state is after
    else:
        with pytest.raises(ValueError, match=r"cannot become|by closing"):
            Change(stored(before), record(after))


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_a_record_is_closed_in_a_final_state_that_may_follow(before, after):
    if after in TRANSITIONS[before] and after.is_final:
        assert Closing.of(stored(before), Outcome(state=after)).outcome.state is after
    else:
        with pytest.raises(ValueError, match=r"cannot become|not a final state"):
            Closing.of(stored(before), Outcome(state=after))


def test_a_change_is_of_the_same_task():
    with pytest.raises(ValueError, match="cannot take the place"):
        Change(stored(), replace(record(), task_id="20261123T080102-b-0123456789abcdef"))


@pytest.mark.parametrize("state", [TaskState.QUEUED, TaskState.SUBMITTED])
def test_no_task_is_closed_in_a_state_that_is_not_final(state):
    with pytest.raises(ValueError, match="not a final state"):
        Closing(task_id="x", outcome=Outcome(state=state))
