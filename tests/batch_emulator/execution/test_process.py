"""The emulator as its users start it: a process of its own."""

import asyncio
import os
import re
import signal
import socket
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from azure.batch.aio import BatchClient
from azure.core.credentials import AzureNamedKeyCredential

from batch_emulator.__main__ import main
from batch_emulator.settings import DEFAULT_KEY
from tests.batch_emulator.conftest import CREDENTIAL, Batch, until
from tests.batch_emulator.execution.test_execution import directory_of, ended, is_alive, pids_of
from tests.batch_emulator.signed import send

CHECKOUT = Path(__file__).parents[3]


async def start(*arguments, **environment):
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "batch_emulator", "--port", "0", *arguments),
        cwd=CHECKOUT,
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@asynccontextmanager
async def emulator(*arguments, credential=CREDENTIAL, **environment):
    """Yield the process, its first line and a client of it."""
    process = await start(*arguments, **environment)
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), 15)).decode()
        url = re.search(r"http://[\d.]+:\d+", line)[0]
        async with BatchClient(url, credential) as client:
            yield process, line, Batch(client)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_one_line_says_where_it_listens_and_the_known_key(tmp_path):
    async with emulator("--location", str(tmp_path / "state")) as (process, line, batch):
        assert line.startswith("Azure Batch emulator ready at http://127.0.0.1:")
        assert DEFAULT_KEY in line
        assert str(tmp_path / "state") in line
        assert [pool async for pool in batch.client.list_pools()] == []
        process.send_signal(signal.SIGTERM)
        out, err = await process.communicate()
    assert (out, err, process.returncode) == (b"", b"", 0)


@pytest.mark.parametrize("place", ["environment", "file"])
async def test_a_key_of_ones_own_is_used_and_never_shown(tmp_path, place):
    key = "bXkgb3duIGtleQ=="
    credential = AzureNamedKeyCredential("mine", key)
    (file := tmp_path / "key").write_text(f"{key}\n")
    given = {"BATCH_EMULATOR_KEY": key} if place == "environment" else {}
    arguments = ("--in-memory", "--account", "mine", *([] if given else ["--account-key-file", str(file)]))
    async with emulator(*arguments, credential=credential, **given) as (process, line, batch):
        assert key not in line
        assert key.encode() not in await asyncio.to_thread(Path(f"/proc/{process.pid}/cmdline").read_bytes)
        assert [pool async for pool in batch.client.list_pools()] == []
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
        assert key.encode() not in out + err
    assert process.returncode == 0


def refused(capsys, *arguments):
    """Begin with arguments that cannot be; returns what was said. No process of its own: nothing is started yet."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    return capsys.readouterr()


OWN_STORAGE = "DefaultEndpointsProtocol=https;AccountName=mine;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net"


@pytest.mark.parametrize(
    ("arguments", "instead"),
    [
        (("--key", "c2VjcmV0"), "BATCH_EMULATOR_KEY"),
        (("--key=c2VjcmV0",), "--account-key-file"),
        (("--storage", OWN_STORAGE), "BATCH_EMULATOR_STORAGE"),
        (("--storage", "BlobEndpoint=http://h;SharedAccessSignature=sig=c2VjcmV0"), "BATCH_EMULATOR_STORAGE"),
    ],
)
def test_a_secret_among_the_arguments_is_refused_and_not_repeated(capsys, arguments, instead):
    out, err = refused(capsys, "--in-memory", *arguments)
    assert (out, instead in err, "c2VjcmV0" in err) == ("", True, False)


@pytest.mark.parametrize("name", ["http://a.example", "a.example:80", "*", "a b"])
def test_an_allowed_host_that_is_no_name_is_refused(capsys, name):
    _, err = refused(capsys, "--in-memory", "--allow-host", name)
    assert "cannot be an allowed host" in err


@pytest.mark.parametrize("port", ["99999", "-1", "x", "1.5"])
def test_a_port_that_there_is_not_is_reported_in_a_sentence(capsys, port):
    _, err = refused(capsys, "--in-memory", "--port", port)
    assert err.endswith(f"argument --port: {port!r} is no port: there are 0 to 65535\n")


async def test_a_taken_port_is_said_in_one_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = await start("--in-memory", "--port", str(port))
        out, err = await process.communicate()
    assert (process.returncode, out) == (1, b"")
    assert err.decode().splitlines() == [f"The emulator cannot start: 127.0.0.1:{port}: Address already in use"]


@pytest.mark.parametrize("key", ["not base64!"])
async def test_a_key_that_is_not_base64_is_said(key):
    process = await start("--in-memory", BATCH_EMULATOR_KEY=key)
    _, err = await process.communicate()
    assert process.returncode == 1
    assert err.decode().splitlines() == ["The emulator cannot start: The account key is not base64"]


async def test_two_emulators_cannot_share_a_location(tmp_path):
    async with emulator("--location", str(tmp_path)):
        process = await start("--location", str(tmp_path))
        _, err = await process.communicate()
    assert process.returncode == 1
    assert err.decode().splitlines() == [f"The emulator cannot start: Another emulator is using {tmp_path}"]


async def test_it_warns_when_other_machines_can_reach_it():
    async with emulator("--in-memory", "--host", "0.0.0.0") as (process, line, _):
        assert "0.0.0.0" in line
        process.send_signal(signal.SIGTERM)
        _, err = await process.communicate()
    assert b"can run commands here" in err


async def test_the_end_of_the_emulator_ends_its_tasks_and_removes_temporary_files():
    async with emulator("--in-memory") as (process, _, batch):
        job = await batch.job(await batch.ready_pool(1))
        await batch.task(job, "/bin/bash -c 'echo $$; sleep 60 & echo $!; setsid sleep 61 & wait'")
        pids = await pids_of(batch, job, 2)
        root = directory_of(pids[0]).parents[6]
        assert root.name.startswith("batch-emulator-")
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        await process.communicate()
        assert time.monotonic() - began < 10
    await ended(*pids)
    assert process.returncode == 0
    assert not root.exists()


async def test_what_was_acknowledged_survives_kill_9(tmp_path):
    location = ("--location", str(tmp_path))
    async with emulator(*location) as (process, _, batch):
        pool = await batch.ready_pool(1)
        job = await batch.job(pool)
        await batch.run(job, "/bin/echo kept", "done")
        script = "echo $$; test -e $AZ_BATCH_NODE_SHARED_DIR/again && exit; touch $AZ_BATCH_NODE_SHARED_DIR/again"
        await batch.task(job, f"/bin/sh -c '{script}; exec sleep 60'")
        (pid,) = await pids_of(batch, job, 1)
        await batch.task(job, "/bin/true", "waiting")
        process.kill()
        await process.wait()
    assert is_alive(pid)
    async with emulator(*location) as (process, _, batch):
        # The node "rebooted": what ran there is gone, and its task runs again.
        await ended(pid)
        task = await batch.state(job, "completed")
        info = task.execution_info
        assert (info.result, info.requeue_count, info.retry_count) == ("success", 1, 0)
        assert info.last_requeue_time is not None
        await batch.state(job, "completed", "waiting")
        done = await batch.client.get_task(job, "done")
        assert (done.execution_info.result, done.execution_info.requeue_count) == ("success", 0)
        assert await batch.output(job, "done") == "kept\n"
        process.send_signal(signal.SIGTERM)
        await process.communicate()


async def test_endings_under_way_are_taken_up_after_kill_9(tmp_path):
    location = ("--location", str(tmp_path))
    async with emulator(*location) as (process, line, batch):
        pool = await batch.ready_pool(1)
        doomed, ending = await batch.job(pool), await batch.job(pool)
        await batch.task(doomed, "/bin/true")
        address = line.split()[5]
        for method, path in (
            ("DELETE", f"/jobs/{doomed}"),
            ("POST", f"/jobs/{ending}/terminate"),
            ("DELETE", f"/pools/{pool}"),
        ):
            assert (await send(address, method, path)).status == 202
        process.kill()
        await process.wait()
    async with emulator(*location) as (process, _, batch):

        async def settled():
            jobs = {job.id: job.state async for job in batch.client.list_jobs()}
            pools = [pool.id async for pool in batch.client.list_pools()]
            return (jobs, pools) == ({ending: "completed"}, [])

        await until(settled)
