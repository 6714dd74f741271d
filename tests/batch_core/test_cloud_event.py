import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_core.cloud_event import cloud_event
from batch_core.naming import BlobVersion, output_name, task_id
from batch_core.services.storage_queue import MAX_TEXT
from batch_core.state.changes import Closing
from batch_core.state.outbox import TaskEnd
from batch_core.state.record import Outcome, TaskState

NOW = datetime(2026, 11, 23, 8, 1, 2, 345678, tzinfo=UTC)
TASK = "20261123T080102-a-txt-0123456789abcdef-r2"


def event_of(end: TaskEnd) -> dict:
    return json.loads(
        cloud_event(end, source="https://a.table.core.windows.net/tasks", attempt=2, output_container="o")
    )


def end(**values: object) -> TaskEnd:
    given = {"task_id": TASK, "state": TaskState.SUCCEEDED, "closed_at": NOW, "blob": "a.txt", "container": "input"}
    return TaskEnd(**(given | values))


def test_an_event_has_every_attribute_that_cloudevents_asks_for():
    event = event_of(end())
    del event["data"]
    assert event == {
        "specversion": "1.0",
        "id": f"{TASK}@2026-11-23T08:01:02.345678Z",
        "source": "https://a.table.core.windows.net/tasks",
        "type": "batchdrop.task.succeeded",
        "subject": "a.txt",
        "time": "2026-11-23T08:01:02.345678Z",
        "datacontenttype": "application/json",
    }


@pytest.mark.parametrize("state", [state for state in TaskState if state.is_final])
def test_the_type_says_the_final_state(state):
    assert event_of(end(state=state))["type"] == f"batchdrop.task.{state}"


def test_a_name_goes_without_its_control_characters_where_cloudevents_allows_none():
    event = event_of(end(blob="a\t\x00\x7f\x85é漢.txt"))
    assert event["subject"] == "a%09%00%7F%C2%85é漢.txt"
    assert event["data"]["blob"] == "a\t\x00\x7f\x85é漢.txt"


@pytest.mark.parametrize(
    ("blob", "subject"),
    [
        ("a\ufdd0\ufffe b", "a%EF%B7%90%EF%BF%BE b"),
        ("\ufdef\uffff\U0001fffe\U0010ffff.txt", "%EF%B7%AF%EF%BF%BF%F0%9F%BF%BE%F4%8F%BF%BF.txt"),
        # Neighbours that are characters.
        ("\ufdcf\ufdf0\ufffd\U00010000.txt", "\ufdcf\ufdf0\ufffd\U00010000.txt"),
    ],
)
def test_a_name_goes_without_noncharacters_where_cloudevents_allows_none(blob, subject):
    event = event_of(end(blob=blob))
    assert (event["subject"], event["data"]["blob"]) == (subject, blob)


def test_half_a_surrogate_pair_does_not_keep_an_event_from_being_sent():
    given = end(reason="Batch said \ud83d.", blob="a\udc00.txt")
    text = cloud_event(given, source="s", attempt=1, output_container="o")
    event = json.loads(text.encode())
    assert (event["data"]["reason"], event["subject"]) == ("Batch said \ufffd.", "a\ufffd.txt")


@given(st.characters(exclude_categories=["Cs"]))
def test_the_longest_names_and_reasons_fit_into_a_message(char):
    length = 1024 // (len(char.encode("utf-16-le")) // 2)
    blob = (char * length).replace("\0", "\x01")
    task = task_id(BlobVersion(container="c", name=blob, etag="e", last_modified=NOW, size=1))
    names = {name: output_name(blob, task, f"{name}.txt") for name in ("stdout", "stderr")}
    outcome = Outcome(state=TaskState.FAILED, reason=char * 2000, failure_message=char * 2000, **names)
    closing = Closing(task_id=task, outcome=outcome, container="c" * 63, blob=blob, has_files=True, route=char * 64)
    text = cloud_event(TaskEnd.of(closing, NOW), source="https://" + "a" * 200, attempt=9999, output_container="o" * 63)
    assert len(text.encode()) <= MAX_TEXT
    assert json.loads(text)["data"]["blob"] == blob
