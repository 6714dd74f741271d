"""The overview for the page: everything there is in brief, within bounds, and without secrets."""

import json

import pytest
from azure.batch.models import BatchJobCreateOptions, BatchPoolInfo

from batch_emulator.store.dump import redacted
from tests.batch_emulator.conftest import prompt_boots, until
from tests.batch_emulator.control_client import control, faults
from tests.batch_emulator.signed import send


async def overview(url, query=""):
    answer = await control(url, "GET", f"/overview{query}")
    assert answer.status == 200, answer.body
    return answer.body


async def named_job(batch, name, **options):
    await batch.client.create_job(BatchJobCreateOptions(id=name, pool_info=BatchPoolInfo(pool_id="none"), **options))
    return name


async def many_tasks(url, job, number):
    for start in range(0, number, 100):
        tasks = [{"id": f"task-{no:05}", "commandLine": "true"} for no in range(start, min(start + 100, number))]
        assert (await send(url, "POST", f"/jobs/{job}/addtaskcollection", body={"value": tasks})).status == 200


def ids(found):
    return [row["id"] for row in found["rows"]]


async def test_a_pool_is_shown_with_its_nodes_and_what_runs_there(url, batch):
    with prompt_boots():
        pool = await batch.pool(1, task_slots_per_node=8, target_low_priority_nodes=1, display_name="Mine")

        async def both_nodes():
            return (await overview(url, f"?pools={pool}"))["pools"]["rows"][0]["states"] == {"idle": 2}

        await until(both_nodes)
    job = await batch.job(pool)
    for number in range(6):
        await batch.task(job, "/bin/sleep 60", f"t{number}", required_slots=2)
        await batch.state(job, "running", f"t{number}")

    (shown,) = (await overview(url, f"?pools={pool}"))["pools"]["rows"]
    assert (shown["id"], shown["displayName"], shown["state"]) == (pool, "Mine", "active")
    assert (shown["targetDedicatedNodes"], shown["targetLowPriorityNodes"], shown["taskSlotsPerNode"]) == (1, 1, 8)
    nodes = shown["nodes"]
    assert sum(shown["states"].values()) == 2
    assert sorted(node["isDedicated"] for node in nodes) == [False, True]
    assert sum(node["running"] for node in nodes) == 6
    assert sum(node["slots"] for node in nodes) == 12
    on_nodes = [task for node in nodes for task in node["tasks"]]
    assert all(task["jobId"] == job for task in on_nodes)
    assert all(len(node["tasks"]) == min(4, node["running"]) for node in nodes)
    await batch.terminate(job)


async def test_jobs_and_tasks_are_the_newest_first_with_their_counts(url, batch):
    pool = await batch.ready_pool(1)
    job = await batch.job(pool, display_name="Own")
    await batch.run(job, "/bin/true", "good")
    await batch.run(job, "/bin/sh -c 'exit 3'", "bad")
    newest = await named_job(batch, "newest")
    await batch.task(newest, "true", "waits")
    found = await overview(url)
    assert ids(found["jobs"])[:2] == [newest, job]
    counts = {row["id"]: row["tasks"] for row in found["jobs"]["rows"]}
    assert counts[job] == {"active": 0, "running": 0, "completed": 2, "succeeded": 1, "failed": 1}
    assert ids(found["tasks"])[:3] == ["waits", "bad", "good"]
    bad = found["tasks"]["rows"][1]
    assert (bad["jobId"], bad["state"], bad["result"], bad["exitCode"], bad["failure"]) == (
        *(job, "completed", "failure", 3),
        "FailureExitCode",
    )
    for state, names in (("failed", ["bad"]), ("succeeded", ["good"]), ("active", []), ("running", [])):
        narrowed = (await overview(url, f"?job={job}&state={state}"))["tasks"]
        assert (ids(narrowed), narrowed["fitting"]) == (names, len(names))


async def test_ten_thousand_tasks_are_looked_through_and_a_few_are_shown(url, batch):
    job = await named_job(batch, "many")
    await many_tasks(url, job, 10_000)
    tasks = (await overview(url))["tasks"]
    assert (tasks["total"] >= 10_000, len(tasks["rows"]), tasks["rows"][0]["id"]) == (True, 100, "task-09999")
    more = (await overview(url, "?rows=500&job=MANY"))["tasks"]
    assert (more["fitting"], len(more["rows"])) == (10_000, 500)
    one = (await overview(url, "?tasks=SK-00007"))["tasks"]
    assert (one["fitting"], ids(one)) == (1, ["task-00007"])
    none = (await overview(url, "?tasks=%25&job=many"))["tasks"]
    assert (none["fitting"], none["rows"]) == (0, [])
    assert (await overview(url, "?job=no-such-job"))["tasks"]["rows"] == []


async def test_of_many_jobs_the_newest_are_shown_and_others_found(url, batch):
    for number in range(60):
        await named_job(batch, f"one-of-{number:03}")
    jobs = (await overview(url, "?jobs=one-of-"))["jobs"]
    assert (jobs["fitting"], len(jobs["rows"]), jobs["rows"][0]["id"]) == (60, 50, "one-of-059")
    assert ids((await overview(url, "?jobs=OF-003"))["jobs"]) == ["one-of-003"]


@pytest.mark.parametrize("query", ["?rows=501", "?rows=-1", "?rows=x", "?rows=%D9%A3", "?state=nothing"])
async def test_what_cannot_be_asked_for_is_refused(url, query):
    answer = await control(url, "GET", f"/overview{query}")
    assert (answer.status, answer.body["code"]) == (400, "InvalidQueryParameterValue")


async def test_rules_and_quotas_are_shown_without_secrets_and_within_bounds(url):
    long = {"id": "long", "path": "/" + "x" * 300_000, "delay": 0}
    secret = {"id": "secret", "path": "/jobs/x?sig=secret-1", "answer": {"status": 500, "message": "a?sv=1&sig=secret"}}
    many = [{"operation": "get_job", "delay": 0} for _ in range(120)]
    async with faults(url, long, secret, *many):
        await control(url, "PUT", "/quotas", {"pools": 7})
        found = await overview(url)
        await control(url, "PUT", "/quotas", {})
    assert found["quotas"] == {"pools": 7}
    assert (found["faults"]["total"], len(found["faults"]["rows"])) == (122, 100)
    shown = {rule["id"]: rule for rule in found["faults"]["rows"]}
    assert (len(shown["long"]["path"]), shown["long"]["struck"]) == (501, 0)
    assert "secret-1" not in json.dumps(found)


@pytest.mark.parametrize(
    "secret", ["PASSWORD='hunter2 and more'", 'password: "hunter2 and more"', "https://user:hunter2andmore@host/"]
)
def test_no_secret_is_shown_because_its_end_was_cut_off(secret):
    for most in range(20, 20 + len(secret)):
        assert "hunt" not in redacted([{"text": f"{'x' * 19} {secret}"}], most)[0]["text"]
