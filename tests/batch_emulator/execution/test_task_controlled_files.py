"""What a task puts where the emulator opens files: pipes stop nobody, links are not written through."""

import asyncio
import os
import signal

import aiohttp
import pytest
from azure.batch.models import MultiInstanceSettings

from batch_emulator.execution import blob_upload
from batch_emulator.execution.blob_upload import put_file
from batch_emulator.regular_files import create, open_to_append, open_to_read
from tests.batch_emulator.execution.test_output_files import output
from tests.batch_emulator.execution.test_process import emulator

NOWHERE = "http://127.0.0.1:1/c?sv=1&sig=x"
#: More than any of these operations takes; a pipe that is waited for takes forever.
PATIENCE = 20


@pytest.fixture(scope="module")
async def cluster(batch):
    return await batch.ready_pool(enable_inter_node_communication=True)


@pytest.mark.parametrize("log", ["fileuploadout.txt", "fileuploaderr.txt"])
async def test_a_pipe_in_place_of_the_upload_log_stops_neither_the_emulator_nor_its_end(tmp_path, log):
    async with emulator("--location", str(tmp_path)) as (process, _, batch):
        job = await batch.job(await batch.ready_pool())
        command = f"/bin/sh -c 'mkfifo ../{log}; echo hi > o.txt'"
        async with asyncio.timeout(PATIENCE):
            task = await batch.run(job, command, output_files=[output("o.txt", NOWHERE)])
            assert task.execution_info.failure_info.code == "FileUploadMiscError"
            assert b"FileUploadMiscError: o.txt" in await batch.file(job, "fileuploaderr.txt")
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0


@pytest.mark.parametrize("log", ["fileuploadout.txt", "fileuploaderr.txt"])
async def test_a_link_in_place_of_the_upload_log_is_not_written_through(batch, job, tmp_path, monkeypatch, log):
    monkeypatch.setattr(blob_upload, "_PAUSES", ())
    victim = tmp_path / "victim"
    victim.write_text("mine")
    command = f"/bin/sh -c 'ln -s {victim} ../{log}; echo hi > o.txt'"
    await batch.run(job, command, output_files=[output("o.txt", NOWHERE)])
    assert victim.read_text() == "mine"
    assert b"o.txt" in await batch.file(job, log)


async def test_a_link_to_a_file_of_the_node_is_uploaded_as_that_file(batch, job, boxes):
    box = await boxes.container()
    command = "/bin/sh -c 'mkdir d; printf A > d/real.txt; ln -s d/real.txt last.txt; ln -s d now'"
    files = [output("*.txt", boxes.signed(box)), output("now/real.txt", boxes.signed(box), "by-link.txt")]
    task = await batch.run(job, command, output_files=files)
    assert task.execution_info.result == "success"
    assert await boxes.blobs(box) == {"last.txt": b"A", "by-link.txt": b"A"}


@pytest.mark.parametrize("kind", ["pipe", "link"])
async def test_a_file_that_was_swapped_after_it_was_found_is_not_uploaded(tmp_path, kind):
    path = put_in_place(tmp_path / "o.txt", kind, tmp_path / "victim")
    async with aiohttp.ClientSession() as session, asyncio.timeout(PATIENCE):
        with pytest.raises(OSError, match="no regular file"):
            await put_file(session, path, NOWHERE, {})


@pytest.mark.parametrize("name", ["stdout.txt", "stderr.txt"])
@pytest.mark.parametrize("swap", ["mkfifo {path}", "ln -s {victim} {path}"])
async def test_a_command_whose_output_cannot_be_added_to_fails_alone(batch, cluster, tmp_path, name, swap):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    swap = swap.format(path=f"../{name}", victim=victim)
    settings = MultiInstanceSettings(
        number_of_instances=1, coordination_command_line=f"/bin/sh -c 'rm ../{name}; {swap}'"
    )
    job = await batch.job(cluster)
    async with asyncio.timeout(PATIENCE):
        task = await batch.run(job, "/bin/echo hello", multi_instance_settings=settings)
    assert task.execution_info.failure_info.code == "CommandLaunchFailed"
    assert "no regular file" in task.execution_info.failure_info.details[0].value
    assert victim.read_text() == "mine"


@pytest.mark.parametrize("kind", ["pipe", "link"])
async def test_what_lies_where_a_resource_file_goes_is_replaced(batch, cluster, boxes, kind):
    box = await boxes.container(**{"in.txt": b"content"})
    make = "mkfifo in.txt" if kind == "pipe" else "echo mine > mine; ln -s mine in.txt"
    settings = MultiInstanceSettings(number_of_instances=1, coordination_command_line=f"/bin/sh -c '{make}'")
    resource = {"httpUrl": f"{boxes.signed(box)}".replace(box, f"{box}/in.txt", 1), "filePath": "in.txt"}
    job = await batch.job(cluster)
    async with asyncio.timeout(PATIENCE):
        task = await batch.run(
            job, "/bin/sh -c 'cat in.txt mine'", multi_instance_settings=settings, resource_files=[resource]
        )
    assert task.execution_info.exit_code == (1 if kind == "pipe" else 0)
    assert await batch.output(job) == ("content" if kind == "pipe" else "contentmine\n")


@pytest.mark.parametrize("opened", [open_to_read, open_to_append])
@pytest.mark.parametrize("kind", ["pipe", "link", "directory"])
def test_only_regular_files_are_opened(tmp_path, opened, kind):
    path = put_in_place(tmp_path / "file", kind, tmp_path / "victim")
    with pytest.raises(OSError, match=r"no regular file|directory"):
        opened(path)


def test_a_created_file_leaves_other_names_of_the_former_one_alone(tmp_path):
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "file").hardlink_to(tmp_path / "victim")
    with create(tmp_path / "file") as file:
        file.write(b"new")
    assert [(tmp_path / name).read_text() for name in ("victim", "file")] == ["mine", "new"]


def put_in_place(path, kind, victim):
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        victim.write_text("mine")
        path.symlink_to(victim)
    else:
        path.mkdir()
    return path
