"""What the evidence says: which versions were lost, ran twice, have a wrong output, or wait for no reason.

What is expected of each version that was dropped:

    the newest of its file     one record, in one final state
    an older one               the same, or no record at all: it was overwritten before anybody saw it. Its output may
                               be that of a newer version, for a node reads the file when the task runs
    its output                 in the container, unless that was made again when the task had completed
                               If the table was made again, Batch may have its task and nothing be recorded: of what
                               was overwritten, nobody informs the new table
    its command                ran once, and at most once more for each time that Batch sent the task back to its queue
    its final state            what the command does for such a name; `output_lost` only on a node that was lost
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from chaos import files
from chaos.dropper import Dropped
from chaos.evidence import Evidence, Recorded

_RETRY: Final = re.compile(r"-r\d+$")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The four lists of what must not be, each entry a line that names the version, and what else is worth knowing."""

    lost: Sequence[str]
    run_twice: Sequence[str]
    wrong_output: Sequence[str]
    reasons_missing: Sequence[str]
    states: Counter[str]
    detected_by: Counter[str]
    never_seen: int
    forgotten: int
    run_again: int

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.run_twice or self.wrong_output or self.reasons_missing)


def judge(evidence: Evidence) -> Verdict:
    """Compare everything with everything."""
    recorded = {(record.blob, record.etag) for record in evidence.records}
    runs = Counter(evidence.runs)
    return Verdict(
        lost=list(_lost(evidence)),
        run_twice=list(_run_twice(evidence)),
        wrong_output=list(_wrong_output(evidence)),
        reasons_missing=list(_reasons_missing(evidence)),
        states=Counter(record.state for record in evidence.records),
        detected_by=Counter(record.detected_by for record in evidence.records),
        never_seen=sum(_key(dropped) not in recorded for dropped in evidence.dropped),
        forgotten=len(_forgotten(evidence)),
        run_again=sum(count > 1 for count in runs.values()),
    )


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
    """Return the tasks that only a table knew that is gone: first attempts, for no version is tried a second time."""
    known = {record.task_id for record in evidence.records}
    unknown = {task.task_id for task in evidence.tasks} - known if evidence.is_table_new else set()
    return {task_id for task_id in unknown if not _RETRY.search(task_id)}


def _run_twice(evidence: Evidence) -> Iterator[str]:
    dropped = {_key(one) for one in evidence.dropped}
    records = Counter((record.blob, record.etag) for record in evidence.records)
    for (name, etag), count in records.items():
        if count > 1:
            yield f"{name!r}, ETag {etag}: {count} records"
        if (name, etag) not in dropped:
            yield f"{name!r}, ETag {etag}: a record of a version that was never dropped"
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


def _wrong_output(evidence: Evidence) -> Iterator[str]:
    by_key = {_key(dropped): dropped for dropped in evidence.dropped}
    runs = Counter(evidence.runs)
    expected: set[str] = set()
    for record in evidence.records:
        dropped = by_key.get((record.blob, record.etag))
        if dropped is None or not record.is_final:
            continue
        expected |= {name for name in (record.stdout, record.stderr) if name}
        problem = _wrong(evidence, dropped, record, runs[record.task_id])
        if problem:
            yield f"{_named(record)}: {problem}"
    # Of an output that was lost or is not complete yet, a part may be there.
    partial = _forgotten(evidence)
    partial |= {record.task_id for record in evidence.records if record.state == "output_lost" or not record.is_final}
    for name in evidence.outputs.keys() - expected:
        if name.split("/")[-2] not in partial:
            yield f"output {name!r} belongs to no record"


def _wrong(evidence: Evidence, dropped: Dropped, record: Recorded, runs: int) -> str:
    """Return what is wrong with the end of a version, "" if it is as expected."""
    name = dropped.version.name
    if record.state == "output_lost":
        return "" if record.node_id in evidence.lost_nodes else f"its node was never lost: {record.reason}"
    code = files.exit_code(name)
    state = "failed" if code else "succeeded"
    if (record.state, record.exit_code) != (state, code):
        return f"{record.state} with exit code {record.exit_code}, not {state} with {code}: {record.reason}"
    if not runs:
        return f"{record.state}, and the command never ran"
    return _wrong_files(evidence, dropped, record)


def _wrong_files(evidence: Evidence, dropped: Dropped, record: Recorded) -> str:
    name, number = dropped.version.name, dropped.version.number
    printed, errors = (evidence.outputs.get(file or "") for file in (record.stdout, record.stderr))
    if None in {printed, errors} and record.task_id in evidence.lost_outputs:
        return ""
    contents = [one.version.content for one in evidence.dropped if one.version.name == name]
    if printed not in [files.stdout(name, content) for content in contents[number - 1 :]]:
        return "its stdout is not what the command printed" if printed is not None else "its stdout is not there"
    return "" if errors == files.stderr(name) else "its stderr is not what the command printed"


def _reasons_missing(evidence: Evidence) -> Iterator[str]:
    for record in evidence.records:
        if record.state != "succeeded" and not record.reason:
            yield f"{_named(record)}: {record.state}"
    yield from evidence.unexplained.values()


def _named(record: Recorded) -> str:
    return f"{record.blob!r} (task {record.task_id})"
