"""Answers without an end: pauses of years, lists that lead back to themselves, JSON nested without a bottom."""

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta

import pytest

from batch_core import poison
from batch_core.backoff import LONGEST_ASKED
from batch_core.collect import collect
from batch_core.errors import InvalidRequest, ServiceError, Unexpected
from batch_core.http.health import check_health
from batch_core.http.requests import SubmitRequest
from batch_core.naming import task_id
from batch_core.reconcile import reconcile
from batch_core.state.record import TaskState
from batch_core.submit import submit
from batch_core.sweep import sweep
from batch_core.tidy import tidy
from chaos.relay import Asked, Spoiled, pass_all
from tests.batch_core.relays import Relayed, relayed_app, where
from tests.batch_core.steps import TRIGGER, completed, dropped, later, record_of, submitted

NESTED = b"[" * 100_000


@pytest.fixture
async def relayed(environment: dict[str, str], batch_endpoint: str, pauses: list[float]) -> AsyncIterator[Relayed]:
    async with relayed_app(environment, batch_endpoint) as relayed:
        yield relayed


def nested(_: Asked) -> Spoiled:
    return Spoiled(body=NESTED, content_type="application/json")


@pytest.mark.parametrize("seconds", ["315360000", "999999999999", "9" * 400, "9" * 10_000])
@pytest.mark.parametrize("status", [429, 503])
async def test_who_asks_for_years_is_asked_again_the_next_day(relayed, seconds, status):
    version = await dropped(relayed.app, "a.txt")
    busy = Spoiled(status=status, body=b"busy", headers={"Retry-After": seconds[:8000]}, is_after=False)
    relayed.batch.spoil = where("POST", "addtaskcollection", busy)
    (one,) = await submit(relayed.app, [version], detected_by=TRIGGER)
    assert one.record.reason.startswith("adding tasks to job")
    assert one.record.next_attempt_at - one.record.recorded_at <= LONGEST_ASKED + timedelta(minutes=1)
    relayed.batch.spoil = pass_all
    await reconcile(later(relayed.app, hours=25))
    assert (await record_of(relayed.app, one.record.task_id)).state is TaskState.SUBMITTED


@pytest.mark.parametrize("tick", [collect, reconcile, sweep, tidy])
async def test_a_list_of_the_table_that_leads_back_to_itself_ends_the_tick(relayed, tick):
    await submitted(relayed.app)
    again = {"x-ms-continuation-NextPartitionKey": "a", "x-ms-continuation-NextRowKey": "b"}
    relayed.tables.spoil = where("GET", "()", Spoiled(headers=again, keeps_headers=True))
    # Some read further lists after the one that failed.
    with suppress(Unexpected):
        await tick(later(relayed.app, minutes=30))
    assert 0 < relayed.tables.struck < 20


@pytest.mark.parametrize("kind", ["state%20ne", "state%20eq"])
async def test_a_list_of_tasks_that_leads_back_to_itself_holds_up_nothing_but_its_job(relayed, kind):
    record = await submitted(relayed.app)
    await completed(relayed.app, [record.task_id])

    def spoil(asked: Asked) -> Spoiled | None:
        if asked.method != "GET" or kind not in asked.path.replace("+", "%20"):
            return None
        link = relayed.batch.endpoint + asked.path
        body = json.dumps({"value": [], "odata.nextLink": link}).encode()
        return Spoiled(body=body, content_type="application/json")

    relayed.batch.spoil = spoil
    await reconcile(later(relayed.app, minutes=30))
    await collect(relayed.app)
    assert 0 < relayed.batch.struck < 20


async def test_a_listing_of_the_container_that_stays_where_it_is_is_an_error(relayed):
    await dropped(relayed.app, "a.txt")
    body = b'<?xml version="1.0"?><EnumerationResults><Blobs/><NextMarker>again</NextMarker></EnumerationResults>'
    again = Spoiled(body=body, content_type="application/xml")
    relayed.blobs.spoil = where("GET", "comp=list", again)
    with pytest.raises(Unexpected, match="leads back"):
        await sweep(later(relayed.app, minutes=30))
    assert relayed.blobs.struck == 2


@pytest.mark.parametrize("service", ["batch", "tables", "blobs"])
@pytest.mark.parametrize("tick", [collect, reconcile, sweep, tidy])
async def test_what_is_nested_too_deep_to_be_read_is_an_error_of_that_service(relayed, service, tick):
    record = await submitted(relayed.app)
    await completed(relayed.app, [record.task_id])
    getattr(relayed, service).spoil = nested
    with suppress(ServiceError):
        await tick(later(relayed.app, minutes=30))
    assert not all(check.is_ok for check in await check_health(relayed.app))
    getattr(relayed, service).spoil = pass_all
    await collect(relayed.app)
    assert (await record_of(relayed.app, record.task_id)).state is TaskState.SUCCEEDED


async def test_what_is_nested_too_deep_says_nothing_of_a_task_that_was_added(relayed):
    version = await dropped(relayed.app, "a.txt")
    relayed.batch.spoil = nested
    (one,) = await submit(relayed.app, [version], detected_by=TRIGGER)
    assert (one.record.state, one.record.submit_tries) == (TaskState.QUEUED, 1)


async def test_an_answer_that_names_no_task_says_nothing_of_any(relayed):
    version = await dropped(relayed.app, "a.txt")
    relayed.batch.spoil = where(
        "POST",
        "addtaskcollection",
        Spoiled(body=b'{"value":[{"status":"Success"}]}', content_type="application/json"),
    )
    await submit(relayed.app, [version], detected_by=TRIGGER)
    record = await record_of(relayed.app, task_id(version))
    assert (record.state, record.submit_tries) == (TaskState.QUEUED, 1)
    assert "did not mention it" in record.reason


def test_a_request_that_is_nested_too_deep_is_malformed():
    with pytest.raises(InvalidRequest, match="is not JSON"):
        SubmitRequest.parse(NESTED[:60_000])


async def test_a_poison_message_that_is_nested_too_deep_is_passed_over(app, caplog):
    await poison.take_or_leave(lambda: app, NESTED)
    assert "is not what the host writes" in caplog.text
