"""The check of replies is itself checked: a rule that never fails would prove nothing."""

import pytest
from azure.batch.models import BatchNodeFile, BatchPool, BatchTask

from tests.batch_emulator.sdk_models import answer_of, problems, problems_of_error, problems_of_reply

TIME = "2026-11-23T08:07:10.123456Z"
TASK = {
    "id": "t",
    "url": "u",
    "eTag": "0x1",
    "lastModified": TIME,
    "creationTime": TIME,
    "state": "active",
    "stateTransitionTime": TIME,
    "commandLine": "true",
    "constraints": {"retentionTime": "P7D", "maxTaskRetryCount": 0},
}


def test_a_task_that_conforms_has_no_problems():
    assert problems(BatchTask, TASK) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"etag": "0x1"}, "BatchTask.unknown etag"),
        ({"state": "waiting"}, "BatchTask.state: 'waiting'"),
        ({"requiredSlots": "1"}, "BatchTask.requiredSlots: '1'"),
        ({"requiredSlots": True}, "BatchTask.requiredSlots: True"),
        ({"lastModified": "2026-11-23"}, "BatchTask.lastModified: '2026-11-23'"),
        ({"constraints": {"retentionTime": "7 days"}}, "BatchTaskConstraints.retentionTime: '7 days'"),
        ({"resourceFiles": [{"blob": "x"}]}, "ResourceFile.unknown blob"),
        ({"environmentSettings": [{}]}, "EnvironmentSetting.missing name"),
    ],
)
def test_what_does_not_conform_is_named(change, problem):
    assert problems(BatchTask, TASK | change) == [problem]


def test_a_missing_property_is_excused_where_a_selection_was_asked_for():
    assert problems(BatchPool, {"id": "p"}, selected=True) == []
    assert "BatchPool.missing vmSize" in problems(BatchPool, {"id": "p"})


def test_numbers_that_travel_as_texts_must():
    file = {"name": "a", "properties": {"lastModified": TIME, "contentLength": 13}}
    assert problems(BatchNodeFile, file) == ["FileProperties.contentLength: 13"]


def test_the_answer_of_an_operation_is_found_in_the_clients_signature():
    assert answer_of("get_task") == (BatchTask, False)
    assert answer_of("list_tasks") == (BatchTask, True)
    assert answer_of("delete_pool") == answer_of("pool_exists") == (None, False)
    assert problems_of_reply("list_tasks", {"odata.metadata": "m", "value": [TASK], "count": 1}, selected=False) == [
        "list_tasks: count"
    ]


def test_errors_are_checked_too():
    assert problems_of_error({"odata.metadata": "m", "code": "X", "message": {"lang": "en-US", "value": "x"}}) == []
    assert problems_of_error({"message": "x"}) == ["BatchError.message: 'x'"]
