"""Start tasks: their files, their retries, what is seen of them while they run and after they failed."""

import pytest
from aiohttp import web
from azure.batch.models import BatchPoolUpdateOptions, BatchStartTask, EnvironmentSetting, ResourceFile

from tests.batch_emulator.conftest import until
from tests.batch_emulator.handlers.test_pool_changes import nodes_of


@pytest.fixture(scope="module")
async def storage():
    """A storage service with one blob."""

    async def answer(request):
        return web.Response(body=b"from storage") if request.path == "/in" else web.Response(status=404)

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def node_in_state(batch, pool, state):
    async def look():
        return [node for node in await nodes_of(batch, pool) if node.state == state]

    return (await until(look))[0]


async def read(batch, pool, node, path):
    stream = await batch.client.download_node_file(pool, node, path)
    return b"".join([chunk async for chunk in stream])


async def test_a_start_task_has_its_files_and_settings_in_the_startup_directory(batch, storage):
    start = BatchStartTask(
        command_line="/bin/sh -c 'cat in.txt; echo \" $GREETING\"; env | grep -c ^AZ_BATCH_TASK_ID= >&2; pwd > here'",
        resource_files=[ResourceFile(http_url=f"{storage}/in", file_path="in.txt")],
        environment_settings=[EnvironmentSetting(name="GREETING", value="hello")],
        wait_for_success=False,
    )
    pool = await batch.ready_pool(1, start_task=start)

    async def over():
        (node,) = await nodes_of(batch, pool)
        return node.start_task_info and node.start_task_info.state == "completed" and node

    node = (await until(over)).id
    assert await read(batch, pool, node, "startup/stdout.txt") == b"from storage hello\n"
    assert await read(batch, pool, node, "startup/stderr.txt") == b"0\n"
    assert (await read(batch, pool, node, "startup/wd/here")).endswith(b"/startup/wd\n")


async def test_a_start_task_that_is_waited_for_is_seen_running(batch, tmp_path):
    start = BatchStartTask(
        command_line=f"/bin/sh -c 'while ! test -e {tmp_path}/go; do sleep 0.05; done'", wait_for_success=True
    )
    pool = await batch.pool(1, start_task=start)

    async def waits():
        (node,) = await nodes_of(batch, pool) or [None]
        return node and node.state == "waitingforstarttask" and node.start_task_info and node

    info = (await until(waits)).start_task_info
    assert (info.state, info.retry_count, info.exit_code, info.end_time) == ("running", 0, None, None)
    (tmp_path / "go").touch()
    node = await node_in_state(batch, pool, "idle")
    assert node.start_task_info.end_time > node.start_task_info.start_time


async def test_a_start_task_succeeds_at_a_retry(batch, tmp_path):
    start = BatchStartTask(
        command_line=f"/bin/sh -c 'test -e {tmp_path}/once || {{ touch {tmp_path}/once; exit 3; }}'",
        wait_for_success=True,
        max_task_retry_count=2,
    )
    pool = await batch.ready_pool(1, start_task=start)
    (node,) = await nodes_of(batch, pool)
    info = node.start_task_info
    assert (info.result, info.exit_code, info.retry_count, info.last_retry_time) == ("success", 0, 1, info.start_time)


async def test_a_start_task_whose_file_is_missing_is_not_retried_and_can_be_mended(url, batch, storage):
    start = BatchStartTask(
        command_line="/bin/true",
        resource_files=[ResourceFile(http_url=f"{storage}/missing?sig=secret", file_path="x")],
        wait_for_success=True,
        max_task_retry_count=5,
    )
    pool = await batch.pool(1, start_task=start)
    node = await node_in_state(batch, pool, "starttaskfailed")
    info = node.start_task_info
    assert (info.result, info.retry_count, info.exit_code, info.failure_info.code) == (
        "failure",
        0,
        None,
        "BlobNotFound",
    )
    assert "secret" not in str(info.as_dict())
    await batch.client.update_pool(pool, BatchPoolUpdateOptions(start_task=BatchStartTask(command_line="/bin/true")))
    poller = await batch.client.begin_reboot_node(pool, node.id, {"nodeRebootOption": "requeue"}, polling_interval=0.05)
    await poller.result()
    await node_in_state(batch, pool, "idle")
