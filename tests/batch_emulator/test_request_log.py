"""The emulator's log of requests, as somebody sees it who starts one."""

import asyncio
import re
import sys
from contextlib import asynccontextmanager

import aiohttp
import pytest
from azure.batch.aio import BatchClient
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import ResourceNotFoundError

from batch_emulator.settings import DEFAULT_ACCOUNT, DEFAULT_KEY
from local.processes import ChildProcess
from tests.batch_emulator.raw_http import RawConnection

LINE = re.compile(
    r"INFO batch_emulator\.request_log: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z 127\.0\.0\.1"
    r' "(.+)" (.+) \d+\.\d ms (\S+)'
)


@asynccontextmanager
async def emulator(folder, *options):
    """Run one; yields its URL and a function that reads what it has written so far."""
    command = [sys.executable, "-m", "batch_emulator", "--port", "0", "--location", str(folder / "batch"), *options]
    async with await ChildProcess.start("emulator", command, log=folder / "log") as process:
        url = (await process.wait_for_line(r"http://127\.0\.0\.1:\d+", seconds=30))[0]
        yield url, process


async def use(url):
    credential = AzureNamedKeyCredential(DEFAULT_ACCOUNT, DEFAULT_KEY)
    async with BatchClient(url, credential) as client:
        assert [pool async for pool in client.list_pools(filter="startswith(id,'secret')")] == []
        with pytest.raises(ResourceNotFoundError):
            await client.get_task("no-job", "no-task", headers={"client-request-id": "my-call"})


async def test_each_request_is_a_line_with_its_answer_time_and_the_clients_id_and_no_secret(tmp_path):
    async with emulator(tmp_path, "--log-requests") as (url, process):
        await use(url)
        async with RawConnection(url) as raw:
            await raw.exchange(
                b"GET http://user:pa55word@h/pools?sig=pa55word HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                b"client-request-id: a\x85b\r\nAuthorization: pa55word\r\n\r\n"
            )
        await process.wait_for_line('/pools" 40', seconds=10)
        text = process.log.read_text()
    requests = [match.groups() for match in LINE.finditer(text)]
    assert requests[0][:2] == ("GET /pools", "200")
    assert requests[1] == ("GET /jobs/no-job/tasks/no-task", "404 JobNotFound", "my-call")
    assert "pa55word" not in text
    assert "\x85" not in text
    assert "filter" not in text
    assert DEFAULT_KEY[1:] not in text.split("\n", 1)[1]


async def test_a_request_that_is_cut_is_reported_as_that(tmp_path):
    async with emulator(tmp_path, "--log-requests") as (url, process), aiohttp.ClientSession() as http:
        rule = {"operation": "list_pools", "delay": 600}
        async with http.post(f"{url}/_emulator/faults", json={"faults": [rule]}) as added:
            assert added.status == 201
        credential = AzureNamedKeyCredential(DEFAULT_ACCOUNT, DEFAULT_KEY)
        async with BatchClient(url, credential) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await anext(aiter(client.list_pools()))
    # Nobody was answered before the end.
    assert '"GET /pools" cut' in process.log.read_text()


async def test_without_being_asked_the_emulator_writes_nothing_about_requests(tmp_path):
    async with emulator(tmp_path) as (url, process):
        await use(url)
    assert len(process.log.read_text().splitlines()) == 1


async def test_a_location_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    command = [sys.executable, "-m", "batch_emulator", "--port", "0", "--location", str(tmp_path / "file" / "x")]
    async with await ChildProcess.start("emulator", command, log=tmp_path / "log") as process:
        await process.ended()
    assert (
        process.tail() == f"The emulator cannot start: The location {tmp_path}/file/x cannot be used: Not a directory"
    )
