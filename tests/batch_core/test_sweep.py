import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from batch_core import sweep as sweep_module
from batch_core.app import App
from batch_core.clocks import CLOCK_MARGIN
from batch_core.errors import Refused, Unavailable, Unexpected
from batch_core.naming import task_id
from batch_core.services import input_listing
from batch_core.state.record import DetectedBy, TaskState
from batch_core.state.sweep_checkpoint import SweepPosition
from batch_core.sweep import missing_files, sweep
from tests.batch_core.steps import dropped, later, passed, record_of, submitted, tasks_of

SECOND = timedelta(seconds=1)


def with_intake(app: App, **settings: object) -> App:
    return replace(app, settings=replace(app.settings, intake=replace(app.settings.intake, **settings)))


def with_listing(app: App, change: Callable) -> App:
    """Return the app with another listing, whose pages are made of those of the real one."""

    async def list_page(continuation):
        return await app.inputs.listing(continuation).next_page()

    class Listing:
        def __init__(self, continuation):
            self.continuation = continuation

        def start_again(self):
            self.continuation = None

        async def next_page(self):
            page = await change(list_page, self.continuation)
            self.continuation = page.continuation
            return page

    class Inputs:
        def __getattr__(self, name):
            return getattr(app.inputs, name)

        def listing(self, continuation):
            return Listing(continuation)

    return replace(app, inputs=Inputs())


async def test_a_file_whose_event_never_came_is_submitted_and_others_are_left(app):
    seen = await submitted(app, "seen.txt")
    version = await dropped(app, "unseen.txt")
    report = await sweep(later(app, minutes=5))
    assert (report.listed, report.looked_up, report.submitted, report.is_complete) == (2, 2, 1, True)
    record = await record_of(app, task_id(version))
    assert (record.state, record.detected_by) == (TaskState.SUBMITTED, DetectedBy.SWEEP)
    assert await record_of(app, seen.task_id) == seen


async def test_a_version_that_replaced_one_with_a_record_is_found(app):
    await submitted(app, "a.txt", b"one")
    await dropped(app, "a.txt", b"two")
    assert (await sweep(later(app, minutes=5))).submitted == 1
    assert len(await tasks_of(app)) == 2


async def test_a_young_file_is_left_to_the_trigger(app):
    await dropped(app, "a.txt")
    assert (await sweep(app)).looked_up == 0
    assert (await sweep(later(app, minutes=3))).submitted == 1


async def test_a_listing_of_many_pages_is_read_to_its_end_in_one_tick(app, monkeypatch, calls):
    monkeypatch.setattr(input_listing, "MAX_BLOBS_PER_PAGE", 3)
    for number in range(8):
        await dropped(app, f"{number}.txt")
    calls.clear()
    report = await sweep(later(app, minutes=5))
    assert (report.listed, report.submitted, report.is_complete) == (8, 8, True)
    assert [call.service for call in calls].count("blob") == 3


async def test_files_of_many_pages_are_looked_up_together(app, monkeypatch, calls):
    monkeypatch.setattr(input_listing, "MAX_BLOBS_PER_PAGE", 2)
    for number in range(8):
        await dropped(app, f"{number}.txt")
    await sweep(later(app, minutes=5))
    calls.clear()
    assert (await sweep(later(app, minutes=5))).looked_up == 8
    # Where it is, what is recorded, where it is now.
    assert [call.method for call in calls if call.service == "table"] == ["GET", "GET", "PUT"]
    assert [call.service for call in calls].count("blob") == 4


async def test_what_is_looked_up_together_is_bounded(app, monkeypatch, calls):
    monkeypatch.setattr(input_listing, "MAX_BLOBS_PER_PAGE", 2)
    monkeypatch.setattr(sweep_module, "_LOOKED_UP_TOGETHER", 3)
    for number in range(8):
        await dropped(app, f"{number}.txt")
    await sweep(later(app, minutes=5))
    calls.clear()
    assert (await sweep(later(app, minutes=5))).looked_up == 8
    assert [call.method for call in calls if call.service == "table"] == ["GET", "GET", "GET", "PUT"]


async def test_a_listing_that_a_tick_could_not_finish_goes_on_in_the_next(app, monkeypatch, calls):
    monkeypatch.setattr(input_listing, "MAX_BLOBS_PER_PAGE", 3)
    monkeypatch.setattr(sweep_module, "_LISTED_FOR", timedelta(0))
    for number in range(8):
        await dropped(app, f"{number}.txt")
    calls.clear()
    reports = [await sweep(later(app, minutes=5), budget=timedelta(0)) for _ in range(3)]
    assert [(one.listed, one.submitted, one.is_complete) for one in reports] == [
        (3, 3, False),
        (3, 3, False),
        (2, 2, True),
    ]
    assert [call.service for call in calls].count("blob") == 3
    assert len(await tasks_of(app)) == 8


async def test_a_page_that_a_tick_could_not_finish_is_listed_again_and_nothing_of_it_left_out(app, monkeypatch):
    monkeypatch.setattr(sweep_module, "MAX_TASKS_PER_CALL", 2)
    for number in range(5):
        await dropped(app, f"{number}.txt")
    reports = [await sweep(later(app, minutes=5), budget=timedelta(0)) for _ in range(3)]
    assert [(one.submitted, one.is_complete) for one in reports] == [(2, False), (2, False), (1, True)]
    assert len(await tasks_of(app)) == 5


async def test_files_that_come_while_a_listing_is_cut_in_two_are_found_by_the_next_sweep(app, monkeypatch):
    monkeypatch.setattr(input_listing, "MAX_BLOBS_PER_PAGE", 2)
    monkeypatch.setattr(sweep_module, "_LISTED_FOR", timedelta(0))
    for name in ("b", "c", "d"):
        await dropped(app, name)
    started = later(app, minutes=5)
    await sweep(started, budget=timedelta(0))
    # It lies before the place that the listing has reached.
    await dropped(app, "a")
    assert (await sweep(later(app, hours=5))).submitted == 1
    position = await app.sweep_checkpoint.load()
    assert position.swept_until <= started.now() - app.settings.intake.sweep_grace - CLOCK_MARGIN
    assert (await sweep(later(app, hours=5))).submitted == 1
    assert {(await record_of(app, task)).blob for _, task in await tasks_of(app)} == {"a", "b", "c", "d"}


async def test_a_sweep_over_files_of_long_ago_looks_up_none_of_them(app, calls):
    old = [await dropped(app, f"old-{number}.txt") for number in range(5)]
    await asyncio.sleep(1.1)
    # Times of files have whole seconds.
    new = await dropped(app, "new.txt")
    assert new.last_modified > old[-1].last_modified
    await app.sweep_checkpoint.save(SweepPosition(swept_until=new.last_modified))
    calls.clear()
    report = await sweep(later(app, minutes=5))
    assert (report.listed, report.looked_up, report.submitted) == (6, 1, 1)
    calls.clear()
    await app.sweep_checkpoint.save(SweepPosition(swept_until=new.last_modified + SECOND))
    calls.clear()
    assert (await sweep(later(app, minutes=5))).looked_up == 0
    # Where it is, one page, where it is now.
    assert [(call.service, call.method) for call in calls] == [("table", "GET"), ("blob", "GET"), ("table", "PUT")]


async def test_looking_up_many_files_with_records_takes_few_calls(app, calls):
    versions = [await dropped(app, f"{number}.txt") for number in range(30)]
    await sweep(later(app, minutes=5))
    calls.clear()
    report = await sweep(later(app, minutes=5))
    assert (report.looked_up, report.submitted) == (len(versions), 0)
    assert len(calls) == 4


async def test_files_older_than_the_cut_off_are_left_alone(app):
    old = await dropped(app, "old.txt")
    assert (await sweep(later(with_intake(app, not_before=old.last_modified + SECOND), minutes=5))).submitted == 0
    assert await tasks_of(app) == []
    assert (await sweep(later(with_intake(app, not_before=old.last_modified), minutes=5))).submitted == 1


async def test_empty_files_are_taken_unless_the_settings_say_otherwise(app):
    await dropped(app, "empty.txt", b"")
    assert (await sweep(later(with_intake(app, skip_empty=True), minutes=5))).submitted == 0
    assert (await sweep(later(app, minutes=5))).submitted == 1


async def test_a_file_that_is_still_being_copied_is_taken_when_the_copy_is_done(app):
    version = await dropped(app, "copied.txt")

    # Azurite's copies are never pending: the page is as the service would give it.
    async def pending(list_page, continuation):
        page = await list_page(continuation)
        return replace(page, versions=[], pending=page.versions)

    report = await sweep(passed(with_listing(app, pending), hours=1))
    assert (report.listed, report.submitted) == (1, 0)
    # It keeps the time at which the copy began: the next sweep must not take it for one that is recorded.
    assert (await app.sweep_checkpoint.load()).swept_until == version.last_modified
    assert (await sweep(passed(app, hours=2))).submitted == 1


async def test_a_file_that_a_pending_copy_held_back_is_remembered_over_a_cut_listing(app, monkeypatch):
    monkeypatch.setattr(input_listing, "MAX_BLOBS_PER_PAGE", 1)
    monkeypatch.setattr(sweep_module, "_LISTED_FOR", timedelta(0))
    copied = await dropped(app, "copied.txt")
    await dropped(app, "later.txt")

    async def first_pending(list_page, continuation):
        page = await list_page(continuation)
        return page if continuation else replace(page, versions=[], pending=page.versions)

    for _ in range(2):
        report = await sweep(passed(with_listing(app, first_pending), hours=1), budget=timedelta(0))
    assert report.is_complete
    assert (await app.sweep_checkpoint.load()).swept_until == copied.last_modified


@pytest.mark.parametrize("minutes", [12, 15, -12, -15])
async def test_a_clock_that_differs_from_storages_makes_no_file_invisible(app, minutes):
    await sweep(later(app, minutes=minutes))
    await dropped(app, "a.txt")
    assert (await sweep(later(app, minutes=minutes + 18))).submitted == 1


async def test_a_listing_that_storage_does_not_continue_starts_again(app):
    await dropped(app, "a.txt")
    await app.sweep_checkpoint.save(SweepPosition(continuation="broken", started_at=app.now()))

    async def refused(list_page, continuation):
        if continuation is not None:
            raise Refused("listing", status=400, code="OutOfRangeInput")
        return await list_page(None)

    report = await sweep(passed(with_listing(app, refused), minutes=5))
    assert (report.submitted, report.is_complete) == (1, True)


async def test_a_sweep_that_died_is_repeated_from_where_it_began_and_makes_no_second_task(app, monkeypatch):
    monkeypatch.setattr(input_listing, "MAX_BLOBS_PER_PAGE", 2)
    monkeypatch.setattr(sweep_module, "_LISTED_FOR", timedelta(0))
    for number in range(5):
        await dropped(app, f"{number}.txt")

    async def dies(list_page, continuation):
        page = await list_page(continuation)
        if page.continuation is None:
            raise asyncio.CancelledError
        return page

    with pytest.raises(asyncio.CancelledError):
        await sweep(passed(with_listing(app, dies), minutes=5))
    assert (await sweep(later(app, minutes=5))).submitted == 1
    assert len(await tasks_of(app)) == 5


async def test_sweeps_that_overlap_make_one_task_of_each_file(app):
    for number in range(5):
        await dropped(app, f"{number}.txt")
    await asyncio.gather(*(sweep(later(app, minutes=5)) for _ in range(3)))
    assert len(await tasks_of(app)) == 5


async def test_files_of_pages_before_one_that_cannot_be_listed_are_submitted(app, monkeypatch):
    monkeypatch.setattr(input_listing, "MAX_BLOBS_PER_PAGE", 2)
    for number in range(5):
        await dropped(app, f"{number}.txt")

    async def third_page_fails(list_page, continuation):
        page = await list_page(continuation)
        if page.continuation is None:
            raise Unavailable("listing", status=503, code="ServerBusy")
        return page

    with pytest.raises(Unavailable):
        await sweep(passed(with_listing(app, third_page_fails), minutes=5))
    assert len(await tasks_of(app)) == 4
    assert (await sweep(later(app, minutes=5))).submitted == 1


@pytest.mark.parametrize("way", [["a", "b", "a"], ["a", "b", "c", "b"]], ids="-".join)
async def test_a_listing_that_leads_back_to_a_page_is_an_error_and_no_endless_one(app, way):
    await dropped(app, "a.txt")
    asked = []

    async def round_and_round(list_page, continuation):
        asked.append(continuation)
        assert len(asked) < 100
        following = way[len(asked) - 1] if len(asked) <= len(way) else way[-1 - len(asked) % 2]
        return replace(await list_page(None), continuation=following)

    with pytest.raises(Unexpected):
        await sweep(passed(with_listing(app, round_and_round), minutes=5))
    assert len(asked) <= len(way)
    assert len(await tasks_of(app)) == 1


async def test_a_dry_run_of_a_listing_that_leads_back_to_a_page_ends(app):
    await dropped(app, "a.txt")

    async def round_and_round(list_page, continuation):
        return replace(await list_page(None), continuation="b" if continuation == "a" else "a")

    missing = missing_files(passed(with_listing(app, round_and_round), minutes=5))
    with pytest.raises(Unexpected):
        async with asyncio.timeout(20):
            assert [len(some) async for some in missing] == [1]


async def test_pages_that_come_slowly_are_listed_for_no_longer_than_the_tick_has(app, monkeypatch):
    monkeypatch.setattr(input_listing, "MAX_BLOBS_PER_PAGE", 1)
    for number in range(6):
        await dropped(app, f"{number}.txt")

    async def slow(list_page, continuation):
        await asyncio.sleep(0.2)
        return await list_page(continuation)

    report = await sweep(passed(with_listing(app, slow), minutes=5), budget=timedelta(seconds=0.3))
    assert not report.is_complete
    assert report.submitted == report.listed < 6
    assert (await sweep(later(app, minutes=5))).listed == 6 - report.listed
    assert len(await tasks_of(app)) == 6
