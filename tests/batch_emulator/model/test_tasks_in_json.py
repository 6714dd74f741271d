"""A task is written as JSON in two ways, which must say the same."""

import json
from itertools import product

import pytest

from batch_emulator.model.tasks import task_in_json, task_on_wire
from batch_emulator.store.tasks import TaskRow

TIME = "2026-11-23T08:07:10.123456Z"
WAITING = TaskRow(
    no=1, job_no=1, id="task", document='{"commandLine":"\\ud800 \\u00e4"}', created=TIME, modified=TIME,
    state="active", state_time=TIME, previous_state=None, previous_time=None, required_slots=1, started=None,
    ended=None, exit_code=None, result=None, failure=None, retries=0, last_retry=None, requeues=0, last_requeue=None,
    pool_id=None, node_id=None, files_until=None,
)  # fmt: skip
STATES = {
    "waiting": {},
    "running": {"state": "running", "started": TIME, "previous_state": "active", "previous_time": TIME,
                "pool_id": "pool", "node_id": "tvmps_1_d"},
    "completed while it waited": {"state": "completed", "ended": TIME, "result": "success"},
    "retried": {"retries": 2, "last_retry": TIME, "requeues": 1, "last_requeue": TIME},
}  # fmt: skip
FAILURES = [None, "{}", r'{"code":"FailureExitCode","message":"\ud800 \u00e4 \" \\ \n"}']


@pytest.mark.parametrize(("state", "failure"), [*product(STATES, FAILURES)])
def test_both_ways_say_the_same(state, failure):
    row = WAITING._replace(**STATES[state], failure=failure)
    text = task_in_json(row, "nightly:job-1", "http://[::1]:10003")
    assert text.isascii()
    assert json.loads(text) == task_on_wire(row, "nightly:job-1", "http://[::1]:10003")


def test_what_has_not_happened_is_left_out():
    shown = json.loads(task_in_json(WAITING, "job", "http://localhost"))
    assert shown["executionInfo"] == {"retryCount": 0, "requeueCount": 0}
    assert not shown.keys() & {"previousState", "previousStateTransitionTime", "nodeInfo"}
