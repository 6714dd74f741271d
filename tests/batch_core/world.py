"""A small world around the app: files, commands that end when they are released, and a process that may end anywhere.

It knows what it did, and so what must have become of every file when all is quiet again.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from azure.batch.models import BatchJobDisableOptions, BatchTaskState, DisableBatchJobOption
from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError

from batch_core.announce import announce
from batch_core.app import App, app_on
from batch_core.cancel import IN_FLIGHT
from batch_core.cli import provision
from batch_core.collect import collect
from batch_core.errors import Unavailable
from batch_core.naming import BlobVersion, task_id
from batch_core.reconcile import reconcile
from batch_core.state.entities import to_record
from batch_core.state.record import TaskRecord, TaskState
from batch_core.sweep import sweep
from tests.batch_core.commands import command_in
from tests.batch_core.cuts import Cut, End, cut_short
from tests.batch_core.events import events_of, unsent
from tests.batch_core.steps import closed, deleted, dropped, later, output, with_routes
from tests.batch_emulator.control_client import control

#: Which state may follow which, as docs/architecture.md says. A record goes from `queued` to an end where nobody could
#: write `submitted` in between, and back from `submitted` to `queued` where its job was ended before the task ran.
ENDS = frozenset({TaskState.SUCCEEDED, TaskState.FAILED, TaskState.OUTPUT_LOST, TaskState.CANCELLED})
ARROWS = {
    TaskState.QUEUED: ENDS | {TaskState.SUBMITTED, TaskState.REJECTED},
    TaskState.SUBMITTED: ENDS | {TaskState.QUEUED},
}
#: What stays as it is once a record is final is all but the names of the attempts before and after it.
_NEXT = {"retried_as": None, "retry_of": None}
PATIENCE_SECONDS = 20


@dataclass(kw_only=True)
class Dropped:
    """One version of a file, and what its command prints and how that ends."""

    version: BlobVersion
    content: bytes
    exit_code: int


@dataclass(kw_only=True)
class World:
    """One app on containers, a table and jobs of its own; `app` is its present process."""

    app: App
    folder: Path
    files: dict[str, list[Dropped]] = field(default_factory=lambda: defaultdict(list))
    #: What may have become of single tasks beside what their command says.
    may_end: dict[str, set[TaskState]] = field(default_factory=lambda: defaultdict(set))
    #: Batch runs a task again whose node was lost under it.
    lost_nodes: int = 0
    seen: dict[str, TaskRecord] = field(default_factory=dict)
    #: What was announced of its tasks, where it has a queue for that.
    events: list[dict] = field(default_factory=list)

    @classmethod
    async def new(cls, host: App, number: int, folder: Path) -> "World":
        """Make a world with everything of its own but the pool."""
        settings = replace(
            host.settings,
            input_container=f"{host.settings.input_container}-{number}",
            output_container=f"{host.settings.output_container}-{number}",
            table_name=f"{host.settings.table_name}x{number}",
            job_prefix=f"world{number}",
        )
        clients = host.clients
        if clients.queue is not None:
            queue = copy(clients.queue)
            queue.name = f"{queue.name}-{number}"
            clients = replace(clients, queue=queue)
        app = app_on(clients, settings)
        *containers_and_table, _ = provision.resources(app)
        for resource in containers_and_table:
            await provision.make(resource)
        return cls.around(app, folder / str(number))

    @classmethod
    def around(cls, app: App, folder: Path) -> "World":
        """Make a world whose app waits for nothing: no grace, no patience."""
        folder.mkdir(parents=True)
        intake = replace(app.settings.intake, sweep_grace=timedelta(0), explain_after=timedelta(0))
        task = replace(app.settings.task, command_line=command_in(folder))
        settings = replace(app.settings, intake=intake, task=task, output_patience=timedelta(0))
        return cls(app=app_on(app.clients, settings), folder=folder)

    # What happens to files

    async def drop(self, name: str, *, exit_code: int = 0) -> BlobVersion:
        content = f"{name}, version {len(self.files[name])}\nexit {exit_code}\n".encode()
        version = await dropped(self.app, name, content)
        self.files[name].append(Dropped(version=version, content=content, exit_code=exit_code))
        return version

    async def end(self, task: str) -> None:
        """Let the task's command end, and wait until Batch has seen that, if it has the task."""
        (self.folder / f"{task}.end").touch()
        record = (await self.records()).get(task)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while record and await self.is_live(record):
                await asyncio.sleep(0.01)

    async def is_live(self, record: TaskRecord) -> bool:
        """Return whether Batch has the task and has not completed it."""
        try:
            task = await self.app.clients.batch.get_task(record.job_id, record.task_id, select=["id", "state"])
        except AzureError:
            return False
        return task.state != BatchTaskState.COMPLETED

    async def started(self, task: str) -> None:
        """Wait until the task's command runs."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not self._runs(task):
                await asyncio.sleep(0.01)

    # What happens to the app

    async def do[T](self, work: Callable[[App], Awaitable[T]], cut: Cut | None = None) -> T | None:
        """Let the app work, perhaps not to the end; after a crash a new process takes its place."""
        if cut is None:
            return await work(self.app)
        result = await cut_short(work(self.app), cut)
        if cut.is_done and cut.end is End.CRASH:
            self.restart()
        return result

    def change_routes(self, text: str) -> None:
        """Let another file of routes be deployed."""
        self.app = with_routes(self.app, self.folder / "routes.toml", text)

    def restart(self) -> None:
        self.app = app_on(self.app.clients, self.app.settings)

    # What happens to Batch

    async def forget_task(self, task: str) -> None:
        """Let somebody delete the task from Batch, once its record says that Batch has it."""
        record = (await self.records()).get(task)
        if record is None or record.state is not TaskState.SUBMITTED:
            return
        with suppress(ResourceNotFoundError):
            await self.app.clients.batch.delete_task(record.job_id, task)
            self.may_end[task] |= {TaskState.OUTPUT_LOST}

    async def delete_jobs(self) -> None:
        """Let somebody delete every job, unless one has a task that no record knows of yet."""
        if not await self._is_all_noted():
            return
        for job in await self._open_jobs(TaskState.OUTPUT_LOST):
            with suppress(ResourceNotFoundError):
                await deleted(self.app, job)

    async def close_jobs(self) -> None:
        """Let somebody terminate every job: a task that is ended as it starts leaves no output."""
        for job in await self._open_jobs(TaskState.FAILED, TaskState.OUTPUT_LOST):
            with suppress(HttpResponseError):
                await closed(self.app, job)

    async def disable_jobs(self) -> None:
        """Let somebody keep every job from starting tasks; what runs goes on."""
        options = BatchJobDisableOptions(disable_tasks=DisableBatchJobOption.WAIT)
        for job in await self.app.registry.jobs():
            with suppress(HttpResponseError):
                await self.app.clients.batch.begin_disable_job(job.job_id, options)

    async def _enable_jobs(self) -> None:
        for job in await self.app.registry.jobs():
            with suppress(HttpResponseError):
                await self.app.clients.batch.begin_enable_job(job.job_id)

    async def _open_jobs(self, *ends: TaskState) -> list[str]:
        open_records = [one for one in (await self.records()).values() if not one.state.is_final]
        for record in open_records:
            self.may_end[record.task_id] |= set(ends)
        return [job.job_id for job in await self.app.registry.jobs()]

    async def _is_all_noted(self) -> bool:
        queued = [one for one in (await self.records()).values() if one.state is TaskState.QUEUED]
        return not any([await self.app.batch.has_task(one.job_id, one.task_id) for one in queued])

    async def lose_node(self) -> None:
        """Let the busiest node go with its tasks, which Batch runs again, and with output that nobody fetched."""
        open_records = [one for one in (await self.records()).values() if not one.state.is_final]
        for record in open_records:
            self.may_end[record.task_id] |= {TaskState.OUTPUT_LOST}
        self.lost_nodes += 1
        path = f"/pools/{self.app.settings.pool.id}/nodes/any/lose"
        reply = await control(self.app.settings.batch.endpoint, "POST", path, {"replace": True})
        # Between two losses there may be none yet.
        assert reply.status in {204, 404}, reply.body

    # What is looked at

    async def records(self) -> dict[str, TaskRecord]:
        """Read the whole table, and see that what became of each record since the last look is allowed."""
        table = self.app.clients.tables.get_table_client(self.app.settings.table_name)
        entities = [one async for one in table.list_entities() if one["PartitionKey"].isdigit()]
        open_ids = {one["task_id"] for one in entities if one["RowKey"].startswith("open-")}
        records = [to_record(one).record for one in entities if one["RowKey"][0].isdigit()]
        for record in records:
            assert (record.task_id in open_ids) == (not record.state.is_final), record
            self._check_step(self.seen.get(record.task_id), record)
        self.seen = {record.task_id: record for record in records}
        return self.seen

    def _check_step(self, before: TaskRecord | None, now: TaskRecord) -> None:
        assert now.state is not TaskState.QUEUED or now.reason, now
        assert not now.state.is_final or now.closed_at, now
        if before is None or before.state is now.state:
            assert before is None or not now.state.is_final or replace(now, **_NEXT) == replace(before, **_NEXT)
        else:
            assert now.state in ARROWS[before.state], (before, now)

    async def task_of(self, name: str) -> str | None:
        """Return the newest attempt at the newest version of the file, if it is recorded."""
        records = await self.records()
        versions = [one.version for one in self.files.get(name, [])]
        attempts = [one for one in records.values() if versions and one.version == versions[-1]]
        return max(attempts, key=lambda one: one.attempt).task_id if attempts else None

    def _runs(self, task: str) -> list[str]:
        file = self.folder / f"{task}.runs"
        return file.read_text().split() if file.exists() else []

    # What must be true in the end

    async def settle(self) -> None:
        """Let all ticks run in fair weather until nothing is open, then see that every file came to what it should."""
        (self.folder / "all.end").touch()
        await self._enable_jobs()
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while not await self._is_quiet():
            assert asyncio.get_running_loop().time() < deadline, [r for r in self.seen.values() if not r.state.is_final]
            await asyncio.sleep(0.15)
        (self.folder / "all.end").unlink()
        await self.check()

    async def _is_quiet(self) -> bool:
        try:
            found = await sweep(self.app)
            # By then no call is under way that could still add a task that is cancelled, or whose route has changed.
            then = later(self.app, seconds=IN_FLIGHT.total_seconds() + 400)
            await reconcile(then)
            # As each function does when its tick has ended.
            await announce(then)
            await collect(self.app)
        except Unavailable:
            # A tick that failed is followed by another.
            return False
        is_done = not found.submitted and all(one.state.is_final for one in (await self.records()).values())
        # What the queue did not take at once, on a busy machine, the next tick sends.
        return is_done and (self.app.queue is None or await unsent(self.app) == [])

    async def check(self) -> None:
        records = await self.records()
        for name, versions in self.files.items():
            # One that was overwritten before anybody saw it leaves no trace.
            assert task_id(versions[-1].version) in records, name
        for record in records.values():
            self._check_chain(record, records)
            await self._check_end(record)
        await self._check_batch(records)
        await self._check_events(records)

    def _check_chain(self, record: TaskRecord, records: dict[str, TaskRecord]) -> None:
        """See that every attempt has one before it, and that those that name each other do so both ways."""
        assert record.task_id == task_id(record.version, record.attempt)
        assert record.attempt == 1 or task_id(record.version, record.attempt - 1) in records, record
        if record.retry_of:
            assert records[record.retry_of].retried_as == record.task_id, record
        if record.retried_as and record.retried_as in records:
            assert records[record.retried_as].retry_of == record.task_id, record

    async def _check_end(self, record: TaskRecord) -> None:
        versions = self.files[record.blob]
        index = [one.version for one in versions].index(record.version)
        # A node reads the file as it is then, perhaps overwritten: the README says so.
        readable = versions[index:]
        natural = {TaskState.FAILED if one.exit_code else TaskState.SUCCEEDED for one in readable}
        if record.cancel_requested_at:
            natural.add(TaskState.CANCELLED)
        assert record.state in natural | self.may_end[record.task_id], record
        assert (record.state is TaskState.SUCCEEDED) == (record.reason is None), record
        if record.state is TaskState.SUCCEEDED or (record.state is TaskState.FAILED and record.exit_code):
            # Who is killed as it starts has printed nothing yet: it did not end as its file says.
            is_killed = record.exit_code and record.exit_code not in {one.exit_code for one in readable}
            printed = [one.content for one in readable] + ([b""] if is_killed else [])
            assert await output(self.app, record.stdout) in printed, record
            assert (record.stderr, record.stderr_size) == (None, 0), record

    async def _check_events(self, records: dict[str, TaskRecord]) -> None:
        """See that each end is announced, and nothing else is; a crash may announce one twice."""
        if self.app.queue is None:
            return
        self.events += await events_of(self.app)
        announced = {(one["data"]["task_id"], one["data"]["state"], one["time"]) for one in self.events}
        ends = {(one.task_id, one.state, one.closed_at.isoformat().replace("+00:00", "Z")) for one in records.values()}
        assert (announced - ends, ends - announced) == (set(), set())

    async def _check_batch(self, records: dict[str, TaskRecord]) -> None:
        """See that no task ran more often than Batch itself started it, be it in the next job where one ended."""
        jobs = [job.job_id for job in await self.app.registry.jobs()]
        in_jobs = Counter([task async for task in self._tasks(jobs)])
        assert not [task for task, count in in_jobs.items() if count > 1 + self.lost_nodes]
        assert set(in_jobs) <= set(records)
        for task, record in records.items():
            runs = self._runs(task)
            # One that ran on a node that is gone waits again: if its job ends then, it goes on in the next.
            assert len(set(runs)) <= 1 + self.lost_nodes, (runs, record)
            assert len(runs) <= 1 + self.lost_nodes, (runs, record)
            assert runs or record.state is not TaskState.SUCCEEDED, record
            assert not runs or record.state is not TaskState.REJECTED, record
            assert not runs or record.reason != "cancelled before it ran", record

    async def _tasks(self, jobs: Iterable[str]):
        for job in jobs:
            with suppress(ResourceNotFoundError):
                # What is active now was left behind in a job that has ended.
                async for task in self.app.clients.batch.list_tasks(job, select=["id"], filter="state ne 'active'"):
                    yield task.id
