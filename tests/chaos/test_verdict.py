"""The verdict is worth as much as what it finds: each kind of evidence that something went wrong."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from chaos.dropper import Dropped
from chaos.evidence import BatchHas, Evidence, Recorded
from chaos.files import Version
from chaos.routes import route_of
from chaos.verdict import judge

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


def drop(name, number, content):
    return Dropped(
        version=Version(name=name, number=number, content=content), etag=f"{name}-{number}", last_modified=NOW
    )


def record(name, number, **changes):
    fine = Recorded(
        task_id=f"task-{name}-{number}",
        blob=name,
        etag=f"{name}-{number}",
        state="succeeded",
        recorded_at=NOW,
        node_id="node-1",
        exit_code=0,
        route=route_of(name).name,
        stdout=f"{name}/task-{name}-{number}/stdout.txt",
        stderr=f"{name}/task-{name}-{number}/stderr.txt",
    )
    return replace(fine, **changes)


FIRST, OLD, NEW = record("a", 1), record("b", 1), record("b", 2)
#: A file with one version and a file with two, all done and all right.
GOOD = Evidence(
    dropped=[drop("a", 1, b"one"), drop("b", 1, b"old"), drop("b", 2, b"new")],
    current={"a": "a-1", "b": "b-2"},
    records=[FIRST, OLD, NEW],
    tasks=[BatchHas(task_id=one.task_id, job_id="job-1") for one in (FIRST, OLD, NEW)],
    runs=[FIRST.task_id, OLD.task_id, NEW.task_id],
    outputs={
        FIRST.stdout: b"one",
        FIRST.stderr: b"a",
        OLD.stdout: b"old",
        OLD.stderr: b"b",
        NEW.stdout: b"new",
        NEW.stderr: b"b",
    },
    announced={one.task_id: ["succeeded"] for one in (FIRST, OLD, NEW)},
)


def findings(**changes):
    verdict = judge(replace(GOOD, **changes))
    found = (verdict.lost, verdict.run_twice, verdict.wrong_output, verdict.reasons_missing)
    assert verdict.is_good == (not any(found) and not verdict.uploads_lost and not verdict.unannounced)
    return tuple(map(len, found))


def without(*gone):
    """Return the changes that take records away, with everything that came of them."""
    return {
        "records": [one for one in GOOD.records if one not in gone],
        "tasks": [task for task in GOOD.tasks if task.task_id not in {one.task_id for one in gone}],
        "runs": [run for run in GOOD.runs if run not in {one.task_id for one in gone}],
        "outputs": {
            name: content
            for name, content in GOOD.outputs.items()
            if name not in {file for one in gone for file in (one.stdout, one.stderr)}
        },
    }


def instead(old, **changes):
    return [replace(one, **changes) if one is old else one for one in GOOD.records]


def test_what_is_right_is_not_complained_of():
    assert findings() == (0, 0, 0, 0)


def test_a_file_without_a_record_is_lost():
    assert findings(**without(FIRST)) == (1, 0, 0, 0)


def test_an_older_version_may_never_have_been_seen_but_the_newest_must():
    assert findings(**without(OLD)) == (0, 0, 0, 0)
    assert judge(replace(GOOD, **without(OLD))).never_seen == 1
    assert findings(**without(NEW)) == (1, 0, 0, 0)


def test_a_task_without_a_record_ran_behind_the_tables_back_unless_that_is_a_new_one():
    records = [FIRST, NEW]
    assert findings(records=records) == (0, 1, 2, 0)
    assert findings(records=records, is_table_new=True) == (0, 0, 0, 0)
    assert judge(replace(GOOD, records=records, is_table_new=True)).forgotten == 1
    # The newest version must have a record, and what runs again has one too.
    assert findings(records=[FIRST, OLD], is_table_new=True)[0] == 1
    retried = [*GOOD.tasks, BatchHas(task_id=f"{OLD.task_id}-r2", job_id="job-1")]
    assert findings(tasks=retried, is_table_new=True) == (0, 1, 0, 0)


def test_an_output_may_have_gone_with_its_container_and_is_right_if_it_is_there():
    lost = frozenset({FIRST.task_id})
    outputs = {name: content for name, content in GOOD.outputs.items() if name != FIRST.stdout}
    assert findings(outputs=outputs) == (0, 0, 1, 0)
    assert findings(outputs=outputs, lost_outputs=lost) == (0, 0, 0, 0)
    assert findings(outputs=outputs | {FIRST.stdout: b"else"}, lost_outputs=lost) == (0, 0, 1, 0)


def test_a_record_that_is_not_final_is_lost():
    assert findings(records=instead(OLD, state="submitted", reason="it waits"))[0] == 1


def test_a_final_record_in_the_index_of_open_work_is_lost():
    assert findings(open_rows=frozenset({OLD.task_id})) == (1, 0, 0, 0)


def test_a_file_that_vanished_from_the_container_is_lost():
    assert findings(current={"a": "a-1"}) == (1, 0, 0, 0)


def test_two_records_of_one_version_are_run_twice():
    again = record("a", 1, task_id="task-again")
    assert findings(records=[*GOOD.records, again], runs=[*GOOD.runs, "task-again"])[1] == 1


def test_a_record_of_a_version_that_never_was_is_found():
    assert findings(records=[*GOOD.records, record("c", 1)])[1] == 1


def test_a_task_in_two_jobs_is_run_twice():
    assert findings(tasks=[*GOOD.tasks, BatchHas(task_id=FIRST.task_id, job_id="job-2")]) == (0, 1, 0, 0)


def test_a_task_that_nothing_reports_is_found():
    assert findings(tasks=[*GOOD.tasks, BatchHas(task_id="task-stray", job_id="job-1")]) == (0, 1, 0, 0)


def test_a_command_that_ran_again_is_run_twice_unless_batch_sent_its_task_back():
    runs = [*GOOD.runs, FIRST.task_id]
    assert findings(runs=runs) == (0, 1, 0, 0)
    sent_back = [replace(task, requeues=int(task.task_id == FIRST.task_id)) for task in GOOD.tasks]
    assert findings(runs=runs, tasks=sent_back) == (0, 0, 0, 0)
    assert findings(runs=[*runs, FIRST.task_id], tasks=sent_back) == (0, 1, 0, 0)


def test_each_byte_of_an_output_counts():
    assert findings(outputs={**GOOD.outputs, FIRST.stdout: b"onE"}) == (0, 0, 1, 0)
    assert findings(outputs={**GOOD.outputs, FIRST.stderr: b""}) == (0, 0, 1, 0)


def test_an_output_that_is_not_there_is_wrong():
    assert findings(outputs={name: b for name, b in GOOD.outputs.items() if name != FIRST.stdout}) == (0, 0, 1, 0)


def test_an_output_of_nobody_is_wrong():
    assert findings(outputs={**GOOD.outputs, "x/task-x/stdout.txt": b""}) == (0, 0, 1, 0)


def test_an_older_version_may_have_read_the_newer_content_but_not_the_other_way_round():
    assert findings(outputs={**GOOD.outputs, OLD.stdout: b"new"}) == (0, 0, 0, 0)
    assert findings(outputs={**GOOD.outputs, NEW.stdout: b"old"}) == (0, 0, 1, 0)


def test_a_state_that_does_not_fit_the_command_is_wrong():
    assert findings(records=instead(FIRST, state="failed", exit_code=1, reason="why ever")) == (0, 0, 1, 0)


def test_success_without_a_run_is_wrong():
    assert findings(runs=[OLD.task_id, NEW.task_id]) == (0, 0, 1, 0)


def test_output_may_be_lost_with_its_node_only_and_a_part_of_it_may_be_there():
    lost = instead(FIRST, state="output_lost", reason="the node is gone", stdout=None, stderr=None)
    assert findings(records=lost) == (0, 0, 1, 0)
    assert findings(records=lost, lost_nodes=frozenset({"node-1"})) == (0, 0, 0, 0)


def test_a_reason_is_missing_where_a_record_is_not_succeeded_or_has_waited_without_one():
    lost = instead(FIRST, state="output_lost", reason="", stdout=None, stderr=None)
    assert findings(records=lost, lost_nodes=frozenset({"node-1"})) == (0, 0, 0, 1)
    assert findings(unexplained={FIRST.task_id: "'a' (task task-a-1): waited as queued"}) == (0, 0, 0, 1)


#: Names that the routes take: of `made` nodes upload everything, `again` is run again when its output is lost.
MADE, AGAIN, UPLOADED = "made-0000", "again-0003", "uploaded-0006"
ROUTED = [
    record(name, 1, **({"files": f"{name}/task-{name}-1/files/"} if name != UPLOADED else {}))
    for name in (MADE, AGAIN, UPLOADED)
]
OUTPUTS = {f"{one.files}made/copy.bin": b"one" for one in ROUTED if one.files}
OUTPUTS |= {one.stdout: b"one" for one in ROUTED} | {one.stderr: one.blob.encode() for one in ROUTED}
BY_ROUTES = Evidence(
    dropped=[drop(one.blob, 1, b"one") for one in ROUTED],
    current={one.blob: one.etag for one in ROUTED},
    records=ROUTED,
    tasks=[BatchHas(task_id=one.task_id, job_id="job-1", node_id=one.node_id) for one in ROUTED],
    runs=[one.task_id for one in ROUTED],
    outputs=OUTPUTS,
)
LOST = {"state": "output_lost", "reason": "the node is gone", "stdout": None, "stderr": None, "files": None}
GONE = frozenset({"node-1"})


def routed(name, evidence=BY_ROUTES, **changes):
    """Return the evidence with another record of this file, and the outputs that records name."""
    records = [replace(one, **changes) if one.blob == name else one for one in evidence.records]
    named = [name for one in records for name in (one.stdout, one.stderr, f"{one.files}made/copy.bin") if name]
    return replace(evidence, records=records, outputs={name: OUTPUTS[name] for name in named if name in OUTPUTS})


def faults_of(evidence):
    verdict = judge(evidence)
    return tuple(map(len, (verdict.run_twice, verdict.wrong_output, verdict.uploads_lost)))


def failing_uploads(evidence, name):
    tasks = [
        replace(task, failure_code="FileUploadContainerNotFound") if name in task.task_id else task
        for task in evidence.tasks
    ]
    return replace(evidence, tasks=tasks)


def test_what_routes_bring_is_not_complained_of():
    assert faults_of(BY_ROUTES) == (0, 0, 0)


def test_another_route_than_the_names_is_wrong():
    assert faults_of(routed(MADE, route="settings")) == (0, 1, 0)


@pytest.mark.parametrize("name", [MADE, AGAIN])
def test_a_file_that_a_command_made_must_be_there_byte_by_byte(name):
    copy = f"{name}/task-{name}-1/files/made/copy.bin"
    assert faults_of(replace(BY_ROUTES, outputs={**OUTPUTS, copy: b"onE"})) == (0, 1, 0)
    without_copy = {name: content for name, content in OUTPUTS.items() if name != copy}
    assert faults_of(replace(BY_ROUTES, outputs=without_copy)) == (0, 1, 0)
    made_again = frozenset({f"task-{name}-1"})
    assert faults_of(replace(BY_ROUTES, outputs=without_copy, lost_outputs=made_again)) == (0, 0, 0)


@pytest.mark.parametrize("name", [MADE, UPLOADED])
def test_what_nodes_upload_is_lost_only_where_the_upload_was_made_to_fail(name):
    lost = replace(routed(name, **LOST), lost_nodes=GONE)
    assert faults_of(lost) == (0, 0, 1)
    assert not judge(lost).is_good
    assert faults_of(failing_uploads(lost, name)) == (0, 0, 0)


def test_a_file_that_could_not_be_uploaded_is_a_named_failure_and_no_success():
    code = "FileUploadContainerNotFound"
    assert faults_of(failing_uploads(BY_ROUTES, MADE)) == (0, 1, 0)
    failed = {"state": "failed", "reason": "its files could not be uploaded"}
    assert faults_of(failing_uploads(routed(MADE, **failed), MADE)) == (0, 1, 0)
    named = routed(MADE, **failed, failure_code=code, files=None)
    assert faults_of(failing_uploads(named, MADE)) == (0, 0, 0)
    # Of standard output alone the exit code decides, once it has been copied.
    assert faults_of(failing_uploads(BY_ROUTES, UPLOADED)) == (0, 0, 0)


def test_an_attempt_may_follow_on_lost_output_where_the_route_says_so():
    def followed(name, first, state="output_lost"):
        second = replace(BY_ROUTES.records[1], blob=name, etag=f"{name}-1", task_id=f"task-{name}-1-r2")
        second = replace(second, stdout=None, stderr=None, files=None, state="failed", reason="x", route=None)
        changed = {**LOST, "state": state, "retried_as": first}
        evidence = replace(routed(name, **changed), lost_nodes=GONE)
        evidence = replace(evidence, records=[*evidence.records, second])
        return faults_of(evidence)[0]

    assert followed(AGAIN, first=f"task-{AGAIN}-1-r2") == 0
    assert followed(AGAIN, first=None) == 1
    assert followed(AGAIN, first="task-of-another") == 1
    assert followed(AGAIN, first=f"task-{AGAIN}-1-r2", state="succeeded") == 1
    assert followed(UPLOADED, first=f"task-{UPLOADED}-1-r2") == 1


def test_with_the_table_attempts_are_forgotten_that_followed_on_a_lost_node():
    tasks = [*BY_ROUTES.tasks, BatchHas(task_id=f"task-{AGAIN}-1-r2", job_id="job-1", node_id="node-2")]
    new_table = replace(BY_ROUTES, tasks=tasks, is_table_new=True)
    assert faults_of(new_table) == (1, 0, 0)
    assert faults_of(replace(new_table, lost_nodes=GONE)) == (0, 0, 0)


def test_nodes_that_neither_vanished_nor_are_left_were_removed_by_the_app():
    assert judge(BY_ROUTES).nodes_removed == 1
    # A preempted node comes back under its name.
    assert judge(replace(BY_ROUTES, lost_nodes=GONE)).nodes_removed == 1
    assert judge(replace(BY_ROUTES, vanished_nodes=GONE)).nodes_removed == 0
    assert judge(replace(BY_ROUTES, nodes_left=GONE)).nodes_removed == 0


def test_an_end_that_was_not_announced_or_as_another_one_is_found_and_one_that_was_announced_twice_is_not():
    def unannounced(states, **changes):
        announced = {**GOOD.announced, FIRST.task_id: states}
        return list(judge(replace(GOOD, announced=announced, **changes)).unannounced)

    assert unannounced([]) == ["'a' (task task-a-1): succeeded, and announced as nothing"]
    assert unannounced(["failed"]) == ["'a' (task task-a-1): succeeded, and announced as failed"]
    both = ["failed", "succeeded"]
    assert unannounced(both) == ["'a' (task task-a-1): succeeded, and announced as failed, succeeded"]
    assert unannounced(both, is_table_new=True) == []
    assert unannounced(["succeeded", "succeeded"]) == []
    assert judge(replace(GOOD, announced={FIRST.task_id: ["succeeded"] * 3})).announced_again == 2
