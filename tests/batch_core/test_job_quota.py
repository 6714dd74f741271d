"""The quota of an account's active jobs (100 at first) is enough for twenty routes, whatever waits for how long."""

import json
from collections import Counter

import pytest

from batch_core import jobs
from batch_core import tidy as tidying
from batch_core.collect import collect
from batch_core.jobs import MANY_JOBS
from batch_core.state.record import TaskState
from batch_core.submit import submit
from batch_core.tidy import tidy
from tests.batch_core.steps import TRIGGER, collected, completed, dropped, later, submitted, with_routes
from tests.batch_emulator.control_client import control

_ROUTES = 20


@pytest.fixture
async def routed(app, tmp_path):
    """An app with twenty routes, each of which needs jobs of its own; files of `stuck/` run until the test is over."""
    routes = [
        f"""
        [[routes]]
        name = "r{number}"
        match = "**/r{number}.txt"
        priority = {number}
        command = {json.dumps("/bin/bash -c 'case $INPUT_BLOB in stuck/*) sleep 600; esac'")}
        """
        for number in range(_ROUTES)
    ]
    return with_routes(app, tmp_path / "routes.toml", "\n".join(routes))


@pytest.fixture
async def quota(routed):
    """Leave the account the 100 active jobs of the service's default beside those that other tests left behind."""
    endpoint = routed.settings.batch.endpoint
    others = [job async for job in routed.clients.batch.list_jobs() if job.state == "active"]
    await control(endpoint, "PUT", "/quotas", {"activeJobsAndSchedules": len(others) + 100})
    yield 100
    await control(endpoint, "PUT", "/quotas", {})


async def active_jobs(app):
    """Return the active jobs on the app's pool, of which there are so many for each priority."""
    jobs = [job async for job in app.clients.batch.list_jobs() if job.pool_info.pool_id == app.settings.pool.id]
    return Counter(job.priority for job in jobs if job.state == "active")


async def submitted_on(app, day, folder):
    """Submit a file of each route on a day from today; return the records."""
    app = later(app, days=day)
    versions = [await dropped(app, f"{folder}/{day}/r{number}.txt") for number in range(_ROUTES)]
    records = [one.record for one in await submit(app, versions, detected_by=TRIGGER)]
    assert [(record.state, record.reason) for record in records] == [(TaskState.SUBMITTED, None)] * _ROUTES
    return records


@pytest.mark.usefixtures("quota")
async def test_twenty_routes_have_twenty_jobs_a_day_and_those_of_the_day_before_are_ended(routed):
    # At noon: for an hour after midnight the day before is not over.
    until_noon = 12 - routed.now().hour
    for day in range(3):
        records = await submitted_on(routed, day, "quick")
        await completed(routed, [record.task_id for record in records])
        await collect(routed)
        await tidy(later(routed, days=day, hours=until_noon))
        assert await active_jobs(routed) == Counter(range(_ROUTES))


async def test_files_that_wait_for_a_week_keep_no_others_from_their_jobs(routed, quota):
    for day in range(8):
        await submitted_on(routed, day, "stuck")
        await tidy(later(routed, days=day))
        assert sum((await active_jobs(routed)).values()) <= MANY_JOBS < quota
    # Each route has gone on in the newest job that it has.
    assert Counter((await active_jobs(routed)).values()) == {3: 10, 2: 10}


async def test_an_earlier_job_that_takes_the_tasks_of_today_is_not_ended_under_them(app, monkeypatch):
    monkeypatch.setattr(jobs, "MANY_JOBS", 1)
    first = await submitted(app, "first.txt")
    await collected(app, first.task_id)
    # At noon: for an hour after midnight the day before is not over.
    until_noon = 12 - app.now().hour
    tomorrow = later(app, days=1, hours=until_noon)
    chosen = []

    async def busy_jobs(_):
        """Nothing is open in any job; just then a file is submitted, by a process that has looked for its job."""
        chosen.append(await submitted(tomorrow, "second.txt"))
        return set()

    with monkeypatch.context() as patch:
        patch.setattr(tidying, "_busy_jobs", busy_jobs)
        assert (await tidy(tomorrow)).terminated == []
    assert [record.job_id for record in chosen] == [first.job_id]
    assert (await collected(app, chosen[0].task_id)).state is TaskState.SUCCEEDED
    # It stays for the day that it was chosen for, and goes when that is over.
    assert (await tidy(tomorrow)).terminated == []
    assert (await tidy(later(app, days=2, hours=until_noon))).terminated == [first.job_id]
