"""The verdict is worth as much as what it finds: each kind of evidence that something went wrong."""

from dataclasses import replace
from datetime import UTC, datetime

from chaos.dropper import Dropped
from chaos.evidence import BatchHas, Evidence, Recorded
from chaos.files import Version
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
)


def findings(**changes):
    verdict = judge(replace(GOOD, **changes))
    found = (verdict.lost, verdict.run_twice, verdict.wrong_output, verdict.reasons_missing)
    assert verdict.is_good == (not any(found))
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
