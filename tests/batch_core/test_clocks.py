import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from azure.core.pipeline.transport import AioHttpTransport

from batch_core.app import open_app
from batch_core.clocks import CLOCK_MARGIN, SHARED_KEY_LIMIT, ServiceClock
from batch_core.collect import collect
from batch_core.http.health import check_health, clocks_check
from batch_core.lookback import OVERLAP
from batch_core.state.record import TaskState
from tests.batch_core.steps import collected, completed, later, record_of, submitted

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


async def clock(app):
    (check,) = [check for check in await check_health(app) if check.name == "clock"]
    return check.is_ok, check.detail


def test_the_margin_is_wider_than_what_a_key_allows():
    assert timedelta(minutes=SHARED_KEY_LIMIT) < CLOCK_MARGIN


@pytest.mark.parametrize("header", [None, "", "yesterday", "Mon, 99 Nov 2026 12:00:00 GMT"])
def test_a_service_that_gives_no_time_has_none(header):
    clock = ServiceClock(service="Batch")
    clock.read(header)
    assert clock.ahead(NOON) is None
    check = clocks_check([clock], NOON)
    assert (check.is_ok, check.detail) == (True, "no service has reported its time yet")


def test_the_difference_does_not_grow_while_nothing_is_asked():
    passed = [0.0]
    clock = ServiceClock(service="Batch", monotonic=lambda: passed[0])
    clock.read("Mon, 23 Nov 2026 12:00:00 GMT")
    assert clock.ahead(NOON + timedelta(seconds=90)) == timedelta(seconds=90)
    passed[0] = 3600.0
    assert clock.ahead(NOON + timedelta(seconds=3690)) == timedelta(seconds=90)
    assert clock.ahead(NOON + timedelta(seconds=3500)) == timedelta(seconds=-100)


@pytest.mark.parametrize(("minutes", "word"), [(12, "ahead of"), (-12, "behind")])
async def test_health_reports_a_clock_that_is_wrong_and_by_how_much(app, minutes, word):
    is_ok, detail = await clock(later(app, minutes=minutes))
    assert not is_ok
    for service in ("Blob Storage", "Table Storage", "Batch"):
        (seconds,) = [part for part in detail.split(", ") if part.partition(":")[0].endswith(f"{word} {service}'s")]
        # The last word before the unit is the figure.
        figure = int(seconds.partition(" seconds")[0].split()[-1])
        assert abs(figure - 720) <= 5
    assert detail.endswith("set it right; beyond 15 minutes Azure refuses what a key signs")


async def test_a_service_whose_clock_is_apart_from_the_others_is_named(app, monkeypatch):
    send = AioHttpTransport.send

    async def of_batch_an_hour_ago(self, request, **options):
        response = await send(self, request, **options)
        if request.url.startswith(app.settings.batch.endpoint):
            response.headers["Date"] = f"{datetime.now(UTC) - timedelta(hours=1):%a, %d %b %Y %H:%M:%S GMT}"
        return response

    monkeypatch.setattr(AioHttpTransport, "send", of_batch_an_hour_ago)
    is_ok, detail = await clock(app)
    assert not is_ok
    assert "360" in detail.partition(" seconds ahead of Batch's")[0].rpartition(" ")[2]


async def test_a_service_that_refuses_the_key_still_gives_its_time(app):
    account = replace(app.settings.batch, key="d3Jvbmc=")
    other = open_app(replace(app.settings, batch=account))
    try:
        is_ok, detail = await clock(replace(other, now=later(other, minutes=20).now))
    finally:
        await other.clients.close()
    assert (is_ok, "seconds ahead of Batch's" in detail) == (False, True)


@pytest.mark.parametrize("minutes", [12, -12])
async def test_a_clock_that_differs_from_batchs_hides_no_completion_from_collect(app, minutes, monkeypatch):
    monkeypatch.setattr("batch_core.collect.OVERLAP", timedelta(seconds=0.5))
    apart = later(app, minutes=minutes)
    first = await submitted(app, "a.txt")
    await collected(apart, first.task_id)
    # The list becomes shorter by a watermark only when something else has completed since.
    await asyncio.sleep(0.6)
    second = await submitted(app, "b.txt")
    await collected(apart, second.task_id)
    (job,) = await app.registry.jobs()
    assert job.watermark is None or job.watermark < app.now() - timedelta(seconds=0.4)
    third = await submitted(app, "c.txt")
    await completed(app, [third.task_id])
    assert (await collect(apart)).listed >= 1
    assert (await record_of(app, third.task_id)).state is TaskState.SUCCEEDED
    assert timedelta(0) < OVERLAP
