from datetime import timedelta

import pytest

from tests.batch_emulator.signed import send

NOTHING = timedelta(0)


async def test_the_statistics_of_a_job_add_up_its_tasks(batch, url, job):
    await batch.run(job, "/bin/sleep 0.1", "good")
    await batch.run(job, "/bin/false", "bad", constraints={"maxTaskRetryCount": 1})
    await batch.task(job, "/bin/sleep 60", "long")
    await batch.state(job, "running", "long")
    found = await batch.client.get_job(job, expand=["stats"])
    stats = found.job_statistics
    assert (stats.succeeded_tasks_count, stats.failed_tasks_count, stats.task_retries_count) == (1, 1, 1)
    assert stats.wall_clock_time >= timedelta(seconds=0.1)
    assert (stats.url, stats.start_time) == (f"{url}/jobs/{job}/stats", found.creation_time)
    assert (stats.user_cpu_time, stats.kernel_cpu_time) == (NOTHING, NOTHING)
    listed = batch.client.list_jobs(filter=f"id eq '{job}'", expand=["stats"], select=["id"])
    assert [(each.id, each.job_statistics.failed_tasks_count) async for each in listed] == [(job, 1)]
    assert (await batch.client.get_job(job)).job_statistics is None
    await batch.terminate(job)


async def test_the_statistics_of_a_task_say_how_long_it_waited_and_ran(batch, url, job, idle_job):
    await batch.run(job, "/bin/sleep 0.1")
    stats = (await batch.client.get_task(job, "task", expand=["stats"])).task_statistics
    assert stats.wall_clock_time >= timedelta(seconds=0.1)
    assert stats.wait_time >= NOTHING
    assert stats.url == f"{url}/jobs/{job}/tasks/task/stats"
    listed = batch.client.list_tasks(job, expand=["stats"])
    assert [task.task_statistics.wall_clock_time async for task in listed] == [stats.wall_clock_time]
    await batch.task(idle_job, "/bin/true")
    waiting = (await batch.client.get_task(idle_job, "task", expand=["stats"])).task_statistics
    assert waiting.wall_clock_time == NOTHING


@pytest.mark.parametrize("path", ["/jobs", "/jobs/{job}", "/jobs/{job}/tasks"])
async def test_nothing_but_statistics_can_be_expanded(url, idle_job, path):
    answer = await send(url, "GET", path.format(job=idle_job), {"$expand": "metadata"})
    assert (answer.status, answer.body["code"]) == (400, "InvalidQueryParameterValue")
