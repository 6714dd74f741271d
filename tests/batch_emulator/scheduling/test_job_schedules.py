import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from azure.batch.aio import BatchClient
from azure.batch.models import (
    BatchJobConstraints,
    BatchJobCreateOptions,
    BatchJobManagerTask,
    BatchJobSchedule,
    BatchJobScheduleConfiguration,
    BatchJobScheduleCreateOptions,
    BatchJobScheduleUpdateOptions,
    BatchJobSpecification,
    BatchPoolInfo,
)
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError

from batch_emulator.server import running
from batch_emulator.settings import Settings
from batch_emulator.values.timestamps import to_wire
from tests.batch_emulator.conftest import CREDENTIAL, Batch, new_id, until
from tests.batch_emulator.signed import send, values

DAY = timedelta(days=1)


def specification(pool="no-such-pool", **options):
    return BatchJobSpecification(pool_info=BatchPoolInfo(pool_id=pool), **options)


async def add(batch, specified=None, prefix="schedule", **times):
    """Create a job schedule, by default one that makes a job every day."""
    schedule_id = new_id(prefix)
    options = BatchJobScheduleCreateOptions(
        id=schedule_id,
        schedule=BatchJobScheduleConfiguration(**(times or {"recurrence_interval": DAY})),
        job_specification=specified or specification(),
    )
    await batch.client.create_job_schedule(options)
    return schedule_id


async def jobs_of(batch, schedule_id, **options):
    return [job async for job in batch.client.list_jobs_from_schedule(schedule_id, **options)]


async def in_state(batch, schedule_id, state):
    async def look():
        schedule = await batch.client.get_job_schedule(schedule_id)
        return schedule if schedule.state == state else None

    return await until(look)


async def test_a_schedule_and_its_first_job_look_as_recorded_from_the_service(batch, url):
    """`should_get_a_job_schedule_reference`, `should_list_jobs_from_job_schedule`."""
    specified = specification(
        constraints=BatchJobConstraints(max_task_retry_count=2), all_tasks_complete_mode="terminatejob"
    )
    schedule_id = await add(batch, specified, recurrence_interval=DAY, start_window=timedelta(hours=1))
    schedule = (await batch.client.get_job_schedule(schedule_id)).as_dict()
    created = datetime.fromisoformat(schedule["creationTime"])
    constraints = {"maxWallClockTime": "P10675199DT2H48M5.4775807S", "maxTaskRetryCount": 2}
    common = {
        "priority": 0,
        "maxParallelTasks": -1,
        "allowTaskPreemption": False,
        "usesTaskDependencies": False,
        "onAllTasksComplete": "terminatejob",
        "onTaskFailure": "noaction",
        "constraints": constraints,
        "poolInfo": {"poolId": "no-such-pool"},
    }
    assert schedule == {
        "odata.metadata": f"{url}/$metadata#jobschedules/@Element",
        "id": schedule_id,
        "url": f"{url}/jobschedules/{schedule_id}",
        "eTag": schedule["eTag"],
        "lastModified": schedule["creationTime"],
        "creationTime": schedule["creationTime"],
        "state": "active",
        "stateTransitionTime": schedule["creationTime"],
        "schedule": {"startWindow": "PT1H", "recurrenceInterval": "P1D"},
        "jobSpecification": common,
        "executionInfo": {
            "nextRunTime": to_wire(created + DAY),
            "recentJob": {"url": f"{url}/jobs/{schedule_id}:job-1", "id": f"{schedule_id}:job-1"},
        },
    }
    (job,) = await jobs_of(batch, schedule_id)
    assert job.id == f"{schedule_id}:job-1"
    assert {name: job.as_dict()[name] for name in common} == common


async def test_creating_answers_address_and_version(url):
    schedule_id = new_id("schedule")
    body = {"id": schedule_id, "schedule": {}, "jobSpecification": {"poolInfo": {"poolId": "p"}}}
    answer = await send(url, "POST", "/jobschedules", body=body)
    assert (answer.status, answer.body) == (201, b"")
    assert answer.headers["Location"] == answer.headers["DataServiceId"] == f"{url}/jobschedules/{schedule_id}"
    answer = await send(url, "POST", f"/jobschedules/{schedule_id}/disable")
    assert answer.status == 204
    assert answer.headers["DataServiceId"] == f"{url}/jobschedules/{schedule_id}/disable"
    assert answer.headers["ETag"] == (await send(url, "HEAD", f"/jobschedules/{schedule_id}")).headers["ETag"]


async def test_tasks_run_in_the_jobs_of_a_schedule_and_their_files_are_served(batch, pool):
    schedule_id = await add(batch, specification(pool))
    job_id = f"{schedule_id}:job-1"
    task = await batch.run(job_id, "/bin/sh -c 'echo $AZ_BATCH_JOB_ID $AZ_BATCH_TASK_DIR'")
    shown, directory = (await batch.output(job_id)).split()
    assert shown == job_id
    assert directory.endswith(f"/workitems/{schedule_id}/job-1/task")
    assert task.node_info.task_root_directory == f"workitems/{schedule_id}/job-1/task"
    names = [file.name async for file in batch.client.list_task_files(job_id, "task")]
    assert {"stdout.txt", "stderr.txt", "wd"} <= set(names)


async def test_the_next_job_is_made_when_it_is_due_and_the_one_before_is_done(batch):
    # The first recurrence is just short of a minute ago, so the second is just ahead.
    begin = datetime.now(UTC) - timedelta(seconds=59.2)
    schedule_id = await add(batch, do_not_run_until=begin, recurrence_interval=timedelta(minutes=1))
    assert [job.id for job in await jobs_of(batch, schedule_id)] == [f"{schedule_id}:job-1"]
    next_run = (await batch.client.get_job_schedule(schedule_id)).execution_info.next_run_time
    assert next_run == begin + timedelta(minutes=1)

    async def passed():
        return (await batch.client.get_job_schedule(schedule_id)).execution_info.next_run_time > next_run

    await until(passed)
    assert len(await jobs_of(batch, schedule_id)) == 1
    await batch.terminate(f"{schedule_id}:job-1")
    states = {job.id: job.state for job in await jobs_of(batch, schedule_id)}
    assert states == {f"{schedule_id}:job-1": "completed", f"{schedule_id}:job-2": "active"}
    schedule = await batch.client.get_job_schedule(schedule_id)
    assert schedule.execution_info.recent_job.id == f"{schedule_id}:job-2"


async def test_a_job_is_made_by_the_clock_alone(batch):
    begin = datetime.now(UTC) + timedelta(seconds=0.3)
    schedule_id = await add(batch, do_not_run_until=begin)
    assert await jobs_of(batch, schedule_id) == []
    schedule = await batch.client.get_job_schedule(schedule_id)
    assert schedule.execution_info.as_dict() == {"nextRunTime": to_wire(begin)}
    assert await until(lambda: jobs_of(batch, schedule_id))


async def test_a_schedule_that_does_not_recur_completes_with_its_job(batch):
    schedule_id = await add(batch, do_not_run_until=datetime.now(UTC) - DAY)
    await batch.terminate(f"{schedule_id}:job-1")
    schedule = await in_state(batch, schedule_id, "completed")
    assert schedule.previous_state == "active"
    assert schedule.execution_info.end_time == schedule.state_transition_time
    assert schedule.execution_info.next_run_time is None


async def test_a_schedule_completes_at_its_end_when_no_job_is_active(batch):
    end = datetime.now(UTC) + timedelta(seconds=0.4)
    idle = await add(batch, do_not_run_after=end, recurrence_interval=DAY)
    busy = await add(batch, do_not_run_after=end, recurrence_interval=DAY)
    await batch.terminate(f"{idle}:job-1")
    await in_state(batch, idle, "completed")
    assert (await batch.client.get_job_schedule(busy)).state == "active"
    await batch.terminate(f"{busy}:job-1")
    await in_state(batch, busy, "completed")


async def test_a_missed_start_window_means_no_job_until_the_next_recurrence(batch):
    missed = datetime.now(UTC) - timedelta(minutes=2)
    window = timedelta(minutes=1)
    schedule_id = await add(batch, do_not_run_until=missed, start_window=window, recurrence_interval=DAY)
    assert await jobs_of(batch, schedule_id) == []
    schedule = await batch.client.get_job_schedule(schedule_id)
    assert schedule.execution_info.as_dict() == {"nextRunTime": to_wire(missed + DAY)}


async def test_a_disabled_schedule_makes_no_job_until_it_is_enabled(batch):
    begin = datetime.now(UTC) + timedelta(seconds=0.3)
    schedule_id = await add(batch, do_not_run_until=begin)
    await batch.client.disable_job_schedule(schedule_id)
    assert (await batch.client.get_job_schedule(schedule_id)).state == "disabled"
    with pytest.raises(ResourceExistsError) as caught:
        await batch.client.disable_job_schedule(schedule_id)
    assert caught.value.error.code == "JobScheduleDisabled"
    await asyncio.sleep(0.5)
    assert await jobs_of(batch, schedule_id) == []
    await batch.client.enable_job_schedule(schedule_id)
    assert len(await jobs_of(batch, schedule_id)) == 1
    assert (await batch.client.get_job_schedule(schedule_id)).previous_state == "disabled"


async def test_an_update_keeps_what_it_does_not_name_and_a_replacement_does_not(batch):
    schedule_id = await add(batch)
    created = (await batch.client.get_job_schedule(schedule_id)).creation_time
    hours = BatchJobScheduleConfiguration(recurrence_interval=timedelta(hours=10))
    await batch.client.update_job_schedule(
        schedule_id, BatchJobScheduleUpdateOptions(schedule=hours, metadata=[{"name": "a", "value": "b"}])
    )
    schedule = await batch.client.get_job_schedule(schedule_id)
    assert schedule.execution_info.next_run_time == created + timedelta(hours=10)
    assert schedule.job_specification.pool_info.pool_id == "no-such-pool"
    assert schedule.last_modified > created
    replacement = BatchJobSchedule(job_specification=specification("other", priority=7))
    await batch.client.replace_job_schedule(schedule_id, replacement)
    schedule = await batch.client.get_job_schedule(schedule_id)
    assert (schedule.schedule, schedule.metadata) == (None, None)
    assert (schedule.job_specification.priority, schedule.job_specification.pool_info.pool_id) == (7, "other")
    (job,) = await jobs_of(batch, schedule_id)
    assert (job.priority, job.pool_info.pool_id) == (0, "no-such-pool")


async def test_a_shorter_interval_makes_the_next_job_due(batch):
    schedule_id = await add(batch, do_not_run_until=datetime.now(UTC) - timedelta(hours=2), recurrence_interval=DAY)
    await batch.terminate(f"{schedule_id}:job-1")
    shorter = BatchJobScheduleConfiguration(recurrence_interval=timedelta(hours=1))
    await batch.client.update_job_schedule(schedule_id, BatchJobScheduleUpdateOptions(schedule=shorter))
    assert [job.id for job in await jobs_of(batch, schedule_id)] == [f"{schedule_id}:job-{n}" for n in (1, 2)]


async def test_terminating_a_schedule_ends_its_job_and_its_tasks(batch, url, pool):
    schedule_id = await add(batch, specification(pool))
    job_id = f"{schedule_id}:job-1"
    await batch.task(job_id, "/bin/sleep 60")
    await batch.state(job_id, "running")
    answer = await send(url, "POST", f"/jobschedules/{schedule_id}/terminate")
    assert answer.status == 202
    seen = await batch.client.get_job_schedule(schedule_id)
    assert seen.state in {"terminating", "completed"}
    assert seen.execution_info.next_run_time is None
    schedule = await in_state(batch, schedule_id, "completed")
    assert schedule.previous_state == "active"
    job = await batch.client.get_job(job_id)
    assert (job.state, job.execution_info.termination_reason) == ("completed", "TerminateJobSchedule")
    assert (await batch.client.get_task(job_id, "task")).execution_info.failure_info.code == "TaskEnded"
    for change in (batch.client.enable_job_schedule, batch.client.disable_job_schedule):
        with pytest.raises(ResourceExistsError) as caught:
            await change(schedule_id)
        assert caught.value.error.code == "JobScheduleCompleted"


async def test_the_pollers_wait_for_the_end_and_for_the_removal(batch):
    schedule_id = await add(batch)
    poller = await batch.client.begin_terminate_job_schedule(schedule_id, polling_interval=0.05)
    await poller.result()
    assert (await batch.client.get_job_schedule(schedule_id)).state == "completed"
    poller = await batch.client.begin_delete_job_schedule(schedule_id, polling_interval=0.05)
    await poller.result()
    for gone in (batch.client.get_job_schedule(schedule_id), batch.client.job_schedule_exists(schedule_id)):
        with pytest.raises(ResourceNotFoundError):
            await gone
    with pytest.raises(ResourceNotFoundError) as caught:
        await batch.client.get_job(f"{schedule_id}:job-1")
    assert caught.value.error.code == "JobNotFound"


async def test_a_deleted_schedule_is_being_deleted_until_its_jobs_are_gone(batch, url, pool):
    schedule_id = await add(batch, specification(pool))
    await batch.task(f"{schedule_id}:job-1", "/bin/sleep 60")
    await batch.state(f"{schedule_id}:job-1", "running")
    first, second = await asyncio.gather(
        send(url, "DELETE", f"/jobschedules/{schedule_id}"), send(url, "DELETE", f"/jobschedules/{schedule_id}")
    )
    assert sorted([first.status, second.status]) in ([202, 404], [202, 409])

    async def gone():
        return (await send(url, "HEAD", f"/jobschedules/{schedule_id}")).status == 404

    await until(gone)


@pytest.mark.parametrize("operation", ["GET ", "PATCH ", "PUT ", "DELETE ", "POST /enable", "GET /jobs"])
async def test_a_schedule_that_does_not_exist_is_not_found(url, operation):
    method, tail = operation.split(" ")
    answer = await send(url, method, f"/jobschedules/none{tail}", body={} if method in {"PATCH", "PUT"} else None)
    assert (answer.status, answer.body["code"]) == (404, "JobScheduleNotFound")


async def test_jobs_and_schedules_do_not_share_ids(batch, idle_job):
    schedule_id = await add(batch)
    with pytest.raises(ResourceExistsError) as caught:
        await batch.client.create_job(
            BatchJobCreateOptions(id=schedule_id.upper(), pool_info=BatchPoolInfo(pool_id="p"))
        )
    assert caught.value.error.code == "JobScheduleWithSameIdExists"
    for used, code in ((schedule_id.upper(), "JobScheduleExists"), (idle_job, "JobWithSameIdExists")):
        with pytest.raises(ResourceExistsError) as caught:
            await batch.client.create_job_schedule(
                BatchJobScheduleCreateOptions(
                    id=used, schedule=BatchJobScheduleConfiguration(), job_specification=specification()
                )
            )
        assert caught.value.error.code == code


@pytest.mark.parametrize(
    ("schedule", "name"),
    [
        ({"recurrenceInterval": "PT59S"}, "schedule.recurrenceInterval"),
        ({"startWindow": "PT1S"}, "schedule.startWindow"),
        ({"doNotRunUntil": "tomorrow"}, "schedule.doNotRunUntil"),
        (
            {"doNotRunUntil": "2030-01-01T00:00:00Z", "doNotRunAfter": "2029-01-01T00:00:00Z"},
            "schedule.doNotRunAfter",
        ),
    ],
)
async def test_a_schedule_that_cannot_be_is_refused(url, schedule, name):
    body = {"id": new_id("bad"), "schedule": schedule, "jobSpecification": {"poolInfo": {"poolId": "p"}}}
    answer = await send(url, "POST", "/jobschedules", body=body)
    assert (answer.status, answer.body["code"]) == (400, "InvalidPropertyValue")
    assert values(answer)["PropertyName"] == name


@pytest.mark.parametrize("missing", ["id", "schedule", "jobSpecification", "jobSpecification.poolInfo"])
async def test_a_schedule_without_a_required_property_is_refused(url, missing):
    body = {"id": new_id("bad"), "schedule": {}, "jobSpecification": {"poolInfo": {"poolId": "p"}}}
    first, _, second = missing.partition(".")
    del (body[first] if second else body)[second or first]
    answer = await send(url, "POST", "/jobschedules", body=body)
    assert (answer.status, answer.body["code"]) == (400, "MissingRequiredProperty")
    assert values(answer)["PropertyName"] == missing


async def test_schedules_are_changed_only_on_the_expected_version(batch):
    schedule_id = await add(batch)
    schedule = await batch.client.get_job_schedule(schedule_id)
    await batch.client.disable_job_schedule(
        schedule_id, etag=schedule.etag, match_condition=MatchConditions.IfNotModified
    )
    with pytest.raises(ResourceModifiedError):
        await batch.client.enable_job_schedule(
            schedule_id, etag=schedule.etag, match_condition=MatchConditions.IfNotModified
        )
    changed = await batch.client.get_job_schedule(schedule_id)
    with pytest.raises(ResourceModifiedError):
        await batch.client.get_job_schedule(schedule_id, etag=changed.etag, match_condition=MatchConditions.IfModified)


async def test_schedules_and_their_jobs_are_listed_by_filter_and_page(batch):
    ids = [await add(batch, prefix="filtered") for _ in range(3)]
    await batch.client.disable_job_schedule(ids[1])
    query = "startswith(id,'FILTERED') and state eq 'disabled'"
    assert [found.id async for found in batch.client.list_job_schedules(filter=query)] == [ids[1]]
    seen = [found.id async for found in batch.client.list_job_schedules(select=["id"], max_results=1)]
    assert set(ids) <= set(seen)
    (job,) = await jobs_of(batch, ids[0], filter="state eq 'active' and executionInfo/poolId eq 'no-such-pool'")
    assert job.id == f"{ids[0]}:job-1"
    assert await jobs_of(batch, ids[0], filter="state eq 'completed'") == []
    with pytest.raises(HttpResponseError) as caught:
        await jobs_of(batch, ids[0], filter="id eq 'x'")
    assert caught.value.error.code == "InvalidQueryParameterValue"


async def test_statistics_add_up_the_tasks_of_all_jobs(batch, pool):
    schedule_id = await add(batch, specification(pool))
    await batch.run(f"{schedule_id}:job-1", "/bin/true", "good")
    await batch.run(f"{schedule_id}:job-1", "/bin/false", "bad")
    assert (await batch.client.get_job_schedule(schedule_id)).job_schedule_statistics is None
    schedule = await batch.client.get_job_schedule(schedule_id, expand=["stats"])
    stats = schedule.job_schedule_statistics
    assert (stats.succeeded_tasks_count, stats.failed_tasks_count, stats.task_retries_count) == (1, 1, 0)
    assert timedelta() < stats.wall_clock_time < timedelta(minutes=1)
    selected = await batch.client.get_job_schedule(schedule_id, select=["id", "stats"])
    assert selected.job_schedule_statistics.succeeded_tasks_count == 1


async def test_a_schedule_goes_on_after_a_restart(tmp_path):
    settings = Settings(port=0, location=tmp_path / "state")
    async with running(settings) as url, BatchClient(url, CREDENTIAL) as client:
        batch = Batch(client)
        begin = datetime.now(UTC) + timedelta(seconds=0.2)
        waiting = await add(batch, do_not_run_until=begin)
        ending = await add(batch)
        await send(url, "POST", f"/jobschedules/{ending}/terminate")
    async with running(settings) as url, BatchClient(url, CREDENTIAL) as client:
        batch = Batch(client)
        assert await until(lambda: jobs_of(batch, waiting))
        await in_state(batch, ending, "completed")


async def test_the_job_manager_of_a_scheduled_job_runs_and_ends_the_job(batch, pool):
    manager = BatchJobManagerTask(id="manager", command_line="/bin/sh -c 'echo $AZ_BATCH_JOB_ID'")
    schedule_id = await add(batch, specification(pool, job_manager_task=manager))
    job_id = f"{schedule_id}:job-1"
    await batch.state(job_id, "completed", "manager")
    assert await batch.output(job_id, "manager") == f"{job_id}\n"

    async def completed():
        job = await batch.client.get_job(job_id)
        return job if job.state == "completed" else None

    assert (await until(completed)).execution_info.termination_reason == "JMComplete"


async def test_a_job_that_could_not_be_made_later_is_refused_at_once(url):
    manager = {"id": "m", "commandLine": "/bin/true", "dependsOn": {"taskIds": ["other"]}}
    body = {
        "id": new_id("bad"),
        "schedule": {"doNotRunUntil": "2040-01-01T00:00:00Z"},
        "jobSpecification": {"poolInfo": {"poolId": "p"}, "jobManagerTask": manager},
    }
    answer = await send(url, "POST", "/jobschedules", body=body)
    assert (answer.status, answer.body["code"]) == (400, "TaskDependenciesNotSpecifiedOnJob")
