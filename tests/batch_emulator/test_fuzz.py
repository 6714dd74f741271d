"""Whatever is sent: no answer is a 500, the emulator lives on, and its state stays whole.

`EMULATOR_FUZZ=100000 pytest tests/batch_emulator/test_fuzz.py` sends more; `EMULATOR_FUZZ_SEED` other requests.
"""

import json
import os
import random
import signal
from email.utils import formatdate

import pytest

from batch_emulator.control.routes import CONTROL_ROUTES
from batch_emulator.routes import ROUTES
from tests.batch_emulator.conftest import until
from tests.batch_emulator.execution.test_process import emulator
from tests.batch_emulator.hostile import request_for
from tests.batch_emulator.hostile_bodies import BODIES
from tests.batch_emulator.ledger import contradictions
from tests.batch_emulator.raw_http import RawConnection
from tests.batch_emulator.signed import VERSION

REQUESTS = int(os.environ.get("EMULATOR_FUZZ", "800"))
SEED = int(os.environ.get("EMULATOR_FUZZ_SEED", "1"))
#: The service's own way to say "later".
EXPECTED = {(503, "TooManyEnableAutoScaleRequests")}
#: A reset would take away what the others work on.
CONTROLS = [route for route in CONTROL_ROUTES if route.name != "reset"]
FIXED = {
    "filePath": ["stdout.txt", "wd", "wd/a", "startup/stdout.txt", "."],
    "userName": ["u"],
    "applicationId": ["a"],
    "extensionName": ["e"],
    "faultId": ["fault-1"],
}


class Fuzzer:
    def __init__(self, connection, dice):
        self.connection = connection
        self.dice = dice

    async def get(self, path, gone=None):
        """Read something; `gone` is what to return where its removal came between."""
        answer = await self.connection.ask(
            "GET", f"{path}?api-version={VERSION}", {"ocp-date": formatdate(usegmt=True)}
        )
        if gone is not None and answer.status == 404:
            return gone
        assert answer.status == 200, (path, answer.body)
        return answer.body

    async def all(self, path):
        """Return a list; an empty one of what is just being removed."""
        return (await self.get(path, gone={"value": []}))["value"]

    async def set_up(self):
        """Bring back what has been deleted."""
        await self.post("/pools", {"id": "fuzz-pool", "vmSize": "standard_d2s_v3", "targetDedicatedNodes": 2})
        await self.post("/jobs", {"id": "fuzz-job", "poolInfo": {"poolId": "fuzz-pool"}, "usesTaskDependencies": True})
        for number in range(3):
            await self.post("/jobs/fuzz-job/tasks", {"id": f"task-{number}", "commandLine": "/bin/echo x"})

    async def post(self, path, body):
        """Add something, unless it exists."""

        async def added():
            headers = {"ocp-date": formatdate(usegmt=True), "Content-Type": "application/json"}
            data = json.dumps(body).encode()
            answer = await self.connection.ask("POST", f"{path}?api-version={VERSION}", headers, data)
            assert answer.status in {201, 409}, answer.body
            return answer.status == 201 or "BeingDeleted" not in answer.body["code"]

        await until(added)

    async def ids(self):
        """Return what exists, by the names of variable parts of paths."""
        jobs = [job["id"] for job in await self.all("/jobs")]
        pools = [pool["id"] for pool in await self.all("/pools")]
        tasks = [task["id"] for task in await self.all("/jobs/fuzz-job/tasks")]
        nodes = [node["id"] for node in await self.all("/pools/fuzz-pool/nodes")]
        return FIXED | {
            "jobId": ["fuzz-job", "fuzz-job", *jobs],
            "poolId": ["fuzz-pool", "fuzz-pool", *pools],
            "taskId": [*tasks, "none"],
            "nodeId": [*nodes, "any"],
            "jobScheduleId": ["new-0", "new-1"],
        }

    async def attack(self, ids):
        operation = self.dice.choice(ROUTES if self.dice.random() < 0.9 else CONTROLS)
        sent = request_for(operation, self.dice, ids, BODIES)
        try:
            answer = await self.connection.ask(*sent)
        except (EOFError, ConnectionError) as exc:
            raise AssertionError(f"No answer to {operation.name}: {sent}"[:3000]) from exc
        code = answer.body["code"] if answer.status >= 500 and answer.body else None
        assert answer.status < 500 or (answer.status, code) in EXPECTED, (operation.name, str(sent)[:3000], answer)
        if operation in CONTROLS:
            await self.connection.ask("DELETE", "/_emulator/faults", {})
            await self.connection.ask("PUT", "/_emulator/quotas", {}, b"{}")

    async def look(self):
        """Read everything there is: lists, each item, each task, the dump."""
        for kind in ("pools", "jobs", "jobschedules"):
            for item in await self.all(f"/{kind}"):
                shown = await self.get(f"/{kind}/{item['id']}", gone=item)
                assert shown["id"] == item["id"]
        for job in await self.all("/jobs"):
            tasks = await self.all(f"/jobs/{job['id']}/tasks")
            assert [contradictions(task) for task in tasks if contradictions(task)] == []
            await self.get(f"/jobs/{job['id']}/taskcounts", gone={})
        for pool in await self.all("/pools"):
            await self.all(f"/pools/{pool['id']}/nodes")
        await self.get("/nodecounts")
        await self.get("/_emulator/state")
        await self.get("/_emulator/overview")


async def test_no_request_gets_a_500_or_breaks_the_state(tmp_path):
    dice, location = random.Random(SEED), ("--location", str(tmp_path))
    async with emulator(*location) as (process, line, _), RawConnection(line.split()[5]) as connection:
        fuzzer = Fuzzer(connection, dice)
        for number in range(REQUESTS):
            if number % 250 == 0:
                await fuzzer.set_up()
                await fuzzer.look()
                ids = await fuzzer.ids()
            await fuzzer.attack(ids)
        await fuzzer.look()
        # The end that leaves the most undone.
        process.kill()
        assert await process.communicate() == (b"", b"")
    async with emulator(*location) as (process, line, _), RawConnection(line.split()[5]) as connection:
        await Fuzzer(connection, dice).look()
        process.send_signal(signal.SIGTERM)
        assert await process.communicate() == (b"", b"")


@pytest.mark.parametrize(
    "data",
    [
        b"GET http://example.com/pools HTTP/1.1\r\nHost: x\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /pools HTTP/1.0\r\n\r\n",
        b"GET /pools HTTP/1.1\r\n\r\n",
        b"GET /pools\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: \xff\r\n\r\n",
        b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 10_000 + b"\r\n\r\n",
        b"POST /pools HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /pools HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /_emulator/faults HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /_emulator/faults HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_what_is_hardly_http_is_refused(url, data):
    async with RawConnection(url) as connection:
        try:
            answer = await connection.exchange(data)
        except EOFError:
            return
    assert 400 <= answer.status < 500
