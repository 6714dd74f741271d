from urllib.parse import quote

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from batch_emulator.execution.directories import ROOT_DIRECTORIES
from tests.batch_emulator.signed import send

COMMAND = "/bin/sh -c 'printf content; mkdir -p full/deep; : > full/deep/x; mkdir empty; ln -s /etc out; : > loose'"


@pytest.fixture(scope="module")
async def node(batch):
    """A pool, its one node, and a job whose task ran there."""
    pool = await batch.ready_pool()
    job = await batch.job(pool)
    task = await batch.run(job, COMMAND)
    return pool, task.node_info.node_id, job


async def test_a_node_has_the_services_directories(batch, node, url):
    """Recording `should_list_node_files`; the order there is that of its disk."""
    pool, node_id, _ = node
    listed = [file.as_dict() async for file in batch.client.list_node_files(pool, node_id)]
    address = f"{url}/pools/{pool}/nodes/{node_id}/files"
    assert listed == [{"name": name, "url": f"{address}/{name}", "isDirectory": True} for name in ROOT_DIRECTORIES]


async def test_a_recursive_list_goes_level_by_level(batch, node):
    """Recording `should_list_node_files`."""
    pool, node_id, job = node
    listed = [file.name async for file in batch.client.list_node_files(pool, node_id, recursive=True)]
    assert listed[: len(ROOT_DIRECTORIES)] == list(ROOT_DIRECTORIES)
    assert listed.index(f"workitems/{job}/job-1/task") < listed.index(f"workitems/{job}/job-1/task/stdout.txt")
    paged = batch.client.list_node_files(pool, node_id, recursive=True, max_results=2)
    assert [file.name async for file in paged] == listed
    started = batch.client.list_node_files(pool, node_id, recursive=True, filter="startswith(name, 'STARTUP')")
    assert [file.name async for file in started] == ["startup"]


async def test_a_file_of_a_node_is_read_by_its_path(batch, node, url):
    """Recording `should_get_node_file_content`."""
    pool, node_id, job = node
    path = f"workitems/{job}/job-1/task/stdout.txt"
    found = await batch.client.get_node_file_properties(pool, node_id, path)
    assert (found.content_length, found.is_directory) == (7, False)
    stream = await batch.client.download_node_file(pool, node_id, path, ocp_range="bytes=3-")
    assert b"".join([chunk async for chunk in stream]) == b"tent"
    head = await send(url, "HEAD", f"/pools/{pool}/nodes/{node_id}/files/{quote(path, safe='')}")
    assert "ETag" not in head.headers
    assert head.headers["ocp-batch-file-url"].endswith("%252Fjob-1%252Ftask%252Fstdout.txt")


async def test_a_file_that_has_not_changed_is_not_sent_again(node, url):
    _, _, job = node
    path = f"/jobs/{job}/tasks/task/files/stdout.txt"
    modified = (await send(url, "HEAD", path)).headers["Last-Modified"]
    assert (await send(url, "GET", path, headers={"If-Modified-Since": modified})).status == 304
    assert (await send(url, "GET", path, headers={"If-Unmodified-Since": modified})).status == 200
    early = "Thu, 01 Jan 2004 00:00:00 GMT"
    assert (await send(url, "GET", path, headers={"If-Modified-Since": early})).status == 200
    refused = await send(url, "GET", path, headers={"If-Unmodified-Since": early})
    assert (refused.status, refused.body["code"]) == (412, "ConditionNotMet")


async def test_files_are_deleted_and_full_directories_only_recursively(batch, node):
    _, _, job = node
    await batch.client.delete_task_file(job, "task", "wd/loose")
    await batch.client.delete_task_file(job, "task", "wd/empty")
    await batch.client.delete_task_file(job, "task", "wd/out")
    with pytest.raises(HttpResponseError) as caught:
        await batch.client.delete_task_file(job, "task", "wd/full")
    assert (caught.value.status_code, caught.value.error.code) == (409, "OperationInvalidForCurrentState")
    await batch.client.delete_task_file(job, "task", "wd/full", recursive=True)
    listed = [file.name async for file in batch.client.list_task_files(job, "task", recursive=True)]
    assert listed == ["stderr.txt", "stdout.txt", "wd"]


async def test_what_is_not_there_cannot_be_deleted(batch, node):
    pool, node_id, job = node
    for path in ("missing", "stdout.txt/x", "missing/x"):
        with pytest.raises(ResourceNotFoundError) as caught:
            await batch.client.delete_task_file(job, "task", path)
        assert caught.value.error.code == "FileNotFound"
    with pytest.raises(ResourceNotFoundError):
        await batch.client.delete_node_file(pool, node_id, "../batch.db")


async def test_an_unknown_node_has_no_files(batch, node):
    pool, _, _ = node
    with pytest.raises(ResourceNotFoundError) as caught:
        [file async for file in batch.client.list_node_files(pool, "no-such-node")]
    assert caught.value.error.code == "NodeNotFound"


async def test_a_node_that_is_being_created_has_no_files_yet(batch, url):
    pool = await batch.pool()
    answers = [
        await send(url, "GET", f"/pools/{pool}/nodes/{node.id}/files") async for node in batch.client.list_nodes(pool)
    ]
    assert {answer.body["code"] for answer in answers if answer.status != 200} <= {"NodeBeingCreated"}
