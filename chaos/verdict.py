"""What the evidence says: which versions were lost, ran twice, have a wrong output, or wait for no reason.

What is expected of each version that was dropped:

    the newest of its file     one record, in one final state; where the route says so, further ones follow on records
                               whose output was lost
    an older one               the same, or no record at all: it was overwritten before anybody saw it. Its output may
                               be that of a newer version, for a node reads the file when the task runs
    its output                 in the container, unless that was made again when the task had completed
                               If the table was made again, Batch may have its task and nothing be recorded: of what
                               was overwritten, nobody informs the new table
    its command                ran once, and at most once more for each time that Batch sent the task back to its queue
    its end                    announced, once at least, as the state that the record has
    its route                  the one that takes its name
    its final state            what the command does for such a name; `output_lost` only on a node that was lost, and of
                               what nodes upload only if the upload failed. An upload fails where there is no output
                               container, and the file with it if more than what the command prints was to come
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from chaos import files
from chaos.dropper import Dropped
from chaos.evidence import BatchHas, Evidence, Recorded
from chaos.routes import MADE, route_of

_RETRY: Final = re.compile(r"-r\d+$")
#: The name of an output, and in it the id of its task.
_OUTPUT: Final = re.compile(r".*/([^/]+)/(?:stdout\.txt|stderr\.txt|files/made/copy\.bin)", re.DOTALL)
_NO_CONTAINER: Final = "FileUploadContainerNotFound"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The six lists of what must not be, each entry a line that names the version, and what else is worth knowing."""

    lost: Sequence[str]
    run_twice: Sequence[str]
    wrong_output: Sequence[str]
    uploads_lost: Sequence[str]
    reasons_missing: Sequence[str]
    unannounced: Sequence[str]
    states: Counter[str]
    detected_by: Counter[str]
    never_seen: int
    forgotten: int
    run_again: int
    attempts: int
    announced_again: int
    nodes_removed: int

    @property
    def is_good(self) -> bool:
        bad = (self.lost, self.run_twice, self.wrong_output, self.uploads_lost, self.reasons_missing, self.unannounced)
        return not any(bad)


def judge(evidence: Evidence) -> Verdict:
    """Compare everything with everything."""
    recorded = {(record.blob, record.etag) for record in evidence.records}
    runs = Counter(evidence.runs)
    return Verdict(
        lost=list(_lost(evidence)),
        run_twice=[*_recorded_twice(evidence), *_ran_twice(evidence)],
        wrong_output=list(_wrong_output(evidence)),
        uploads_lost=list(_uploads_lost(evidence)),
        reasons_missing=list(_reasons_missing(evidence)),
        unannounced=list(_unannounced(evidence)),
        states=Counter(record.state for record in evidence.records),
        detected_by=Counter(record.detected_by for record in evidence.records),
        never_seen=sum(_key(dropped) not in recorded for dropped in evidence.dropped),
        forgotten=len(_forgotten(evidence)),
        run_again=sum(count > 1 for count in runs.values()),
        attempts=len(evidence.records) - len(recorded),
        announced_again=sum(len(states) - 1 for states in evidence.announced.values()),
        nodes_removed=len(_nodes_that_ran(evidence) - evidence.vanished_nodes - evidence.nodes_left),
    )


def _nodes_that_ran(evidence: Evidence) -> set[str]:
    return {task.node_id for task in evidence.tasks if task.node_id}


def _key(dropped: Dropped) -> tuple[str, str]:
    return dropped.version.name, dropped.etag


def _lost(evidence: Evidence) -> Iterator[str]:
    recorded = {(record.blob, record.etag) for record in evidence.records}
    newest = {dropped.version.name: dropped for dropped in evidence.dropped}
    for name, dropped in newest.items():
        if evidence.current.get(name) != dropped.etag:
            yield f"{name!r}: the container does not hold what was dropped last"
        elif _key(dropped) not in recorded:
            yield f"{name!r}, version {dropped.version.number}: it has no record"
    for record in evidence.records:
        if not record.is_final:
            yield f"{_named(record)}: still {record.state}: {record.reason}"
        elif record.task_id in evidence.open_rows:
            yield f"{_named(record)}: {record.state}, and still in the index of open work"


def _forgotten(evidence: Evidence) -> set[str]:
    """Return the tasks that only a table knew that is gone: first attempts, and those after one on a lost node."""
    known = {record.task_id for record in evidence.records}
    tasks = {task.task_id: task for task in evidence.tasks}
    unknown = tasks.keys() - known if evidence.is_table_new else set()
    lost = {_RETRY.sub("", task.task_id) for task in tasks.values() if task.node_id in evidence.lost_nodes}
    return {task_id for task_id in unknown if not _RETRY.search(task_id) or _RETRY.sub("", task_id) in lost}


def _recorded_twice(evidence: Evidence) -> Iterator[str]:
    dropped = {_key(one) for one in evidence.dropped}
    records: defaultdict[tuple[str, str], list[Recorded]] = defaultdict(list)
    for record in evidence.records:
        records[record.blob, record.etag].append(record)
    for (name, etag), attempts in records.items():
        if not _follow_on_each_other(attempts):
            yield f"{name!r}, ETag {etag}: {len(attempts)} records"
        if (name, etag) not in dropped:
            yield f"{name!r}, ETag {etag}: a record of a version that was never dropped"


def _ran_twice(evidence: Evidence) -> Iterator[str]:
    known = {record.task_id for record in evidence.records} | _forgotten(evidence)
    jobs: defaultdict[str, list[str]] = defaultdict(list)
    requeues: Counter[str] = Counter()
    for task in evidence.tasks:
        jobs[task.task_id].append(task.job_id)
        requeues[task.task_id] += task.requeues
    for task_id, job_ids in jobs.items():
        if task_id not in known:
            yield f"task {task_id}: Batch has it, and nothing is recorded"
        if len(job_ids) > 1:
            yield f"task {task_id}: in several jobs ({', '.join(job_ids)})"
    for task_id, runs in Counter(evidence.runs).items():
        if runs > 1 + requeues[task_id]:
            yield f"task {task_id}: ran {runs} times, sent back by Batch {requeues[task_id]} times"


def _follow_on_each_other(attempts: Sequence[Recorded]) -> bool:
    """Return whether every attempt but one has lost its output, and names another one that follows, within bounds."""
    lost = [record for record in attempts if record.retried_as]
    following = {record.retried_as for record in lost}
    return (
        len(attempts) - 1 == len(lost) == len(following) <= route_of(attempts[0].blob).lost_output_retries
        and following < {record.task_id for record in attempts}
        and all(record.state == "output_lost" for record in lost)
    ) or len(attempts) == 1


def _wrong_output(evidence: Evidence) -> Iterator[str]:
    by_key = {_key(dropped): dropped for dropped in evidence.dropped}
    runs = Counter(evidence.runs)
    tasks = {task.task_id: task for task in evidence.tasks}
    expected: set[str] = set()
    for record in evidence.records:
        dropped = by_key.get((record.blob, record.etag))
        if dropped is None or not record.is_final:
            continue
        expected |= set(_outputs_of(record))
        problem = _wrong(evidence, dropped, record, runs[record.task_id], tasks.get(record.task_id))
        if problem:
            yield f"{_named(record)}: {problem}"
    # Of an output that was lost or is not complete yet, a part may be there.
    partial = _forgotten(evidence)
    partial |= {record.task_id for record in evidence.records if record.state == "output_lost" or not record.is_final}
    for name in evidence.outputs.keys() - expected:
        match = _OUTPUT.fullmatch(name)
        if match is None or match[1] not in partial:
            yield f"output {name!r} belongs to no record"


def _outputs_of(record: Recorded) -> Iterator[str]:
    yield from (name for name in (record.stdout, record.stderr) if name)
    if record.files:
        yield f"{record.files}{MADE}"


def _wrong(evidence: Evidence, dropped: Dropped, record: Recorded, runs: int, task: BatchHas | None) -> str:
    """Return what is wrong with the end of a version, "" if it is as expected."""
    name = dropped.version.name
    route = route_of(name)
    if record.route != route.name:
        return f"route {record.route} took it, not {route.name}"
    if record.state == "output_lost":
        return "" if record.node_id in evidence.lost_nodes else f"its node was never lost: {record.reason}"
    code = files.exit_code(name)
    is_upload_failed = route.has_files and task is not None and task.failure_code == _NO_CONTAINER
    state = "failed" if code or is_upload_failed else "succeeded"
    if (record.state, record.exit_code) != (state, code):
        return f"{record.state} with exit code {record.exit_code}, not {state} with {code}: {record.reason}"
    if not runs:
        return f"{record.state}, and the command never ran"
    if is_upload_failed and record.failure_code != _NO_CONTAINER:
        return f"its files could not be uploaded, and it says {record.failure_code}"
    return _wrong_files(evidence, dropped, record, has_files=route.has_files and not is_upload_failed)


def _wrong_files(evidence: Evidence, dropped: Dropped, record: Recorded, *, has_files: bool) -> str:
    name, number = dropped.version.name, dropped.version.number
    contents = [one.version.content for one in evidence.dropped if one.version.name == name][number - 1 :]
    allowed = {
        "stdout": (record.stdout, [files.stdout(name, content) for content in contents]),
        "stderr": (record.stderr, [files.stderr(name)]),
    }
    if has_files:
        allowed["copy"] = (f"{record.files}{MADE}", contents)
    for what, (output, right) in allowed.items():
        found = evidence.outputs.get(output or "")
        if found is None and record.task_id not in evidence.lost_outputs:
            return f"its {what} is not there"
        if found is not None and found not in right:
            return f"its {what} is not what the command wrote"
    return ""


def _uploads_lost(evidence: Evidence) -> Iterator[str]:
    """Yield what was lost though its node was to upload it and nothing kept it from that."""
    tasks = {task.task_id: task for task in evidence.tasks}
    for record in evidence.records:
        task = tasks.get(record.task_id)
        is_made_to_fail = task is not None and task.failure_code == _NO_CONTAINER
        if record.state == "output_lost" and route_of(record.blob).is_uploaded and not is_made_to_fail:
            yield f"{_named(record)}: {record.reason}"


def _reasons_missing(evidence: Evidence) -> Iterator[str]:
    for record in evidence.records:
        if record.state != "succeeded" and not record.reason:
            yield f"{_named(record)}: {record.state}"
    yield from evidence.unexplained.values()


def _unannounced(evidence: Evidence) -> Iterator[str]:
    for record in evidence.records:
        states = evidence.announced.get(record.task_id, ())
        # With a table that was made again, a task whose end was announced ends once more.
        is_right = record.state in states and (evidence.is_table_new or set(states) == {record.state})
        if record.is_final and not is_right:
            yield f"{_named(record)}: {record.state}, and announced as {', '.join(states) or 'nothing'}"


def _named(record: Recorded) -> str:
    return f"{record.blob!r} (task {record.task_id})"
