import asyncio
import os
import shutil
from dataclasses import replace
from datetime import timedelta
from itertools import batched
from unittest.mock import AsyncMock

import pytest
from azure.batch.models import BatchJobDisableOptions, DisableBatchJobOption

from batch_core import collect as collect_module
from batch_core.app import open_app
from batch_core.collect import MIN_OUTPUT_TRIES, collect
from batch_core.errors import Missing, Unavailable
from batch_core.state.changes import Closing
from batch_core.state.record import DetectedBy, Outcome, TaskState
from batch_core.submit import submit
from tests.batch_core.steps import (
    closed,
    collected,
    completed,
    dropped,
    later,
    output,
    outputs,
    submitted,
    with_command,
)
from tests.batch_emulator.control_client import faults

BINARY = bytes(range(256)) * 40


@pytest.mark.parametrize("content", [b"some text\n", b"", BINARY], ids=["text", "empty", "binary"])
async def test_what_a_command_printed_arrives_byte_by_byte(app, content):
    record = await collected(app, (await submitted(app, "dir/a file.bin", content)).task_id)
    assert (record.state, record.exit_code) == (TaskState.SUCCEEDED, 0)
    assert record.stdout == f"dir/a file.bin/{record.task_id}/stdout.txt"
    assert await output(app, record.stdout) == content
    assert (record.stdout_size, record.stderr, record.stderr_size) == (len(content), None, 0)
    assert await outputs(app) == [record.stdout]
    assert record.node_id
    assert record.submitted_at <= record.closed_at
    assert record.started_at <= record.ended_at


async def test_output_of_many_blocks_arrives_whole(app):
    command = with_command(app, '/bin/bash -c \'cat "$INPUT_FILE" "$INPUT_FILE" "$INPUT_FILE"\'')
    content = os.urandom(5 * 1024 * 1024 + 17)
    record = await collected(app, (await submitted(command, "large.bin", content)).task_id)
    assert await output(app, record.stdout) == content * 3


async def test_a_failing_command_ends_as_failed_and_its_output_is_kept(app):
    command = with_command(app, "/bin/bash -c 'echo out; echo err >&2; exit 7'")
    record = await collected(app, (await submitted(command)).task_id)
    assert (record.state, record.exit_code) == (TaskState.FAILED, 7)
    assert record.reason == "the command ended with exit code 7"
    assert record.failure_code == "FailureExitCode"
    assert await output(app, record.stdout) == b"out\n"
    assert await output(app, record.stderr) == b"err\n"
    assert (record.stdout_size, record.stderr_size) == (4, 4)


async def test_a_command_that_takes_too_long_is_stopped_and_failed(app):
    limited = replace(app.settings.task, max_wall_clock_time=timedelta(seconds=1), command_line="/bin/sleep 600")
    slow = replace(app, settings=replace(app.settings, task=limited))
    record = await collected(app, (await submitted(slow)).task_id)
    assert record.state is TaskState.FAILED
    assert record.failure_code == "TaskEnded"
    assert record.reason == "the command ran longer than its time limit of 1 second and was stopped"


async def test_a_command_that_does_not_exist_is_failed_with_a_reason(app):
    record = await collected(app, (await submitted(with_command(app, "/no/such/program"))).task_id)
    assert record.state is TaskState.FAILED
    assert "CommandProgramNotFound" in record.reason


async def test_an_input_that_is_gone_before_the_node_reads_it_is_failed_with_a_reason(app, monkeypatch):
    version = await dropped(app, "a.txt", b"text")
    await app.clients.blobs.get_blob_client(version.container, version.name).delete_blob()
    record = (await submit(app, [version], detected_by=DetectedBy.TRIGGER))[0].record
    record = await collected(app, record.task_id)
    assert record.state is TaskState.FAILED
    assert record.failure_code.startswith("Blob")
    assert "sig=" not in record.failure_message


async def disabled(app, job_id):
    await app.jobs.make(job_id)
    options = BatchJobDisableOptions(disable_tasks=DisableBatchJobOption.WAIT)
    await (await app.clients.batch.begin_disable_job(job_id, options, polling_interval=0.05)).result()


@pytest.mark.slow
async def test_an_idle_tick_over_a_thousand_finished_tasks_is_one_list_call(app, calls):
    await app.clients.blobs.get_blob_client(app.settings.input_container, "x").upload_blob(b"")
    version = await app.inputs.version_of("x")
    versions = [replace(version, name="x", etag=f"0x{number}") for number in range(1000)]
    # Batch completes a task that is terminated before it ran: a thousand processes would show nothing more.
    await disabled(app, await app.jobs.current())
    submissions = await submit(app, versions, detected_by=DetectedBy.TRIGGER)
    records = [submission.record for submission in submissions]
    for some in batched(records, 50, strict=True):
        await asyncio.gather(*(app.batch.terminate_task(one.job_id, one.task_id) for one in some))
    counts = (await app.clients.batch.get_job_task_counts(records[0].job_id)).task_counts
    assert (counts.completed, counts.active) == (1000, 0)
    # Each is closed as a tick does it, without the outputs: those are three thousand calls that nothing here looks at.
    done = Outcome(state=TaskState.SUCCEEDED)
    await app.table.close([Closing(task_id=record.task_id, outcome=done) for record in records], app.now())
    calls.clear()
    report = await collect(app)
    assert (report.listed, sum(report.states.values()), report.postponed) == (1000, 0, 0)
    assert [call.service for call in calls].count("batch") == 1
    # Which jobs there are, and that nothing of what was listed is still open.
    assert [call.service for call in calls].count("table") == 2
    assert len(calls) == 3


async def test_an_idle_tick_whose_watermark_has_passed_everything_lists_nothing(app, calls, monkeypatch):
    await collected(app, (await submitted(app)).task_id)
    monkeypatch.setattr(collect_module, "OVERLAP", timedelta(seconds=-5))
    app.lookbacks.keep_only([])
    await collect(app)
    calls.clear()
    assert (await collect(app)).listed == 0
    assert [(call.service, call.method) for call in calls] == [("table", "GET"), ("batch", "GET")]


async def test_what_arrives_while_others_are_being_closed_is_closed_by_the_same_tick(app, monkeypatch):
    records = [await submitted(app, name) for name in ("a", "b", "c")]
    await completed(app, [record.task_id for record in records])
    monkeypatch.setattr(collect_module, "_CLOSED_EVERY_SECONDS", 0.01)
    copy, close = app.copier.copy_small, app.table.close
    closing, copied, begun = asyncio.Event(), asyncio.Semaphore(0), iter(records)

    async def copy_one_before_the_others(printed):
        if next(begun) is not records[0]:
            await closing.wait()
        arrived = await copy(printed)
        copied.release()
        return arrived

    async def close_until_all_are_copied(closings, now):
        if not closing.is_set():
            closing.set()
            for _ in records:
                await copied.acquire()
            # Until those who copied have gone, too.
            await asyncio.sleep(0.05)
        return await close(closings, now)

    monkeypatch.setattr(app.copier, "copy_small", copy_one_before_the_others)
    monkeypatch.setattr(app.table, "close", close_until_all_are_copied)
    report = await collect(app)
    assert report.states == {TaskState.SUCCEEDED: 3}
    assert report.postponed == 0


async def test_the_calls_made_to_collect_one_file(app, calls):
    record = await submitted(app)
    await completed(app, [record.task_id])
    calls.clear()
    await collect(app)
    assert [(call.service, call.method, call.path.rpartition("/")[2]) for call in calls] == [
        ("table", "GET", f"{app.settings.table_name}()"),
        ("batch", "GET", "tasks"),
        ("table", "GET", f"{app.settings.table_name}()"),
        ("batch", "GET", "stdout.txt"),
        ("batch", "GET", "stderr.txt"),
        ("blob", "PUT", "stdout.txt"),
        ("table", "POST", "$batch"),
    ]


async def test_a_second_instance_copies_nothing_again(app, calls):
    await collected(app, (await submitted(app)).task_id)
    other = open_app(app.settings)
    calls.clear()
    report = await collect(other)
    await other.clients.close()
    assert report.listed == 1
    assert [call for call in calls if call.service == "blob"] == []


async def test_overlapping_ticks_close_every_task_once(app):
    records = [await submitted(app, f"{number}.txt") for number in range(10)]
    await completed(app, [record.task_id for record in records])
    reports = await asyncio.gather(collect(app), collect(app), collect(app))
    assert sum(report.states["succeeded"] for report in reports) == 10


async def test_a_tick_out_of_time_leaves_the_rest_for_the_next(app):
    record = await submitted(app)
    await completed(app, [record.task_id])
    report = await collect(app, budget=timedelta(0))
    assert (report.is_complete, report.states) == (False, {})
    assert (await collected(app, record.task_id)).state is TaskState.SUCCEEDED


async def test_output_that_is_gone_is_said_to_be_lost(app, batch_location):
    record = await submitted(with_command(app, "/bin/echo lost"))
    await completed(app, [record.task_id])
    (directory,) = batch_location.rglob(record.task_id)
    (directory / "stdout.txt").unlink()
    record = await collected(app, record.task_id)
    assert (record.state, record.exit_code) == (TaskState.OUTPUT_LOST, 0)
    assert record.reason.startswith("the command succeeded, but its output is lost")
    assert "FileNotFound" in record.reason
    assert record.stdout is None


async def test_output_that_is_out_of_reach_is_waited_for_but_not_for_ever(app, batch_location):
    record = await submitted(with_command(app, "/bin/echo lost"))
    await completed(app, [record.task_id])
    (directory,) = batch_location.rglob(record.task_id)
    shutil.rmtree(directory)
    assert (await collect(app)).postponed == 1
    record = await collected(later(app, minutes=16), record.task_id)
    assert (record.state, record.output_tries) == (TaskState.OUTPUT_LOST, MIN_OUTPUT_TRIES - 1)
    assert "TaskFilesUnavailable" in record.reason


async def test_output_that_was_copied_before_its_node_was_lost_is_not_lost(app, batch_location, monkeypatch):
    record = await submitted(with_command(app, "/bin/echo saved"))
    await completed(app, [record.task_id])
    with monkeypatch.context() as patch:
        patch.setattr(app.table, "close", AsyncMock(side_effect=asyncio.CancelledError("the host ends here")))
        with pytest.raises(asyncio.CancelledError):
            await collect(app)
    (directory,) = batch_location.rglob(record.task_id)
    shutil.rmtree(directory)
    record = await collected(app, record.task_id)
    assert record.state is TaskState.SUCCEEDED
    assert await output(app, record.stdout) == b"saved\n"


async def test_trouble_with_one_job_leaves_the_others_to_be_collected(app, pauses):
    first = await submitted(app, "first.txt")
    await closed(app, first.job_id)
    second = await submitted(app, "second.txt")
    await completed(app, [second.task_id])
    trouble = {"operation": "list_tasks", "path": f"/jobs/{first.job_id}/", "answer": {"status": 503}}
    async with faults(app.settings.batch.endpoint, trouble):
        report = await collect(app)
    assert (report.jobs, report.is_complete, report.states) == (2, False, {"succeeded": 1})


async def test_a_missing_output_container_loses_nothing(app):
    record = await submitted(app)
    await completed(app, [record.task_id])
    container = app.clients.blobs.get_container_client(app.settings.output_container)
    await container.delete_container()
    report = await collect(app)
    assert (report.postponed, report.states) == (1, {})
    assert (await app.table.get(record.task_id)).record.state is TaskState.SUBMITTED
    await container.create_container()
    assert (await collected(app, record.task_id)).state is TaskState.SUCCEEDED


async def test_a_task_that_failed_to_be_collected_is_listed_again_though_later_ones_were(app, monkeypatch):
    monkeypatch.setattr(collect_module, "OVERLAP", timedelta(seconds=-5))
    first, second = await submitted(app, "first.txt"), await submitted(app, "second.txt")
    await completed(app, [first.task_id, second.task_id])
    write = app.outputs.write

    async def write_all_but_first(name, chunks):
        if name.startswith("first.txt"):
            raise Unavailable("writing", status=503)
        await write(name, chunks)

    with monkeypatch.context() as patch:
        patch.setattr(app.outputs, "write", write_all_but_first)
        report = await collect(app)
    assert (report.states["succeeded"], report.postponed) == (1, 1)
    assert (await collected(app, first.task_id)).state is TaskState.SUCCEEDED


async def test_a_job_that_is_not_made_yet_is_passed_over(app):
    await app.jobs.current()
    assert (await collect(app)).jobs == 1


async def test_records_are_closed_while_a_slow_copy_goes_on(app, monkeypatch):
    quick = with_command(app, "/bin/true")
    tasks = [(await submitted(quick, f"{number}.txt")).task_id for number in range(4)]
    await completed(app, tasks)
    slow, *others = tasks
    read, seen = app.files.read_small, []

    async def reading(file, most, more):
        if file.task_id == slow and not seen:
            async with asyncio.timeout(30):
                while await app.table.open_among(others):
                    await asyncio.sleep(0.1)
            seen.append(True)
        return await read(file, most, more)

    monkeypatch.setattr(app.files, "read_small", reading)
    assert (await collect(app)).states == {"succeeded": 4}
    assert seen


async def test_what_has_arrived_is_closed_whatever_becomes_of_another_copy(app, monkeypatch):
    quick = with_command(app, "/bin/true")
    tasks = [(await submitted(quick, f"{number}.txt")).task_id for number in range(3)]
    await completed(app, tasks)
    read = app.files.read_small

    async def reading(file, most, more):
        if file.task_id == tasks[0]:
            await asyncio.sleep(0.3)
            raise KeyError("a fault of this program")
        return await read(file, most, more)

    monkeypatch.setattr(app.files, "read_small", reading)
    with pytest.raises(ExceptionGroup):
        await collect(app)
    assert await app.table.open_among(tasks[1:]) == {}


async def test_a_table_that_is_missing_is_no_missing_job(app, monkeypatch):
    record = await submitted(with_command(app, "/bin/true"))
    await completed(app, [record.task_id])

    async def missing(_):
        raise Missing("reading the table", status=404, code="TableNotFound")

    monkeypatch.setattr(app.table, "open_among", missing)
    assert not (await collect(app)).is_complete
