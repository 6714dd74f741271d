"""Routes that take folders: a marker makes one task that gets every file beside it, and no file makes its own."""

import re
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from batch_core.errors import InvalidRequest, NotNow
from batch_core.hand_over import hand_over
from batch_core.intake import take, take_by_hand
from batch_core.reconcile import reconcile
from batch_core.retry import retry
from batch_core.services import input_container
from batch_core.services.input_container import MAX_FOLDER_PREFIXES
from batch_core.state.record import TaskState
from batch_core.submit import submit
from batch_core.sweep import sweep
from tests.batch_core.steps import (
    TRIGGER,
    collected,
    dropped,
    later,
    output,
    outputs,
    passed,
    record_of,
    submitted,
    tasks_of,
    with_routes,
)

FOLDERS = """
[[routes]]
name = "logs"
match = "**/*.log"
command = "/bin/true"

[[routes]]
name = "folders"
match = ["uploads/*/_READY", "deep/**/DONE"]
inputs = "folder"
command = "/bin/bash -c 'cd \\"$INPUT_FOLDER\\" && find . -type f | LC_ALL=C sort && cat */b.csv'"
"""


@pytest.fixture
def routed(app, tmp_path):
    return with_routes(app, tmp_path / "routes.toml", FOLDERS)


async def folder_of(app, *names: str, at: str = "uploads/one/"):
    """Drop files into a folder."""
    for name in names:
        await dropped(app, at + name, f"content of {name}\n".encode())


async def test_a_marker_makes_one_task_that_gets_every_file_of_its_folder_and_not_the_marker(app, routed):
    names = ("a.csv", "sub/b.csv", "_READ.me", "_READY2", "_READYing/x", "z/_READY", "+", "ä ö.txt")
    await folder_of(app, *names)
    await folder_of(app, "a.csv", at="uploads/one-more/")
    record = await submitted(routed, "uploads/one/_READY", b"go")
    assert (record.route, record.folder) == ("folders", "uploads/one/")
    end = await collected(routed, record.task_id)
    assert end.state is TaskState.SUCCEEDED, end.stderr_end
    printed = (await output(app, end.stdout)).decode().splitlines()
    assert printed == [*sorted(f"./{name}" for name in names), "content of sub/b.csv"]


async def test_the_files_of_a_folder_make_no_tasks_of_their_own_by_any_way(app, routed):
    await folder_of(app, "a.csv", "sub/b.csv")
    await take(routed, app.settings.input_container, "uploads/one/a.csv")
    await sweep(later(routed, minutes=5))
    assert await tasks_of(app) == []
    assert await app.table.days() == []
    sentence = "blob 'uploads/one/a.csv' is a file of a folder, which route 'folders' takes when its marker comes"
    remedy = ": name its marker, uploads/one/_READY, or another route, which takes this file alone"
    with pytest.raises(NotNow, match=re.escape(sentence + remedy)):
        await take_by_hand(routed, "uploads/one/a.csv", is_forced=False)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("uploads/one/a.csv", "its marker, uploads/one/_READY"),
        ("uploads/one/sub/a.csv", "its marker, uploads/one/_READY"),
        ("deep/a/b/c.csv", "its marker, deep/a/b/DONE"),
        ("a.csv", "a marker, which uploads/*/_READY or deep/**/DONE matches"),
    ],
)
@pytest.mark.parametrize("is_forced", [False, True])
async def test_a_person_cannot_name_the_route_of_a_folder_for_what_is_no_marker(app, routed, name, remedy, is_forced):
    await dropped(app, name)
    with pytest.raises(InvalidRequest, match=re.escape(f"folders takes folders: name {remedy}")):
        await take_by_hand(routed, name, is_forced=is_forced, route="folders")
    assert await tasks_of(app) == []


async def test_a_person_may_name_the_route_of_a_folder_for_a_marker_in_any_folder(app, routed):
    await folder_of(app, "sub/b.csv", at="elsewhere/")
    await dropped(app, "elsewhere/DONE")
    one = await take_by_hand(routed, "elsewhere/DONE", is_forced=False, route="folders")
    end = await collected(routed, one.record.task_id)
    assert (end.state, end.folder) == (TaskState.SUCCEEDED, "elsewhere/")


async def test_a_person_may_have_a_file_of_a_folder_taken_by_another_route(app, routed):
    await folder_of(app, "a.csv")
    one = await take_by_hand(routed, "uploads/one/a.csv", is_forced=False, route="logs")
    assert (one.record.route, one.record.folder) == ("logs", None)


async def test_an_earlier_route_takes_its_files_out_of_the_folder_and_others_are_not_touched(routed):
    found = routed.routes()
    routes = {name: found.for_blob(name) for name in ("uploads/one/a.log", "uploads/a.csv", "other/a.csv")}
    assert {name: route.name for name, route in routes.items()} == {
        "uploads/one/a.log": "logs",
        "uploads/a.csv": "settings",
        "other/a.csv": "settings",
    }
    members = ["uploads/one/a", "uploads/one/two/_READY", "deep/a", "deep/a/b/c", "deep/x/_READY"]
    assert [found.folder_route(name).name for name in members] == ["folders"] * len(members)
    assert [found.for_blob(name) for name in members] == [None] * len(members)
    assert found.for_blob("deep/DONE").name == found.for_blob("deep/a/b/DONE").name == "folders"


async def test_what_comes_later_needs_a_new_marker(app, routed):
    await folder_of(app, "sub/b.csv")
    first = await collected(routed, (await submitted(routed, "uploads/one/_READY", b"1")).task_id)
    await folder_of(app, "later.csv")
    await sweep(passed(routed, hours=1))
    assert len(await tasks_of(app)) == 1
    second = await collected(routed, (await submitted(routed, "uploads/one/_READY", b"2")).task_id)
    assert [b"later.csv" in await output(app, one.stdout) for one in (first, second)] == [False, True]


async def test_a_marker_without_files_is_rejected_and_a_new_one_goes_on(app, routed):
    await dropped(app, "uploads/one/")
    alone, other = await dropped(app, "uploads/one/_READY"), await dropped(app, "uploads/two/_READY")
    await folder_of(app, "sub/b.csv", at="uploads/two/")
    ends = [one.record for one in await submit(routed, [alone, other], detected_by=TRIGGER)]
    assert [one.state for one in ends] == [TaskState.REJECTED, TaskState.SUBMITTED]
    expected = "folder 'uploads/one/' has no file beside its marker: write the marker last, when its files are there"
    assert ends[0].reason == expected
    await folder_of(app, "sub/b.csv")
    again = await submitted(routed, "uploads/one/_READY", b"again")
    assert (await collected(routed, again.task_id)).state is TaskState.SUCCEEDED


async def test_folders_that_no_task_can_get_are_rejected_with_what_to_do(app, routed, monkeypatch):
    await folder_of(app, "_REA")
    short = await submitted(routed, "uploads/one/_READY")
    assert short.state is TaskState.REJECTED
    assert short.reason.startswith("its marker's name begins like 'uploads/one/_REA', which cannot be had without it")
    letters = [chr(0x4E00 + number) for number in range(MAX_FOLDER_PREFIXES + 1)]
    await folder_of(app, *letters, at="uploads/two/")
    many = await submitted(routed, "uploads/two/_READY")
    assert many.state is TaskState.REJECTED
    assert "begin in more than 100 ways: put its files into one folder" in many.reason
    monkeypatch.setattr(input_container, "MAX_FOLDER_ENTRIES", 50)
    full = await submitted(routed, "uploads/two/_READY", b"2")
    assert full.state is TaskState.REJECTED
    assert "has more than 50 entries: put its files into folders" in full.reason


async def test_the_node_may_list_and_read_the_container_and_nothing_else(app, routed):
    await folder_of(app, "a.csv")
    record = await submitted(routed, "uploads/one/_READY")
    (resource,) = (await app.clients.batch.get_task(record.job_id, record.task_id)).resource_files
    assert (resource.blob_prefix, resource.file_path) == ("uploads/one/a", "input")
    rights = parse_qs(urlsplit(resource.storage_container_url).query)
    assert (rights["sp"], rights["sr"]) == (["rl"], ["c"])


async def test_a_retry_of_a_folder_gets_what_is_there_now(app, routed):
    await folder_of(app, "a.csv")
    failed = await collected(routed, (await submitted(routed, "uploads/one/_READY")).task_id)
    assert failed.state is TaskState.FAILED
    await folder_of(app, "sub/b.csv")
    again = await retry(routed, failed.task_id)
    assert (await collected(routed, again.record.task_id)).state is TaskState.SUCCEEDED


async def test_a_crash_before_the_record_knows_rejects_no_folder_that_batch_has(app, routed, monkeypatch):
    await folder_of(app, "sub/b.csv")
    marker = await dropped(app, "uploads/one/_READY")
    (one,) = await submit(routed, [marker], detected_by=TRIGGER)
    stored = await app.table.get(one.record.task_id)
    await app.clients.blobs.get_blob_client(app.settings.input_container, "uploads/one/sub/b.csv").delete_blob()
    queued = replace(stored, record=replace(stored.record, state=TaskState.QUEUED))
    done = await hand_over(routed, [queued])
    assert done[one.record.task_id].state is TaskState.SUBMITTED


async def test_a_folder_that_is_named_by_no_route_any_more_says_so(app, routed, tmp_path, monkeypatch):
    (tmp_path / "routes.toml").write_text("[[routes]]")
    record = await submitted(routed, "uploads/one/a.csv")
    (tmp_path / "routes.toml").write_text(FOLDERS)
    await reconcile(later(routed, hours=1))
    end = await record_of(app, record.task_id)
    assert end.state is TaskState.REJECTED
    assert end.reason.startswith("by routes.toml as it is now, blob 'uploads/one/a.csv' is a file of a folder")
    assert await outputs(app) == []


@pytest.mark.parametrize("name", ["$(touch x)", "a b;c", 'q"uote', "-rf", "a\nb"], ids=repr)
async def test_the_name_of_a_folder_is_never_a_part_of_the_command_line(app, routed, name):
    await folder_of(app, "sub/b.csv", at=f"uploads/{name}/")
    record = await submitted(routed, f"uploads/{name}/_READY")
    end = await collected(routed, record.task_id)
    assert end.state is TaskState.SUCCEEDED, end.stderr_end
    assert await output(app, end.stdout) == b"./sub/b.csv\ncontent of sub/b.csv\n"
    task = await app.clients.batch.get_task(record.job_id, record.task_id)
    assert task.command_line == routed.routes().named("folders").command_line
