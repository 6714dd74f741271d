"""The alerts look for what the app logs."""

import re

from batch_core.log_text import figures
from batch_core.reconcile import ReconcileReport
from batch_core.state.changes import Closing
from batch_core.state.record import Outcome, TaskState
from batch_core.state.table import _log_end
from tests.infra.bicep import INFRA

TEXT = (INFRA / "alerts.bicep").read_text()
QUERIES = re.findall(r"query: '''(.*?)'''", TEXT, re.DOTALL)


def test_the_line_of_a_tick_says_how_long_the_oldest_file_has_waited():
    waiting, _ = QUERIES
    (beginning,) = re.findall(r'startswith "([^"]+)"', waiting)
    (pattern,) = re.findall(r'extract\(@"([^"]+)", 1', waiting)
    line = f"Reconciled: {figures(vars(ReconcileReport(open=3, oldest_waiting_seconds=7201)))}"
    assert line.startswith(beginning)
    assert re.search(pattern, line)[1] == "7201"


def test_the_line_of_a_task_that_did_not_succeed_is_counted(caplog):
    _, failures = QUERIES
    (pattern,) = re.findall(r'matches regex "([^"]+)"', failures)
    for state in (TaskState.FAILED, TaskState.OUTPUT_LOST, TaskState.REJECTED, TaskState.CANCELLED):
        closing = Closing(task_id="t", blob="a b.txt", outcome=Outcome(state=state, reason="because"))
        _log_end(closing)
    said = [record.getMessage() for record in caplog.records]
    assert said[0] == "Task t of 'a b.txt' is failed: because"
    assert [bool(re.search(pattern, one)) for one in said] == [True, True, True, False]


def test_both_alerts_tell_the_same_people():
    assert len(QUERIES) == 2
    assert TEXT.count("actionGroups: empty(email) ? [] : [people.id]") == 2
