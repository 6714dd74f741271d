"""`batchdrop logs` and `get`."""

import asyncio
import os
import threading

import pytest

from batch_core.cli import printing
from batch_core.cli.saving import saved_as
from batch_core.cli.terminal import Terminal
from batch_core.collect import collect
from batch_core.services.call_limits import TRIES
from batch_core.state.changes import Closing
from batch_core.state.record import Outcome, TaskState
from tests.batch_core.steps import collected, completed, running, submitted, with_command, with_routes
from tests.batch_emulator.control_client import faults
from tests.hostile_names import LISTED
from tests.raw_blobs import put_raw

#: Each as a name below the folder of a task's files.
OUTSIDE = ["../evil.txt", "a/../../../evil.txt", "./x.txt", "a/..", "/etc/evil.txt", "a//b.txt", "a/"]
LINES = """/bin/bash -c 'for n in 1 2 3; do echo "line $n"; echo "bad $n" >&2; done; exit CODE'"""
#: It prints a line, and another when a file appears.
SLOW = """/bin/bash -c 'echo one; until [ -e "FILE" ]; do sleep 0.05; done; echo two; exit CODE'"""


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(printing, "POLL_SECONDS", 0.1)


async def ended(app, command, name="a.txt", content=b"text\n"):
    return await collected(app, (await submitted(with_command(app, command), name, content)).task_id)


async def test_what_a_task_printed_goes_to_standard_output_as_it_is(app, batchdrop):
    content = b"\x1b]0;title\x07 \xff\x00 [red]\r\nno line end"
    record = await ended(app, "/bin/bash -c 'cat \"$INPUT_FILE\"'", content=content)
    for name in (record.task_id, "a.txt"):
        done = await batchdrop("logs", name)
        assert (done.code, done.out, done.err) == (0, content, "")


async def test_standard_error_and_the_last_lines_can_be_asked_for(app, batchdrop):
    await ended(app, LINES.replace("CODE", "0"))
    assert (await batchdrop("logs", "--stderr", "a.txt")).text == "bad 1\nbad 2\nbad 3\n"
    assert (await batchdrop("logs", "-n", "2", "a.txt")).text == "line 2\nline 3\n"
    assert (await batchdrop("logs", "--tail", "0", "a.txt")).text == ""
    wrong = await batchdrop("logs", "--tail=-1", "a.txt")
    assert (wrong.code, "--tail is -1: it must be a whole number, 0 or more" in wrong.err) == (2, True)
    assert (await batchdrop("logs", "--tail", "9", "a.txt", "-f")).text == "line 1\nline 2\nline 3\n"
    (document,) = (await batchdrop("logs", "--tail", "1", "a.txt", "--json")).documents
    assert (document["text"], document["stream"], document["state"]) == ("line 3\n", "stdout", "succeeded")


@pytest.mark.parametrize(("exit_code", "state"), [(0, "succeeded, exit code 0"), (3, "failed, exit code 3")])
async def test_a_task_that_runs_is_followed_to_its_end_and_the_exit_code_is_how_it_ended(
    app, batchdrop, tmp_path, exit_code, state
):
    command = SLOW.replace("FILE", str(tmp_path / "go")).replace("CODE", str(exit_code))
    record = await submitted(with_command(app, command))
    following = asyncio.create_task(batchdrop("logs", "-f", "a.txt"))
    await running(app, record.task_id)
    (tmp_path / "go").touch()
    await collected(app, record.task_id)
    done = await following
    assert (done.code, done.text) == (min(exit_code, 1), "one\ntwo\n")
    assert done.err.splitlines()[-1].startswith(f"task {record.task_id} {state}")


async def test_a_task_that_waits_is_waited_for_with_the_reason(app, batchdrop, tmp_path, monkeypatch):
    said, say = threading.Event(), Terminal.say_once
    monkeypatch.setattr(Terminal, "say_once", lambda terminal, text: (say(terminal, text), said.set()))
    text = '[[routes]]\nname = "all"\nmatch = "**"\ncommand = "/bin/true"\nslots = 1\npool = "nosuch"\n[pools.nosuch]\n'
    record = await submitted(with_routes(app, tmp_path / "routes.toml", text + "existing = true\n"))
    done = await batchdrop("logs", record.task_id)
    assert (done.code, done.out) == (1, b"")
    assert done.err.startswith(f"task {record.task_id} has no standard output yet: ")
    following = asyncio.create_task(batchdrop("logs", "-f", record.task_id))
    assert await asyncio.to_thread(said.wait, 30)
    await app.table.close([closing(record)], app.now())
    done = await following
    assert (done.code, done.out) == (1, b"")
    first, *_, last = done.err.splitlines()
    assert first.endswith("; waiting...")
    assert last == f"task {record.task_id} cancelled: a test"


def closing(record):
    return Closing(task_id=record.task_id, outcome=Outcome(state=TaskState.CANCELLED, reason="a test"))


async def test_a_service_that_is_out_of_reach_for_a_while_is_waited_for(
    app, batchdrop, batch_endpoint, tmp_path, pauses
):
    command = SLOW.replace("FILE", str(tmp_path / "go")).replace("CODE", "0")
    record = await submitted(with_command(app, command))
    await running(app, record.task_id)
    rule = {"operation": "download_task_file", "answer": {"status": 503, "code": "ServerBusy"}}
    async with faults(batch_endpoint, rule) as struck, asyncio.timeout(60):
        following = asyncio.create_task(batchdrop("logs", "-f", "a.txt"))
        # More often than the SDK tries by itself.
        while (await struck())[0] <= TRIES:
            await asyncio.sleep(0.05)
    (tmp_path / "go").touch()
    await completed(app, [record.task_id])
    await collected(app, record.task_id)
    done = await following
    assert (done.code, done.text, "ServerBusy" in done.err) == (0, "one\ntwo\n", True)


async def test_a_large_output_is_printed_and_saved_whole(app, batchdrop, tmp_path):
    content = os.urandom(9 * 1024 * 1024)
    record = await ended(app, "/bin/bash -c 'cat \"$INPUT_FILE\"'", content=content)
    assert (await batchdrop("logs", record.task_id)).out == content
    assert (await batchdrop("get", record.task_id, "saved")).code == 0
    assert tree(tmp_path / "saved") == {"stdout.txt": content, "stderr.txt": b""}


def tree(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


ROUTES = """
[[routes]]
name = "all"
match = "**"
command = "/bin/bash -c 'mkdir -p deep/er; echo 1 > a.csv; echo 2 > deep/er/b.csv; echo said; sleep SECONDS'"
outputs = ["**/*.csv"]
"""


async def with_files(app, tmp_path, seconds=0):
    routed = with_routes(app, tmp_path / "routes.toml", ROUTES.replace("SECONDS", str(seconds)))
    return routed, await submitted(routed)


async def test_what_a_task_printed_and_made_is_saved_in_a_folder_over_older_files(app, batchdrop, tmp_path):
    routed, record = await with_files(app, tmp_path)
    await collected(routed, record.task_id)
    everything = {"stdout.txt": b"said\n", "stderr.txt": b"", "files/a.csv": b"1\n", "files/deep/er/b.csv": b"2\n"}
    done = await batchdrop("get", "a.txt", "saved")
    assert (done.code, done.err) == (0, "4 files saved in saved\n")
    assert done.lines == [f"saved/{name}" for name in everything]
    assert tree(tmp_path / "saved") == everything
    (tmp_path / "saved/stdout.txt").write_text("old")
    done = await batchdrop("get", record.task_id, "saved", "--json")
    assert {one["name"]: one["size"] for one in done.documents} == {
        name: len(text) for name, text in everything.items()
    }
    assert tree(tmp_path / "saved") == everything
    await batchdrop("get", record.task_id)
    assert tree(tmp_path / record.task_id) == everything


async def test_of_a_task_that_runs_what_exists_so_far_is_saved(app, batchdrop, tmp_path):
    _, record = await with_files(app, tmp_path, seconds=600)
    async with asyncio.timeout(30):
        while b"said" not in (await batchdrop("logs", record.task_id)).out:
            await asyncio.sleep(0.1)
    done = await batchdrop("get", record.task_id, "saved")
    assert (done.code, "is submitted: what it has put out so far is saved" in done.err) == (0, True)
    assert {"stdout.txt", "files/a.csv", "files/deep/er/b.csv", "files/input/a.txt"} <= tree(tmp_path / "saved").keys()
    await batchdrop("cancel", record.task_id)


async def test_no_name_leads_out_of_the_folder_and_the_others_are_saved(app, batchdrop, tmp_path):
    routed, record = await with_files(app, tmp_path)
    files = (await collected(routed, record.task_id)).files
    for name in [*OUTSIDE, "[red].csv", "-rf", LISTED["delete-and-c1"], LISTED["right-to-left"], LISTED["command"]]:
        await put_raw(app.clients.blobs, app.settings.output_container, f"{files}{name}", b"evil")
    before = tree(tmp_path)
    done = await batchdrop("get", record.task_id, "deep/saved")
    assert done.code == 1
    assert all(char.isprintable() or char == "\n" for char in done.text + done.err)
    new = {name: text for name, text in tree(tmp_path).items() if name not in before}
    assert all(name.startswith("deep/saved/") for name in new)
    assert {"deep/saved/stdout.txt", "deep/saved/files/a.csv", "deep/saved/files/[red].csv"} < new.keys()
    assert before == {name: text for name, text in tree(tmp_path).items() if name in before}


@pytest.mark.parametrize("name", [*OUTSIDE, "", "a\0b", "..", "."])
def test_no_file_is_saved_outside_the_folder(tmp_path, name):
    with pytest.raises(ValueError, match="no file below the folder can have this name"), saved_as(tmp_path / "x", name):
        pass
    assert tree(tmp_path) == {}


async def test_no_link_in_the_folder_is_followed(app, batchdrop, tmp_path):
    routed, record = await with_files(app, tmp_path)
    await collected(routed, record.task_id)
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "saved").mkdir()
    (outside / "target.txt").write_text("mine")
    (tmp_path / "saved/files").symlink_to(outside)
    (tmp_path / "saved/stdout.txt").symlink_to(outside / "target.txt")
    done = await batchdrop("get", record.task_id, "saved")
    assert (done.code, "saved/files is a link, which may lead out of the folder" in done.err) == (1, True)
    assert tree(outside) == {"target.txt": b"mine"}
    assert (tmp_path / "saved/stdout.txt").read_bytes() == b"said\n"
    assert not (tmp_path / "saved/stdout.txt").is_symlink()


async def test_a_task_without_output_is_said_to_have_none(app, batchdrop, tmp_path):
    record = await submitted(app)
    await app.table.close([closing(record)], app.now())
    await collect(app)
    done = await batchdrop("get", record.task_id, "saved")
    assert (done.code, done.out) == (1, b"")
    assert done.err.splitlines()[-1] == f"task {record.task_id} has no output: a test"
    assert not (tmp_path / "saved").exists()
