"""Kills the emulator at random moments under load, and holds it to everything it has said.

`EMULATOR_KILLS=100 pytest tests/batch_emulator/test_durability.py` does it more often.
"""

import asyncio
import itertools
import os
import random
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from tests.batch_emulator.conftest import until
from tests.batch_emulator.execution.test_execution import ended
from tests.batch_emulator.execution.test_process import emulator
from tests.batch_emulator.ledger import Ledger
from tests.batch_emulator.signed import send

KILLS = int(os.environ.get("EMULATOR_KILLS", "2"))
WORK, IDLE = "work", "idle"


class Client:
    """Asks for many things at once until the emulator is gone, and keeps the ledgers of two jobs.

    The tasks of `work` run; those of `idle` wait for a pool that never comes.
    """

    def __init__(self, dice):
        self.dice = dice
        self.ledgers = {WORK: Ledger(), IDLE: Ledger()}
        self.numbers = itertools.count()
        #: Jobs beside those two: their number, whether they were added, whether they were deleted.
        self.jobs = {"added": set(), "deleted": set(), "doubtful": set()}
        self.url = ""
        self.over = False

    async def send(self, method, path, body=None):
        answer = await send(self.url, method, path, body=body)
        assert answer.status < 500, answer.body
        return answer

    async def set_up(self):
        pool = {"id": "pool", "vmSize": "standard_d2s_v3", "targetDedicatedNodes": 2, "taskSlotsPerNode": 3}
        assert (await self.send("POST", "/pools", pool)).status == 201
        for job_id, pool_id in ((WORK, "pool"), (IDLE, "nowhere")):
            body = {"id": job_id, "poolInfo": {"poolId": pool_id}}
            assert (await self.send("POST", "/jobs", body)).status == 201

    async def load(self, seconds, process):
        """Work until the emulator is killed, after so many seconds."""
        self.over = False
        work = [
            self.repeat(step) for step in (self.add, self.add, self.delete, self.change, self.end, self.job, self.see)
        ]
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(each)
            await asyncio.sleep(seconds)
            process.kill()
            self.over = True
            await process.wait()

    async def repeat(self, step):
        with suppress(aiohttp.ClientError, ConnectionError):
            while not self.over:
                await step()
                await asyncio.sleep(self.dice.uniform(0, 0.02))

    async def add(self):
        job_id = self.dice.choice([WORK, IDLE])
        ledger = self.ledgers[job_id]
        numbers = [next(self.numbers) for _ in range(self.dice.choice([1, 5, 20]))]
        tasks = [{"id": f"t{number}", "commandLine": command_of(number)} for number in numbers]
        ids = {task["id"] for task in tasks}
        ledger.maybe_added |= ids
        answer = await self.send("POST", f"/jobs/{job_id}/addtaskcollection", {"value": tasks})
        assert {item["status"] for item in answer.body["value"]} == {"Success"}
        ledger.maybe_added -= ids
        ledger.added |= ids

    async def delete(self):
        job_id, task_id = await self.choose(WORK, IDLE)
        ledger = self.ledgers[job_id]
        ledger.maybe_deleted.add(task_id)
        answer = await self.send("DELETE", f"/jobs/{job_id}/tasks/{task_id}")
        assert answer.status == 200
        ledger.maybe_deleted.discard(task_id)
        ledger.deleted.add(task_id)

    async def change(self):
        _, task_id = await self.choose(IDLE)
        ledger, version = self.ledgers[IDLE], next(self.numbers)
        ledger.versions.setdefault(task_id, 0)
        ledger.maybe_versions.setdefault(task_id, set()).add(version)
        body = {"constraints": {"maxTaskRetryCount": version}}
        if (await self.send("PUT", f"/jobs/{IDLE}/tasks/{task_id}", body)).status == 200:
            ledger.versions[task_id] = version

    async def end(self):
        job_id, task_id = await self.choose(WORK)
        answer = await self.send("POST", f"/jobs/{job_id}/tasks/{task_id}/terminate")
        if answer.status == 204:
            self.ledgers[job_id].terminated.add(task_id)

    async def job(self):
        job_id = f"job-{next(self.numbers)}"
        self.jobs["doubtful"].add(job_id)
        await self.send("POST", "/jobs", {"id": job_id, "poolInfo": {"poolId": "pool"}})
        self.jobs["added"].add(job_id)
        if self.dice.random() < 0.5:
            assert (await self.send("DELETE", f"/jobs/{job_id}")).status == 202
            self.jobs["deleted"].add(job_id)
        self.jobs["doubtful"].discard(job_id)

    async def see(self):
        for job_id, ledger in self.ledgers.items():
            ledger.look(await self.tasks(job_id))

    async def choose(self, *jobs):
        """Return a task that is certainly there, once there is one."""
        while not any(self.ledgers[job_id].certain for job_id in jobs):
            if self.over:
                raise ConnectionError
            await asyncio.sleep(0.01)
        job_id = self.dice.choice([job_id for job_id in jobs if self.ledgers[job_id].certain])
        return job_id, self.dice.choice(sorted(self.ledgers[job_id].certain))

    async def tasks(self, job_id):
        tasks, query = [], {}
        while query is not None:
            answer = await send(self.url, "GET", f"/jobs/{job_id}/tasks", query)
            tasks += [without_address(task) for task in answer.body["value"]]
            link = answer.body.get("odata.nextLink")
            query = {"$skiptoken": parse_qs(urlsplit(link).query)["$skiptoken"][0]} if link else None
        return tasks

    async def check(self):
        """Hold a restarted emulator to what was said."""
        for job_id, ledger in self.ledgers.items():
            ledger.check(await self.tasks(job_id))
            for task_id in self.dice.sample(sorted(ledger.completed), min(10, len(ledger.completed))):
                await self.check_output(job_id, ledger.completed[task_id])
        await until(self.jobs_are_as_said)

    async def check_output(self, job_id, task):
        if task["id"] in self.ledgers[job_id].possible - self.ledgers[job_id].maybe_deleted and ran_to_its_end(task):
            answer = await self.send("GET", f"/jobs/{job_id}/tasks/{task['id']}/files/stdout.txt")
            assert answer.body == f"{task['id']}\n".encode()

    async def jobs_are_as_said(self):
        answer = await self.send("GET", "/jobs")
        found = {job["id"]: job["state"] for job in answer.body["value"]}
        deleted = {job_id for job_id in self.jobs["deleted"] if job_id in found}
        assert {found[job_id] for job_id in deleted} <= {"deleting"}
        assert self.jobs["added"] - self.jobs["deleted"] - self.jobs["doubtful"] - set(found) == set()
        return not deleted

    async def finish(self):
        """Let all that is left run, and look at each result."""

        async def done():
            tasks = await self.tasks(WORK)
            return tasks if {task["state"] for task in tasks} <= {"completed"} else None

        for task in await until(done, 30):
            info = task["executionInfo"]
            if ran_to_its_end(task):
                assert info["exitCode"] == int(task["id"][1:]) % 2
                assert info["result"] == ("failure" if info["exitCode"] else "success")
            else:
                assert info["failureInfo"]["code"] == "TaskEnded"


def command_of(number):
    """Return a command that prints its task's id; every second one fails, every third one takes a while."""
    pause = "" if number % 3 else "sleep 0.2; "
    return f"/bin/sh -c '{pause}echo $AZ_BATCH_TASK_ID; exit {number % 2}'"


def ran_to_its_end(task):
    return task["executionInfo"].get("failureInfo", {}).get("code") in {None, "FailureExitCode"}


def without_address(task):
    """Leave out what changes with the port."""
    node = {key: value for key, value in task.get("nodeInfo", {}).items() if not key.endswith("Url")}
    return {**{key: value for key, value in task.items() if key != "url"}, **({"nodeInfo": node} if node else {})}


def processes_of(location):
    """Return the processes of tasks on the nodes of an emulator."""
    mark, found = f"AZ_BATCH_NODE_ROOT_DIR={location}/".encode(), []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes():
                found.append(int(entry.name))
    return found


@pytest.mark.parametrize("seed", [1])
async def test_whatever_was_acknowledged_survives_being_killed_at_any_moment(tmp_path, seed):
    dice = random.Random(seed)
    client, left = Client(dice), []
    for kill in range(KILLS + 1):
        async with emulator("--location", str(tmp_path)) as (process, line, _):
            client.url = line.split()[5]
            await ended(*left)
            await (client.check() if kill else client.set_up())
            if kill == KILLS:
                await client.finish()
            else:
                await client.load(dice.uniform(0.05, 0.7), process)
        left = processes_of(tmp_path)
    said = SimpleNamespace(
        **{name: len(getattr(client.ledgers[WORK], name)) for name in ("added", "deleted", "completed")}
    )
    assert min(said.added, said.deleted, said.completed) > 0
