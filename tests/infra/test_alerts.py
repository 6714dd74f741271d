"""The alerts look for what the app logs."""

import json
import re
from pathlib import Path

import pytest

from batch_core.log_text import figures
from batch_core.reconcile import ReconcileReport
from batch_core.state.changes import Closing
from batch_core.state.record import Outcome, TaskState
from batch_core.state.table import _log_end
from tests.hostile_names import LISTED, UNLISTED
from tests.infra.bicep import INFRA

ROOT = Path(__file__).parents[2]
TEXT = (INFRA / "alerts.bicep").read_text()
QUERIES = re.findall(r"query: '''(.*?)'''", TEXT, re.DOTALL)
TASK = "20261123T080102-a-txt-0123456789abcdef-r2"


def counted(text):
    """Return whether the failures rule counts this line."""
    (pattern,) = re.findall(r'matches regex "([^"]+)"', QUERIES[1])
    return re.search(pattern, text) is not None


def line_of(caplog, **values):
    """Return what is logged of the end of a task."""
    caplog.clear()
    outcome = Outcome(state=values.pop("state"), reason=values.pop("reason", "because"))
    _log_end(Closing(task_id=TASK, outcome=outcome, **values))
    return "".join(record.getMessage() for record in caplog.records)


def test_the_line_of_a_tick_says_how_long_the_oldest_file_has_waited():
    waiting = QUERIES[0]
    (beginning,) = re.findall(r'startswith "([^"]+)"', waiting)
    (pattern,) = re.findall(r'extract\(@"([^"]+)", 1', waiting)
    line = f"Reconciled: {figures(vars(ReconcileReport(open=3, oldest_waiting_seconds=7201)))}"
    assert line.startswith(beginning)
    assert re.search(pattern, line)[1] == "7201"


def test_the_line_of_a_task_that_did_not_succeed_is_counted(caplog):
    assert line_of(caplog, state=TaskState.FAILED, blob="a b.txt") == f"Task {TASK} is failed: file 'a b.txt': because"
    states = [state for state in TaskState if state.is_final]
    found = {state for state in states if counted(line_of(caplog, state=state, blob="a.txt"))}
    assert found == {TaskState.FAILED, TaskState.OUTPUT_LOST, TaskState.REJECTED}


NAMES = [*LISTED.values(), *UNLISTED.values(), "why it is failed.txt", "x' is failed: '.txt", "a\nTask t is failed: b"]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_no_name_and_no_reason_passes_for_another_state_or_another_line(caplog, name):
    for values in ({"blob": name}, {"blob": "a.txt", "reason": f"blob {name} is failed: {name}\u2028\ud83d"}):
        cancelled = line_of(caplog, state=TaskState.CANCELLED, **values)
        failed = line_of(caplog, state=TaskState.FAILED, **values)
        assert (counted(cancelled), counted(failed)) == (False, True)
        assert (len(cancelled.splitlines()), len(failed.splitlines())) == (1, 1)
        failed.encode()


def test_a_silent_app_is_seen_by_the_lines_of_the_ticks_that_it_has():
    silence = QUERIES[2]
    words = re.findall(r'(\w+) = countif\(message startswith "(\w+): "\)', silence)
    assert set(re.findall(r"(\w+) == 0", silence)) == {name for name, _ in words}
    code = (ROOT / "function_app.py").read_text()
    logged = dict(re.findall(r'await _tick\("(\w+)", "(\w+)"', code))
    assert [word for _, word in words] == [
        logged[name] for name in ("sweep_files", "reconcile_tasks", "collect_outputs")
    ]
    # Without `by`: of no rows it makes one, which says that nothing was logged.
    assert " by " not in silence


def test_what_the_rules_look_for_is_not_sampled():
    """https://learn.microsoft.com/azure/azure-functions/functions-host-json#applicationinsightssamplingsettings."""
    settings = json.loads((ROOT / "host.json").read_text())["logging"]["applicationInsights"]["samplingSettings"]
    assert {"Trace", "Request", "Exception"} <= set(settings["excludedTypes"].split(";"))
    # A row that was sampled elsewhere, by ingestion, say, stands in for several.
    assert "metricMeasureColumn: 'itemCount'" in TEXT


DOCS = re.findall(r"```kusto\n(.*?)```", (ROOT / "docs/operations.md").read_text(), re.DOTALL)


@pytest.mark.parametrize("query", [*QUERIES, *DOCS])
def test_a_query_is_one_statement(query):
    """Several need semicolons or blank lines between them, and alerts take one."""
    table, *pipes = [line for line in query.strip().splitlines() if not line.startswith(" " * 16)]
    assert table.strip() in {"traces", "requests", "customMetrics"}
    assert all(line.strip().startswith("| ") for line in pipes)


def test_the_documents_queries_find_the_lines_that_the_alerts_find():
    (pattern,) = re.findall(r'matches regex "([^"]+)"', QUERIES[1])
    assert any(f'matches regex "{pattern}"' in query for query in DOCS)
    assert not [query for query in DOCS if "count()" in query], "a row that was sampled stands in for several"


def test_all_alerts_tell_the_same_people():
    assert len(QUERIES) == 3
    assert TEXT.count("actionGroups: empty(email) ? [] : [people.id]") == 3
