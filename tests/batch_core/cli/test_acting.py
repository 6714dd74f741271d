"""`batchdrop submit`, `cancel`, `retry` and `drop`."""

import asyncio
import getpass

import pytest

from batch_core.cli import awaiting, printing
from batch_core.collect import collect
from batch_core.intake import take
from batch_core.state.listing import Place, RecordFilter
from tests.batch_core.steps import collected, dropped, record_of, running, submitted, with_command

UNKNOWN = "20261123T080102-nobody-0123456789abcdef"


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    for module in (awaiting, printing):
        monkeypatch.setattr(module, "POLL_SECONDS", 0.1)


async def test_a_file_is_submitted_once_unless_it_is_forced(app, batchdrop):
    await dropped(app, "a.txt")
    first = await batchdrop("submit", "a.txt")
    assert (first.code, first.err) == (0, "a.txt is submitted\n")
    again = await batchdrop("submit", "a.txt")
    assert (again.out, again.err) == (first.out, "a.txt already has a task: submitted\n")
    forced = await batchdrop("submit", "a.txt", "--force", "--json")
    (document,) = forced.documents
    assert (document["attempt"], document["is_new"]) == (2, True)
    record = await record_of(app, document["task_id"])
    assert (record.detected_by, record.asked_by) == ("http", getpass.getuser())


async def test_a_route_can_be_named_and_one_that_does_not_exist_is_refused(app, batchdrop, tmp_path):
    (tmp_path / "routes.toml").write_text('[[routes]]\nname = "odd"\nmatch = "*.odd"\ncommand = "/bin/true"\n')
    routes = {"ROUTES_FILE": str(tmp_path / "routes.toml")}
    await dropped(app, "a.txt")
    wrong = await batchdrop("submit", "a.txt", "--route", "ood", **routes)
    assert (wrong.code, wrong.out) == (2, b"")
    assert wrong.err.splitlines()[-1] == "  'route' is 'ood', which is no route: did you mean odd?"
    done = await batchdrop("submit", "a.txt", "--route", "odd", **routes)
    assert (await record_of(app, done.text.strip())).route == "odd"


async def test_a_file_that_does_not_exist_is_not_submitted(app, batchdrop):
    done = await batchdrop("submit", "nosuch.txt")
    container = app.settings.input_container
    assert (done.code, done.out) == (1, b"")
    assert done.err == f"there is no blob 'nosuch.txt' in container {container!r}\n"


async def test_several_tasks_are_cancelled_and_retried_and_one_that_cannot_be_does_not_stop_the_others(app, batchdrop):
    records = [await submitted(with_command(app, "/bin/sleep 600"), name) for name in ("a", "b")]
    ids = [record.task_id for record in records]
    for task_id in ids:
        await running(app, task_id)
    done = await batchdrop("cancel", UNKNOWN, *ids)
    assert (done.code, done.err) == (1, f"no task {UNKNOWN!r} is recorded\n")
    assert done.lines == [f"{task_id} submitted: being cancelled on request" for task_id in ids]
    early = await batchdrop("retry", ids[0])
    assert (early.code, early.out) == (1, b"")
    for task_id in ids:
        assert (await collected(app, task_id)).state == "cancelled"
    done = await batchdrop("cancel", *ids, "--json")
    assert [one["error"] for one in done.documents] == [f"task {one} has ended already (cancelled)" for one in ids]
    done = await batchdrop("retry", *ids)
    assert (done.code, [(await record_of(app, one)).retry_of for one in done.lines]) == (0, ids)
    assert (await batchdrop("cancel", *done.lines)).code == 0


async def test_files_and_folders_are_dropped_and_their_task_ids_printed(app, batchdrop, tmp_path):
    (tmp_path / "inbox/deep").mkdir(parents=True)
    for name in ("inbox/a.txt", "inbox/deep/b [red].txt", "c.txt"):
        (tmp_path / name).write_text(name)
    done = await batchdrop("drop", "inbox", "c.txt", "--prefix", "letters/")
    names = ["letters/a.txt", "letters/c.txt", "letters/deep/b [red].txt"]
    container = app.settings.input_container
    assert (done.code, sorted(done.err.splitlines())) == (0, [f"{name} -> {container}" for name in names])
    for name in names:
        await take(app, container, name)
    assert sorted([(await record_of(app, task_id)).blob for task_id in done.lines]) == names
    done = await batchdrop("drop", "c.txt", "--json")
    (document,) = done.documents
    assert (document["blob"], document["container"], document["why_no_task"]) == ("c.txt", container, None)


@pytest.mark.parametrize(
    "name", ["[1, 2].txt", "[a].txt", "-rf", "--help", '{"a": 1}', "a=b", " ", "*", "@file", "Gr\u00fc\u00dfe"]
)
async def test_a_file_of_any_name_is_dropped_found_and_submitted(app, batchdrop, tmp_path, name):
    (tmp_path / name).write_text("text")
    done = await batchdrop("drop", "--json", "--", name)
    assert (done.code, [one["blob"] for one in done.documents]) == (0, [name]), done.err
    assert (await batchdrop("submit", "--", name)).code == 0
    assert [one["blob"] for one in (await batchdrop("show", "--json", "--", name)).documents] == [name]


async def test_what_cannot_be_dropped_is_reported_and_nothing_is(app, batchdrop, tmp_path):
    (tmp_path / "a.txt").touch()
    done = await batchdrop("drop", "a.txt", "nosuch.txt")
    assert (done.code, done.out, done.err) == (2, b"", "cannot drop nosuch.txt: there is no such file\n")
    assert [
        blob async for blob in app.clients.blobs.get_container_client(app.settings.input_container).list_blobs()
    ] == []
    assert (await batchdrop("drop", "a.txt", INPUT_CONTAINER="nosuch-container")).code == 1


async def test_a_file_that_makes_no_task_is_said_to_make_none(app, batchdrop, tmp_path):
    (tmp_path / "empty.txt").touch()
    done = await batchdrop("drop", "--wait", "empty.txt", INPUT_SKIP_EMPTY="true")
    assert (done.code, done.out) == (0, b"")
    assert done.err.endswith("no task of its own: it is empty, and INPUT_SKIP_EMPTY is true\n")


async def taken_and_collected(app, number):
    """Do what the functions of the app do until so many files have ended."""
    container = app.clients.blobs.get_container_client(app.settings.input_container)
    records = {}
    async with asyncio.timeout(60):
        while len(records) < number or not all(record.state.is_final for record in records.values()):
            async for blob in container.list_blobs():
                await take(app, container.container_name, blob.name)
            await collect(app)
            found = (await app.listing.records(Place(day=f"{app.now():%Y%m%d}"), RecordFilter(), 100)).found
            records = {record.task_id: record for record in found}
            await asyncio.sleep(0.1)


async def test_a_file_is_followed_to_its_end_and_what_it_printed_is_the_result(app, batchdrop, tmp_path):
    (tmp_path / "a.txt").write_text("hello\n")
    waiting = asyncio.create_task(batchdrop("drop", "--wait", "a.txt"))
    await taken_and_collected(app, 1)
    done = await waiting
    assert (done.code, done.text) == (0, "hello\n")
    # At once, for who cannot wait.
    identity = done.err.splitlines()[-1].split()[1]
    assert done.err.splitlines()[0] == f"a.txt -> {app.settings.input_container}, task {identity}"
    assert " succeeded, exit code 0" in done.err.splitlines()[-1]


async def test_one_that_fails_makes_the_exit_code_1_and_shows_its_last_errors(app, batchdrop, tmp_path):
    failing = with_command(app, '/bin/bash -c \'cat "$INPUT_FILE"; echo oops >&2; exit $(cat "$INPUT_FILE")\'')
    for number in (0, 3):
        (tmp_path / f"{number}.txt").write_text(f"{number}\n")
    waiting = asyncio.create_task(batchdrop("drop", "--wait", "0.txt", "3.txt"))
    await taken_and_collected(failing, 2)
    done = await waiting
    assert done.code == 1
    assert sorted(done.text.split("==> ")) == ["", "0.txt <==\n0\n", "3.txt <==\n3\n"]
    assert "oops" in done.err.splitlines()
    (tmp_path / "3.txt").write_text("3\n")
    waiting = asyncio.create_task(batchdrop("drop", "--wait", "3.txt", "--json"))
    await taken_and_collected(failing, 3)
    done = await waiting
    assert (done.code, [one["exit_code"] for one in done.documents]) == (1, [3])
