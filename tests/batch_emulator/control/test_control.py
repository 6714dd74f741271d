import asyncio
import json
import time

from azure.batch.models import BatchTaskConstraints, EnvironmentSetting, ResourceFile

import batch_emulator
from batch_emulator.server import running
from batch_emulator.settings import DEFAULT_KEY, Settings
from batch_emulator.store.dump import MOST_TEXT
from tests.batch_emulator.control_client import control, faults
from tests.batch_emulator.execution.test_execution import ended, pids_of
from tests.batch_emulator.execution.test_process import emulator
from tests.batch_emulator.signed import send

SAS = "sv=2024-01-01&sp=r&sig=abc%2Bdef%3D"
LARGE = 9000


async def test_the_files_of_a_completed_task_expire_on_request(url, batch):
    job = await batch.job(await batch.ready_pool(1))
    await batch.run(job, "/bin/echo hello")
    assert (await control(url, "POST", f"/jobs/{job}/tasks/task/expirefiles")).status == 204
    answer = await send(url, "GET", f"/jobs/{job}/tasks/task/files/stdout.txt")
    assert (answer.status, answer.body["code"]) == (409, "TaskFilesCleanedup")
    assert (await batch.client.get_task(job, "task")).state == "completed"


async def test_only_a_completed_task_has_files_to_expire(url, batch):
    job = await batch.job("no-such-pool")
    await batch.task(job, "true")
    assert (await control(url, "POST", f"/jobs/{job}/tasks/task/expirefiles")).status == 409
    assert (await control(url, "POST", f"/jobs/{job}/tasks/none/expirefiles")).body["code"] == "TaskNotFound"


async def test_the_state_is_shown_without_secrets(url, batch):
    job = await batch.job("no-such-pool", common_environment_settings=[EnvironmentSetting(name="A", value="secret-1")])
    await batch.task(
        job,
        f"/usr/bin/curl https://x.blob.core.windows.net/c/b?{SAS}",
        environment_settings=[EnvironmentSetting(name="B", value="secret-2")],
        resource_files=[ResourceFile(http_url=f"https://x.blob.core.windows.net/c/b?{SAS}", file_path="b")],
        constraints=BatchTaskConstraints(max_task_retry_count=2),
    )
    state = await control(url, "GET", "/state")
    task = state.body["tables"]["tasks"]["rows"][0]
    assert (task["id"], task["state"]) == ("task", "active")
    assert task["document"]["constraints"]["maxTaskRetryCount"] == 2
    assert task["document"]["resourceFiles"][0]["httpUrl"] == "https://x.blob.core.windows.net/c/b?(hidden)"
    assert task["document"]["environmentSettings"] == [{"name": "B", "value": "(hidden)"}]
    text = json.dumps(state.body)
    for secret in ("abc%2Bdef", "sig=", "secret-", DEFAULT_KEY):
        assert secret not in text


async def test_the_state_shows_as_many_rows_as_asked_for(url, batch):
    for _ in range(3):
        await batch.job("no-such-pool")
    jobs = (await control(url, "GET", "/state?rows=2")).body["tables"]["jobs"]
    assert (len(jobs["rows"]), jobs["count"] >= 3) == (2, True)
    assert (await control(url, "GET", "/state?rows=-1")).status == 400


async def test_the_state_shows_fault_rules_without_secrets(url):
    rule = {
        "path": "/jobs/x?sig=secret-1",
        "answer": {"status": 500, "code": "Own", "message": "of https://h/c?sv=1&sig=secret-2"},
    }
    async with faults(url, rule):
        [shown] = (await control(url, "GET", "/state")).body["faults"]
    assert (shown["path"], shown["answer"]["message"]) == ("/jobs/x?(hidden)", "of https://h/c?(hidden)")


async def test_the_state_has_a_bound_in_rows_and_in_size(url, idle_job):
    assert (await control(url, "GET", "/state?rows=10001")).status == 400
    await add_large_tasks(url, idle_job, 200)
    tasks = (await control(url, "GET", "/state?rows=10000")).body["tables"]["tasks"]
    assert tasks["count"] >= 200
    assert 1 <= len(tasks["rows"]) <= MOST_TEXT // LARGE


async def test_others_are_served_while_the_state_is_shown(tmp_path):
    async with emulator("--location", str(tmp_path)) as (_, line, batch):
        url = line.split()[5]
        await add_large_tasks(url, await batch.job("no-such-pool"), 3000)
        waits = []
        async with asyncio.TaskGroup() as group:
            shown = [group.create_task(control(url, "GET", "/state?rows=10000")) for _ in range(3)]
            while not all(each.done() for each in shown):
                before = time.monotonic()
                assert (await control(url, "GET", "/quotas")).status == 200
                waits.append(time.monotonic() - before)
    assert [each.result().status for each in shown] == [200] * 3
    # One state of all 3000 tasks took four seconds in which nobody else was served.
    assert max(waits) < 1


async def add_large_tasks(url, job, number):
    for start in range(0, number, 50):
        tasks = [{"id": f"t{no}", "commandLine": "x" * LARGE} for no in range(start, start + 50)]
        assert (await send(url, "POST", f"/jobs/{job}/addtaskcollection", body={"value": tasks})).status == 200


async def test_a_reset_leaves_nothing(url, batch):
    job = await batch.job(await batch.ready_pool(1))
    await batch.task(job, "/bin/sh -c 'echo $$; exec sleep 60'")
    (pid,) = await pids_of(batch, job, 1)
    await control(url, "PUT", "/quotas", {"pools": 1})
    async with faults(url, {"operation": "get_job", "delay": 1}):
        assert (await control(url, "POST", "/reset")).status == 204
        assert (await control(url, "GET", "/faults")).body == {"faults": []}
    await ended(pid)
    state = (await control(url, "GET", "/state")).body
    assert {name: table["count"] for name, table in state["tables"].items() if table["count"]} == {}
    assert (state["running"], state["quotas"]) == ([], {})
    await batch.run(await batch.job(await batch.ready_pool(1)), "/bin/true")


async def test_requests_during_a_reset_are_asked_to_come_again(url, batch):
    job = await batch.job(await batch.ready_pool(1))
    await batch.task(job, "/bin/sleep 60")
    await batch.state(job, "running")

    async def ask():
        return [(await send(url, "GET", "/jobs")).status for _ in range(20)]

    answers = await asyncio.gather(control(url, "POST", "/reset"), *[ask() for _ in range(5)])
    assert answers[0].status == 204
    assert {status for statuses in answers[1:] for status in statuses} <= {200, 503}
    assert (await send(url, "GET", "/jobs")).body["value"] == []


async def test_a_request_whose_state_was_taken_away_is_asked_to_come_again(url):
    slow = {"operation": "list_jobs", "delay": 0.2}
    async with faults(url, slow):
        waiting = asyncio.create_task(send(url, "GET", "/jobs"))
        await asyncio.sleep(0.1)
        await control(url, "POST", "/reset")
        assert (await waiting).status == 503


async def test_a_reset_brings_back_what_the_file_at_the_start_said(tmp_path):
    path = tmp_path / "faults.json"
    rule = {"id": "one", "operation": "get_job", "delay": 1, "times": 5}
    path.write_text(json.dumps({"faults": [rule], "quotas": {"pools": 7}}))
    async with emulator("--location", str(tmp_path / "state"), "--faults", str(path)) as (_, line, batch):
        url = line.split()[5]
        job = await batch.job("no-such-pool")
        await control(url, "DELETE", "/faults")
        await control(url, "PUT", "/quotas", {})
        assert (await control(url, "POST", "/reset")).status == 204
        assert [rule["id"] for rule in (await control(url, "GET", "/faults")).body["faults"]] == ["one"]
        assert (await control(url, "GET", "/quotas")).body == {"pools": 7}
        assert [found.id async for found in batch.client.list_jobs() if found.id == job] == []


async def test_health_is_told_to_everybody_and_the_state_is_not(url):
    assert (await control(url, "GET", "/health")).body["status"] == "healthy"
    async with running(Settings(port=0, allowed_hosts=frozenset({"allowed.example"}))) as named:
        elsewhere = {"headers": {"Host": "allowed.example"}}
        health = await control(named, "GET", "/health", **elsewhere)
        assert (health.status, health.body["version"]) == (200, batch_emulator.__version__)
        assert (await control(named, "GET", "/state", **elsewhere)).status == 403
