"""Output is copied whole or not at all, goes on where a tick ended, and is given up only for a reason."""

import asyncio
import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from batch_core.app import App
from batch_core.collect import MIN_OUTPUT_TRIES, collect
from batch_core.errors import Refused
from batch_core.services import output_copier as output_module
from batch_core.services.memory_room import MemoryRoom
from batch_core.services.output_copier import SMALL
from batch_core.state.record import TaskRecord, TaskState
from tests.batch_core.steps import (
    collected,
    completed,
    later,
    output,
    outputs,
    record_of,
    submitted,
    tasks_of,
    with_command,
)
from tests.batch_emulator.control_client import control, faults

BLOCK = SMALL
LARGE = os.urandom(5 * BLOCK + 17)


class Printed:
    """A completed task whose standard output a test writes."""

    def __init__(self, record: TaskRecord, stdout: Path) -> None:
        self.record = record
        self.stdout = stdout
        self.blob = f"{record.blob}/{record.task_id}/stdout.txt"


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(output_module, "BLOCK_SIZE", BLOCK)


@pytest.fixture
def printed(app, batch_location):
    async def make(content: bytes, name: str = "a.txt") -> Printed:
        record = await submitted(with_command(app, "/bin/true"), name)
        await completed(app, [record.task_id])
        (directory,) = batch_location.rglob(record.task_id)
        (directory / "stdout.txt").write_bytes(content)
        return Printed(record, directory / "stdout.txt")

    return make


class Ranges(list[int]):
    """Where the ranges of standard output begin that are read; a hook of number n runs before the n-th."""

    def __init__(self) -> None:
        super().__init__()
        self.hooks = {}


@pytest.fixture
def ranges(app, monkeypatch):
    read_file, read_small = app.files.read, app.files.read_small
    read = Ranges()

    async def note(file, start):
        if file.name == "stdout.txt":
            read.append(start)
            if hook := read.hooks.pop(len(read), None):
                await hook()

    async def recording(file, start, length):
        await note(file, start)
        return await read_file(file, start, length)

    async def recording_small(file, most, more):
        await note(file, 0)
        return await read_small(file, most, more)

    monkeypatch.setattr(app.files, "read", recording)
    monkeypatch.setattr(app.files, "read_small", recording_small)
    return read


class Killed(BaseException):
    """The process ends here: no handler of an error runs."""


async def stops(*_) -> None:
    raise Killed


async def closed_as(app: App, one: Printed, state: TaskState) -> TaskRecord:
    record = await record_of(app, one.record.task_id)
    assert record.state is state, record.reason
    return record


@pytest.mark.parametrize(
    "size", [0, 1, SMALL - 1, SMALL, SMALL + 1, 3 * BLOCK - 1, 3 * BLOCK, 3 * BLOCK + 1], ids=lambda size: f"{size}"
)
async def test_output_of_every_size_arrives_byte_by_byte(app, printed, size):
    content = os.urandom(size)
    one = await printed(content)
    await collect(app)
    record = await closed_as(app, one, TaskState.SUCCEEDED)
    assert record.stdout == one.blob
    assert await output(app, one.blob) == content


async def test_output_that_is_not_text_is_not_touched(app, printed):
    one = await printed(b"\xff\xfe\x00\x80\r\n\xc3\x28\x1a")
    await collect(app)
    assert await output(app, one.blob) == b"\xff\xfe\x00\x80\r\n\xc3\x28\x1a"


async def test_a_copy_that_a_crash_cut_goes_on_after_the_blocks_that_are_staged(app, printed, ranges):
    one = await printed(LARGE)
    ranges.hooks[4] = stops
    with pytest.raises(BaseExceptionGroup):
        await collect(app)
    # The first asks whether it is large; the fourth did not come.
    assert ranges == [0, 0, BLOCK, 2 * BLOCK]
    assert await outputs(app) == []
    await closed_as(app, one, TaskState.SUBMITTED)
    ranges.clear()
    await collect(app)
    assert ranges == [0, 2 * BLOCK, 3 * BLOCK, 4 * BLOCK, 5 * BLOCK]
    await closed_as(app, one, TaskState.SUCCEEDED)
    assert await output(app, one.blob) == LARGE


async def test_a_copy_that_runs_out_of_time_goes_on_in_the_next_tick(app, printed, ranges):
    one = await printed(LARGE)

    async def takes_long():
        await asyncio.sleep(2)

    ranges.hooks[4] = takes_long
    report = await collect(app, budget=timedelta(seconds=7))
    assert (report.is_complete, report.postponed, report.states) == (False, 1, {})
    assert await outputs(app) == []
    read = len(ranges)
    assert 4 <= read < 7
    ranges.hooks.clear()
    ranges.clear()
    assert (await collect(app)).is_complete
    assert ranges == [0, *range((read - 1) * BLOCK, len(LARGE), BLOCK)]
    await closed_as(app, one, TaskState.SUCCEEDED)
    assert await output(app, one.blob) == LARGE


async def test_a_copy_that_was_whole_when_the_app_stopped_is_not_made_again(app, printed, ranges, monkeypatch):
    one = await printed(LARGE)
    close = app.table.close
    with monkeypatch.context() as patch:
        patch.setattr(app.table, "close", lambda closings, now: stops() if closings else close(closings, now))
        with pytest.raises(BaseExceptionGroup):
            await collect(app)
    ranges.clear()
    await collect(app)
    assert ranges == [0]
    await closed_as(app, one, TaskState.SUCCEEDED)
    assert await output(app, one.blob) == LARGE


@pytest.mark.parametrize("size", [5, 2 * BLOCK], ids=["small", "large"])
@pytest.mark.parametrize("complaint", [b"", b"oh no\n"], ids=["empty", "some"])
async def test_a_node_that_goes_between_the_copy_and_the_record_takes_nothing_along(
    app, printed, monkeypatch, size, complaint
):
    one = await printed(os.urandom(size))
    one.stdout.with_name("stderr.txt").write_bytes(complaint)
    close = app.table.close
    with monkeypatch.context() as patch:
        patch.setattr(app.table, "close", lambda closings, now: stops() if closings else close(closings, now))
        with pytest.raises((Killed, BaseExceptionGroup)):
            await collect(app)
    shutil.rmtree(one.stdout.parent)
    await collect(app)
    record = await closed_as(app, one, TaskState.SUCCEEDED)
    assert (record.stdout_size, record.stderr_size) == (size, len(complaint))
    assert (record.stderr is None) == (not complaint)


async def test_a_node_that_goes_before_its_stdout_is_copied_leaves_no_success(app, printed, monkeypatch):
    one = await printed(b"text")
    one.stdout.with_name("stderr.txt").write_bytes(b"oh no\n")
    write = app.outputs.write

    async def only_stderr(blob_name, content):
        await (write(blob_name, content) if blob_name.endswith("stderr.txt") else stops())

    with monkeypatch.context() as patch:
        patch.setattr(app.outputs, "write", only_stderr)
        with pytest.raises(BaseExceptionGroup):
            await collect(app)
    one.stdout.unlink()
    await collect(app)
    assert (await closed_as(app, one, TaskState.OUTPUT_LOST)).stdout is None


@pytest.mark.parametrize("content", [LARGE + b"more", LARGE[::-1]], ids=["grew", "changed"])
async def test_blocks_of_an_earlier_content_never_get_into_a_later_one(app, printed, ranges, content):
    one = await printed(LARGE)
    ranges.hooks[5] = stops
    with pytest.raises(BaseExceptionGroup):
        await collect(app)
    one.stdout.write_bytes(content)
    os.utime(one.stdout, (one.stdout.stat().st_atime, one.stdout.stat().st_mtime + 2))
    await collect(app)
    await closed_as(app, one, TaskState.SUCCEEDED)
    assert await output(app, one.blob) == content


async def test_output_that_changes_while_it_is_copied_is_copied_again(app, printed, ranges):
    one = await printed(LARGE)

    async def grows():
        with one.stdout.open("ab") as file:
            file.write(b"more")

    ranges.hooks[5] = grows
    assert (await collect(app)).postponed == 1
    assert (await closed_as(app, one, TaskState.SUBMITTED)).reason.endswith("it changed meanwhile")
    assert await outputs(app) == []
    await collect(app)
    await closed_as(app, one, TaskState.SUCCEEDED)
    assert await output(app, one.blob) == LARGE + b"more"


async def test_two_ticks_that_copy_the_same_file_at_once_do_no_harm(app, printed):
    one = await printed(LARGE)
    reports = await asyncio.gather(collect(app), collect(app), collect(app))
    assert sum(report.states["succeeded"] for report in reports) == 1
    assert await output(app, one.blob) == LARGE


@pytest.mark.slow
async def test_large_output_holds_back_no_small_one(app, printed, ranges):
    large = await printed(LARGE, "0-large.txt")
    small = [(await submitted(app, f"{number:02}.txt", b"small")).task_id for number in range(60)]
    await completed(app, small)
    left: list[str] = []

    async def look():
        left.extend(await app.table.open_among(small))

    ranges.hooks[len(small) + 2] = look
    report = await collect(app)
    assert (ranges[-6:], left) == ([start * BLOCK for start in range(6)], [])
    assert (report.states["succeeded"], report.postponed) == (61, 0)
    await closed_as(app, large, TaskState.SUCCEEDED)


async def test_large_output_takes_no_more_than_its_share_of_a_tick(app, printed, ranges):
    large = await printed(LARGE, "0-large.txt")

    async def takes_long():
        await asyncio.sleep(1.1)

    ranges.hooks |= dict.fromkeys(range(2, 20), takes_long)
    report = await collect(app, budget=timedelta(seconds=4))
    # It began one block in its second.
    assert (len(ranges), report.is_complete) == (2, False)
    small = await submitted(app, "small.txt", b"small")
    await completed(app, [small.task_id])
    ranges.hooks.clear()
    await collect(app, budget=timedelta(seconds=4))
    assert (await record_of(app, small.task_id)).state is TaskState.SUCCEEDED
    await collected(app, large.record.task_id)
    assert await output(app, large.blob) == LARGE


@pytest.mark.parametrize("size", [5, 3 * BLOCK], ids=["small", "large"])
@pytest.mark.parametrize(
    "trouble",
    [
        {"answer": {"status": 409, "code": "NodeStateInvalid", "message": "The node is rebooting."}},
        {"answer": {"status": 503}},
        {"cut": True},
    ],
    ids=["busy", "down", "cut"],
)
async def test_a_node_that_cannot_give_the_output_now_is_asked_again(app, printed, pauses, size, trouble):
    content = os.urandom(size)
    one = await printed(content)
    # The first range of a large file still comes.
    rule = {
        "operation": "download_task_file",
        "path": f"/jobs/{one.record.job_id}/tasks/{one.record.task_id}/files/stdout.txt",
        **trouble,
        "skip": int(size > SMALL),
    }
    async with faults(app.settings.batch.endpoint, rule):
        for tries in range(1, MIN_OUTPUT_TRIES + 3):
            assert (await collect(later(app, days=1))).postponed == 1
            record = await closed_as(app, one, TaskState.SUBMITTED)
            assert record.output_tries == tries
            assert record.reason.startswith("it has run; its output is not copied yet: reading stdout.txt of task")
    assert await outputs(app) == []
    assert await tasks_of(app) == [(record.job_id, record.task_id)]
    await collect(app)
    assert (await closed_as(app, one, TaskState.SUCCEEDED)).reason is None
    assert await output(app, one.blob) == content


@pytest.mark.parametrize("how", ["expired", "deleted"])
async def test_output_that_goes_while_it_is_copied_is_lost_with_the_reason_at_once(app, printed, ranges, how):
    one = await printed(LARGE)

    async def goes():
        if how == "deleted":
            one.stdout.unlink()
        else:
            path = f"/jobs/{one.record.job_id}/tasks/{one.record.task_id}/expirefiles"
            reply = await control(app.settings.batch.endpoint, "POST", path)
            assert reply.status < 300, reply.body

    ranges.hooks[4] = goes
    await collect(app)
    record = await closed_as(app, one, TaskState.OUTPUT_LOST)
    assert record.reason.startswith("the command succeeded, but its output is lost: reading stdout.txt")
    assert record.stdout is None
    assert await outputs(app) == []


async def test_output_on_a_node_that_never_comes_back_is_lost_after_so_many_tries(app, printed):
    one = await printed(b"text")
    node = (await app.clients.batch.get_task(one.record.job_id, one.record.task_id)).node_info.node_id
    path = f"/pools/{app.settings.pool.id}/nodes/{node}/lose"
    assert (await control(app.settings.batch.endpoint, "POST", path, {})).status == 204
    await collect(app)
    for _ in range(MIN_OUTPUT_TRIES - 2):
        await collect(later(app, hours=1))
        await closed_as(app, one, TaskState.SUBMITTED)
    await collect(later(app, hours=1))
    record = await closed_as(app, one, TaskState.OUTPUT_LOST)
    assert "TaskFilesUnavailable" in record.reason


async def test_a_restart_of_a_node_that_is_over_soon_loses_nothing_however_often_it_is_asked(app, printed):
    one = await printed(b"text")
    away = one.stdout.parent.with_name("away")
    shutil.move(one.stdout.parent, away)
    for _ in range(MIN_OUTPUT_TRIES + 2):
        await collect(app)
    assert (await record_of(app, one.record.task_id)).state is TaskState.SUBMITTED
    shutil.move(away, one.stdout.parent)
    await collect(app)
    assert (await record_of(app, one.record.task_id)).state is TaskState.SUCCEEDED


async def test_output_that_storage_will_never_take_is_lost_after_so_many_tries(app, printed, monkeypatch):
    one = await printed(b"text")

    async def refuses(blob_name, content):
        raise Refused(f"writing output blob {blob_name!r}", status=400, code="InvalidResourceName")

    monkeypatch.setattr(app.outputs, "write", refuses)
    await collect(app)
    for _ in range(MIN_OUTPUT_TRIES - 1):
        await collect(later(app, hours=1))
    assert "InvalidResourceName" in (await closed_as(app, one, TaskState.OUTPUT_LOST)).reason


async def test_trouble_with_the_table_at_one_task_leaves_the_others_to_be_collected(app, printed, monkeypatch):
    bad, good = await printed(b"bad", "bad.txt"), await printed(b"good", "good.txt")
    write = app.outputs.write

    async def picky(blob_name, content):
        if content == b"bad":
            # And then its record is not there to note that.
            raise Refused("writing", status=400)
        await write(blob_name, content)

    async def get(task_id):
        raise Refused("reading the record", status=400)

    with monkeypatch.context() as patch:
        patch.setattr(app.outputs, "write", picky)
        patch.setattr(app.table, "get", get)
        report = await collect(app)
    assert (report.states, report.postponed, report.is_complete) == ({"succeeded": 1}, 1, False)
    await closed_as(app, good, TaskState.SUCCEEDED)
    await closed_as(app, bad, TaskState.SUBMITTED)


async def test_what_is_copied_beside_each_other_has_a_limit_in_memory(app, printed, monkeypatch):
    """Files that are not tiny wait for room; a copy whose two files are both that large waits for no other's half."""
    monkeypatch.setattr(app.copier, "_room", MemoryRoom(2 * SMALL))
    several = [await printed(os.urandom(SMALL - 1), f"{number}.txt") for number in range(4)]
    for one in several:
        one.stdout.with_name("stderr.txt").write_bytes(b"x" * (SMALL - 1))
    held, most = [0], [0]
    write = app.outputs.write

    async def counting(blob_name, content):
        held[0] += len(content)
        most[0] = max(most[0], held[0])
        await write(blob_name, content)
        held[0] -= len(content)

    monkeypatch.setattr(app.outputs, "write", counting)
    report = await collect(app)
    assert report.states == {"succeeded": 4}
    assert most[0] <= 2 * SMALL
