"""Output read in parts: while a task runs, after its end, from wherever it is; and never what belongs to another."""

import asyncio
import gzip
import json
import os
from dataclasses import replace

import pytest
from azure.storage.blob import ContentSettings

from batch_core.cancel import cancel
from batch_core.errors import InvalidRequest, NotNow, OutputNotFound, RecordNotFound, ServiceError
from batch_core.http.output_replies import files_reply
from batch_core.naming import output_name
from batch_core.output_reading import Stream, list_files, read_file, read_printed
from batch_core.services import output_values
from batch_core.services.output_values import MOST_BYTES, Extent, ListedFile
from batch_core.state.changes import Closing
from batch_core.state.record import Outcome, TaskState
from chaos.relay import Spoiled
from tests.batch_core.relays import relayed_app, where
from tests.batch_core.steps import (
    collected,
    completed,
    deleted,
    dropped,
    recorded_only,
    running,
    submitted,
    with_command,
    with_routes,
)
from tests.batch_core.test_waiting import LONG, app_with
from tests.batch_emulator.control_client import control, faults

ALL = Extent()
OUT, ERR = Stream.STDOUT, Stream.STDERR
BINARY = bytes(range(256)) * 40
SECRET = b"belongs to somebody else"
CAT = "/bin/bash -c 'cat \"$INPUT_FILE\"'"
ROUTE = """
[[routes]]
name = "makes"
match = "**"
command = {command}
outputs = ["**/*.csv"]
"""


def seen(calls):
    """The calls as services and methods; which records are read says nothing."""
    return [(call.service, call.method) for call in calls]


async def part(app, task_id, extent=ALL, stream=OUT):
    """The whole of what a reader gets, but for the ETag."""
    output = await read_printed(app, task_id, stream, extent)
    return output.start, output.content, output.size


async def printed(app, task_id, size):
    """Wait until the running task has printed so many bytes."""
    async with asyncio.timeout(30):
        while True:
            try:
                if (await read_printed(app, task_id, OUT, ALL)).size >= size:
                    return
            except NotNow:
                pass
            await asyncio.sleep(0.05)


def waits_for(file, then):
    return f"/bin/bash -c 'echo one; echo oops >&2; until [ -e \"{file}\" ]; do sleep 0.05; done; {then}'"


async def test_a_task_that_runs_is_followed_and_what_it_printed_stays_the_same_after_its_end(app, tmp_path, calls):
    go = tmp_path / "go"
    task_id = (await submitted(with_command(app, waits_for(go, "echo two")))).task_id
    await printed(app, task_id, 4)
    calls.clear()
    first = await read_printed(app, task_id, OUT, ALL)
    assert (first.content, first.size, first.state, first.etag) == (b"one\n", 4, TaskState.SUBMITTED, None)
    assert seen(calls) == [("table", "GET"), ("batch", "GET")]
    assert await part(app, task_id, stream=ERR) == (0, b"oops\n", 5)
    calls.clear()
    # Nothing new: Batch says only that there is none, so that the size takes a call.
    assert await part(app, task_id, Extent(start=4)) == (4, b"", 4)
    assert seen(calls) == [("table", "GET"), ("batch", "GET"), ("batch", "HEAD")]
    go.touch()
    await completed(app, [task_id])
    assert await part(app, task_id, Extent(start=4)) == (4, b"two\n", 8)
    await collected(app, task_id)
    calls.clear()
    rest = await read_printed(app, task_id, OUT, Extent(start=4))
    assert (rest.content, rest.size, rest.state) == (b"two\n", 8, TaskState.SUCCEEDED)
    assert rest.etag.startswith('"')
    assert seen(calls) == [("table", "GET"), ("blob", "GET")]
    # One that has read what is no more is shown how much there is.
    assert await part(app, task_id, Extent(start=9)) == (9, b"", 8)


EXTENTS = [
    (Extent(), 0, 10240),
    (Extent(start=1, length=2), 1, 2),
    (Extent(start=10239), 10239, 1),
    (Extent(start=10230, length=100), 10230, 10),
    (Extent(start=10240), 10240, 0),
    (Extent(start=10241), 10241, 0),
    (Extent(start=10**18 - 1, length=10**18), 10**18 - 1, 0),
    (Extent(start=None, length=3), 10237, 3),
    (Extent(start=None, length=10240), 0, 10240),
    (Extent(start=None, length=10**18 - 1), 0, 10240),
]


async def test_every_part_of_binary_output_is_the_same_on_the_node_and_in_the_container(app, calls):
    task_id = (await submitted(with_command(app, CAT), "a.bin", BINARY)).task_id
    await completed(app, [task_id])
    for service in ("batch", "blob"):
        for extent, start, length in EXTENTS:
            calls.clear()
            expected = (start, BINARY[start : start + length], len(BINARY))
            assert await part(app, task_id, extent) == expected, (service, extent)
            assert [call.service for call in calls][:2] == ["table", service]
            assert len(calls) <= 3
        await collected(app, task_id)


async def test_large_output_comes_in_parts_of_four_mebibytes_from_the_node_and_from_the_container(app, calls):
    content = os.urandom(9 * 1024 * 1024)
    task_id = (await submitted(with_command(app, CAT), "large.bin", content)).task_id
    await completed(app, [task_id])
    for service in ("batch", "blob"):
        found = b""
        for _ in range(3):
            calls.clear()
            output = await read_printed(app, task_id, OUT, Extent(start=len(found)))
            assert (output.size, len(output.content)) == (len(content), min(MOST_BYTES, len(content) - len(found)))
            assert {call.service for call in calls} == {"table", service}
            assert len(calls) <= 3
            found += output.content
        assert found == content
        # Of a long end the first part comes, and the rest is asked for like any other.
        start, some, _ = await part(app, task_id, Extent(start=None, length=8 * 1024 * 1024))
        assert (start, some) == (1024 * 1024, content[1024 * 1024 : 5 * 1024 * 1024])
        await collected(app, task_id)


async def test_empty_output_is_empty_everywhere(app, calls):
    task_id = (await submitted(with_command(app, "/bin/true"))).task_id
    await completed(app, [task_id])
    for extent in (ALL, Extent(start=None, length=5)):
        assert await part(app, task_id, extent) == (0, b"", 0)
    record = await collected(app, task_id)
    assert (record.stderr, record.stderr_size) == (None, 0)
    for extent in (ALL, Extent(start=None, length=5)):
        assert await part(app, task_id, extent) == (0, b"", 0)
    calls.clear()
    assert await part(app, task_id, stream=ERR) == (0, b"", 0)
    assert await part(app, task_id, Extent(start=7), stream=ERR) == (7, b"", 0)
    assert seen(calls) == [("table", "GET")] * 2


UPLOADS = """
[[routes]]
name = "prints"
match = "**"
command = "/bin/bash -c 'echo out; exit $(<input/*)'"
stdout = "upload"
"""


async def test_what_a_node_uploads_is_read_even_if_the_node_is_gone_and_the_record_is_open(app, tmp_path, calls):
    routed = with_routes(app, tmp_path / "routes.toml", UPLOADS)
    record = await submitted(routed, "x.txt", b"0")
    await completed(app, [record.task_id])
    await app.clients.batch.delete_task(record.job_id, record.task_id)
    assert await part(app, record.task_id) == (0, b"out\n", 4)
    assert await part(app, record.task_id, stream=ERR) == (0, b"", 0)
    end = await collected(routed, (await submitted(routed, "y.txt", b"0")).task_id)
    assert (end.stdout_size, end.stderr) == (None, output_name("y.txt", end.task_id, "stderr.txt"))
    assert await part(app, end.task_id) == (0, b"out\n", 4)
    assert await part(app, end.task_id, stream=ERR) == (0, b"", 0)


async def test_output_of_a_cancelled_and_of_a_failed_task_is_kept(app):
    record = await submitted(with_command(app, "/bin/bash -c 'echo until here; sleep 60'"))
    await printed(app, record.task_id, 11)
    await cancel(app, record.task_id)
    end = await collected(app, record.task_id)
    assert (end.state, await part(app, end.task_id)) == (TaskState.CANCELLED, (0, b"until here\n", 11))
    end = await collected(app, (await submitted(with_command(app, "/bin/bash -c 'echo bad >&2; exit 3'"))).task_id)
    assert await part(app, end.task_id, Extent(start=None, length=2), ERR) == (2, b"d\n", 4)


async def refused(error, app, task_id):
    """The sentences with which everything that a task puts out is refused."""
    found = []
    for what, reading in (
        ("standard output", read_printed(app, task_id, OUT, ALL)),
        ("standard error", read_printed(app, task_id, ERR, ALL)),
        ("file 'a.csv'", read_file(app, task_id, "a.csv", ALL)),
        ("files", list_files(app, task_id)),
    ):
        with pytest.raises(error) as caught:
            await reading
        assert f"has no {what}" in str(caught.value)
        found.append(str(caught.value).partition(f"has no {what}")[2])
    return found


def all_say(words, sentences):
    return [sentence for sentence in sentences if words not in sentence] == []


async def test_what_has_not_started_says_why_it_waits(environment, batch_endpoint, calls):
    async with app_with(environment, batch_endpoint) as app:
        stored = await recorded_only(app, await dropped(app, "queued.txt"))
        calls.clear()
        assert all_say("being handed to Batch", await refused(NotNow, app, stored.record.task_id))
        assert seen(calls) == [("table", "GET")] * 4
        record = await submitted(app, "waiting.txt")
        assert all_say("it waits for a pool; there is no pool", await refused(NotNow, app, record.task_id))
        calls.clear()
        with pytest.raises(NotNow):
            await read_printed(app, record.task_id, OUT, ALL)
        assert len(calls) <= 1 + 1 + 4
        await cancel(app, record.task_id)


async def test_a_command_that_has_just_begun_has_printed_nothing_yet(app, batch_endpoint):
    task_id = (await submitted(with_command(app, LONG))).task_id
    await running(app, task_id)
    async with faults(
        batch_endpoint, {"operation": "download_task_file", "answer": {"status": 404, "code": "FileNotFound"}}
    ):
        with pytest.raises(NotNow, match="has no standard output yet: it is running"):
            await read_printed(app, task_id, OUT, ALL)
        with pytest.raises(OutputNotFound, match=r"has no file 'a\.csv': "):
            await read_file(app, task_id, "a.csv", ALL)
    await cancel(app, task_id)


AWAY = {"operation": "download_task_file", "answer": {"status": 409, "code": "TaskFilesUnavailable"}}


async def test_a_task_that_starts_and_ends_while_it_is_looked_for_is_found(app, batch_endpoint):
    task_id = (await submitted(with_command(app, CAT), "a.txt", b"quick")).task_id
    await completed(app, [task_id])
    async with faults(batch_endpoint, AWAY | {"times": 1}):
        assert await part(app, task_id) == (0, b"quick", 5)
    task_id = (await submitted(with_command(app, LONG))).task_id
    await running(app, task_id)
    async with faults(batch_endpoint, AWAY):
        with pytest.raises(NotNow, match="it is running"):
            await read_printed(app, task_id, OUT, ALL)
    await cancel(app, task_id)


async def test_a_rejected_task_has_no_output(app):
    stored = await recorded_only(app, await dropped(app, "a.txt"))
    outcome = Outcome(state=TaskState.REJECTED, reason="its name is too long")
    await app.table.close([Closing(task_id=stored.record.task_id, outcome=outcome)], app.now())
    assert all_say("it was rejected; its name is too long", await refused(OutputNotFound, app, stored.record.task_id))


async def test_a_task_that_was_cancelled_before_it_ran_has_no_output(environment, batch_endpoint):
    async with app_with(environment, batch_endpoint) as app:
        record = await submitted(app)
        await cancel(app, record.task_id)
        end = await collected(app, record.task_id)
        with pytest.raises(OutputNotFound) as caught:
            await read_printed(app, end.task_id, OUT, ALL)
        assert str(caught.value).endswith(f"; {end.reason}")
        assert (await list_files(app, end.task_id)).files == ()


async def test_lost_output_is_not_found_with_the_records_reason(app, batch_location):
    record = await submitted(app)
    await completed(app, [record.task_id])
    (directory,) = batch_location.rglob(record.task_id)
    (directory / "stdout.txt").unlink()
    # The command has ended: no output is to come any more.
    with pytest.raises(OutputNotFound):
        await read_printed(app, record.task_id, OUT, ALL)
    end = await collected(app, record.task_id)
    assert end.state is TaskState.OUTPUT_LOST
    with pytest.raises(OutputNotFound) as caught:
        await read_printed(app, record.task_id, OUT, ALL)
    assert str(caught.value).endswith(f"; {end.reason}")


async def test_a_node_that_is_gone_is_said_to_be(app, batch_endpoint, calls):
    record = await submitted(app)
    await completed(app, [record.task_id])
    node = (await app.batch.current_task(record.job_id, record.task_id)).node_id
    assert (await control(batch_endpoint, "POST", f"/pools/{app.settings.pool.id}/nodes/{node}/lose")).status == 204
    assert all_say("TaskFilesUnavailable", await refused(OutputNotFound, app, record.task_id))
    calls.clear()
    with pytest.raises(OutputNotFound):
        await read_printed(app, record.task_id, OUT, Extent(start=None, length=5))
    assert len(calls) <= 1 + 2 + 5
    await deleted(app, record.job_id)
    assert all_say("JobNotFound", await refused(OutputNotFound, app, record.task_id))


async def test_a_service_that_is_down_is_no_missing_output(app, batch_endpoint, pauses):
    task_id = (await submitted(with_command(app, LONG))).task_id
    await printed(app, task_id, 0)
    for answer in ({"status": 503, "code": "ServerBusy"}, {"status": 409, "code": "NodeNotReady"}):
        async with faults(batch_endpoint, {"operation": "download_task_file", "answer": answer}):
            with pytest.raises(ServiceError) as caught:
                await read_printed(app, task_id, OUT, ALL)
        assert caught.value.code == answer["code"]
    await cancel(app, task_id)


async def test_a_blob_that_somebody_has_deleted_is_not_found(app):
    record = await collected(app, (await submitted(app)).task_id)
    await app.clients.blobs.get_blob_client(app.settings.output_container, record.stdout).delete_blob()
    with pytest.raises(OutputNotFound, match="the output container does not hold it"):
        await read_printed(app, record.task_id, OUT, ALL)


MAKES = (
    "/bin/bash -c 'mkdir -p a/b; echo 1 >top.csv; printf 12345 >a/b/deep.csv; : >a/empty.csv; echo x >other.txt; {}'"
)


async def test_files_are_listed_and_read_in_the_working_directory_and_then_in_the_container(app, tmp_path, calls):
    go = tmp_path / "go"
    command = MAKES.format(f'echo made; until [ -e "{go}" ]; do sleep 0.05; done')
    routed = with_routes(app, tmp_path / "routes.toml", ROUTE.format(command=json.dumps(command)))
    record = await submitted(routed, "ä ö/x.txt", b"0")
    await printed(app, record.task_id, 5)
    calls.clear()
    listing = await list_files(app, record.task_id)
    assert seen(calls) == [("table", "GET"), ("batch", "GET")]
    made = {ListedFile(name="a/b/deep.csv", size=5), ListedFile(name="a/empty.csv", size=0)}
    made.add(ListedFile(name="top.csv", size=2))
    inputs = {ListedFile(name="input/x.txt", size=1), ListedFile(name="other.txt", size=2)}
    assert (set(listing.files), listing.continuation, listing.has_more) == (made | inputs, None, False)
    assert listing.state is TaskState.SUBMITTED
    deep = await read_file(app, record.task_id, "a/b/deep.csv", Extent(start=1, length=2))
    assert (deep.content, deep.size, deep.state) == (b"23", 5, TaskState.SUBMITTED)
    go.touch()
    await collected(routed, record.task_id)
    calls.clear()
    listing = await list_files(app, record.task_id)
    assert seen(calls) == [("table", "GET"), ("blob", "GET")]
    assert (set(listing.files), listing.state) == (made, TaskState.SUCCEEDED)
    deep = await read_file(app, record.task_id, "a/b/deep.csv", Extent(start=None, length=2))
    assert (deep.content, deep.start, deep.size) == (b"45", 3, 5)
    assert (await read_file(app, record.task_id, "a/empty.csv", ALL)).size == 0
    for name in ("other.txt", "a", "a/b", "a/b/", "b/deep.csv"):
        with pytest.raises(OutputNotFound):
            await read_file(app, record.task_id, name, ALL)


async def test_a_route_that_has_no_files_uploaded_has_none_in_the_end(app):
    record = await collected(app, (await submitted(with_command(app, "/bin/bash -c 'echo x >a.csv'"))).task_id)
    assert (await list_files(app, record.task_id)).files == ()
    with pytest.raises(OutputNotFound, match="the output container does not hold it"):
        await read_file(app, record.task_id, "a.csv", ALL)


async def with_files(app, tmp_path, names):
    """A final record of a route with outputs, with these files, and secrets planted beside them."""
    routed = with_routes(app, tmp_path / "routes.toml", ROUTE.format(command=json.dumps("/bin/true")))
    record = await collected(routed, (await submitted(routed, "x.txt")).task_id)
    for name in names:
        await plant(app, f"{record.files}{name}", name.encode())
    return record


async def plant(app, name, content):
    blob = app.clients.blobs.get_blob_client(app.settings.output_container, name)
    await blob.upload_blob(content, overwrite=True)


async def test_many_files_are_listed_in_pages(app, tmp_path, monkeypatch):
    names = [f"{number}.csv" for number in range(7)]
    record = await with_files(app, tmp_path, names)
    await plant(app, f"x.txt/{record.task_id}/files-of-others.csv", SECRET)
    monkeypatch.setattr("batch_core.services.output_container.MOST_FILES", 3)
    found, sizes, continuation = [], [], None
    while True:
        page = await list_files(app, record.task_id, continuation)
        found += [file.name for file in page.files]
        sizes.append(len(page.files))
        assert page.has_more == (page.continuation is not None)
        continuation = page.continuation
        if continuation is None:
            break
    assert (found, sizes) == (names, [3, 3, 1])
    assert output_values.MOST_FILES == 1000


async def test_a_continuation_never_leads_out_of_the_folder(app, tmp_path, pauses):
    record = await with_files(app, tmp_path, ["a.csv"])
    await plant(app, "zzz.txt", SECRET)
    await plant(app, "0.txt", SECRET)
    for made_up in ("0", "zzz", "../", "x.txt", "\0", "ü" * 1000):
        try:
            listing = await list_files(app, record.task_id, made_up)
        except (InvalidRequest, ServiceError):
            continue
        assert {file.name for file in listing.files} <= {"a.csv"}


async def test_a_running_task_with_more_files_than_a_list_has_says_so(app, tmp_path, monkeypatch):
    monkeypatch.setattr("batch_core.services.task_files.MOST_FILES", 3)
    command = with_command(app, "/bin/bash -c 'touch {1..9}.csv; echo done; sleep 60'")
    task_id = (await submitted(command)).task_id
    await printed(app, task_id, 5)
    listing = await list_files(app, task_id)
    assert (listing.continuation, listing.has_more) == (None, True)
    assert 0 < len(listing.files) <= 3
    await cancel(app, task_id)


async def test_a_name_that_is_no_text_spoils_no_list(app):
    command = with_command(app, """/bin/bash -c 'touch $(printf "\\\\377.csv") a.csv; echo done; sleep 60'""")
    task_id = (await submitted(command)).task_id
    await printed(app, task_id, 5)
    names = {file["name"] for file in json.loads(files_reply(await list_files(app, task_id)).body)["files"]}
    assert "a.csv" in names
    assert len(names) <= 3
    await cancel(app, task_id)


async def test_half_a_surrogate_pair_in_a_list_is_replaced(environment, batch_endpoint):
    async with relayed_app(environment, batch_endpoint) as relayed:
        record = await submitted(relayed.app)
        properties = {"contentLength": "1", "lastModified": "2026-01-01T00:00:00Z"}
        body = json.dumps({"value": [{"name": "wd/half \ud83d", "isDirectory": False, "properties": properties}]})
        relayed.batch.spoil = where(
            "GET", "/files", Spoiled(status=200, body=body.encode(), content_type="application/json")
        )
        listing = await list_files(relayed.app, record.task_id)
        assert json.loads(files_reply(listing).body)["files"] == [{"name": "half ?", "size": 1}]
        await cancel(relayed.app, record.task_id)


HOSTILE = [
    "",
    ".",
    "..",
    "/",
    "../stdout.txt",
    "../stderr.txt",
    "a/../../stdout.txt",
    "../../secret.txt",
    "../../../secret.txt",
    "..\\..\\secret.txt",
    "..\\stdout.txt",
    "a\\..\\..\\secret.txt",
    "\\secret.txt",
    "/secret.txt",
    "//secret.txt",
    "./a.csv",
    "a//b.csv",
    "a.csv/",
    "a.csv\0",
    "\0",
    "../files-of-others.csv",
    "%2e%2e/%2e%2e/secret.txt",
    "%2e%2e%2f%2e%2e%2fsecret.txt",
    "..%2f..%2fsecret.txt",
    "%252e%252e%252fsecret.txt",
    "a.csv?x=../../secret.txt",
    "a.csv#/../../secret.txt",
    "a.csv?comp=list&restype=container",
    "\r\nSet-Cookie: a=b",
    "\ud800",
    "n" * 2000,
    "a/" * 1000 + "b",
    "s/" * 300 + "b",
    "\N{GRINNING FACE}" * 600,
]


@pytest.mark.parametrize("is_final", [False, True])
async def test_a_hostile_name_reads_nothing_but_what_belongs_to_the_task(app, tmp_path, is_final, calls):
    command = with_command(app, "/bin/bash -c 'echo mine >a.csv; echo out'")
    other = await collected(app, (await submitted(app, "other.txt", SECRET)).task_id)
    if is_final:
        record = await with_files(app, tmp_path, ["a.csv"])
    else:
        record = await submitted(command, "x.txt")
        await completed(app, [record.task_id])
    for name in ("secret.txt", "x.txt/secret.txt", f"x.txt/{record.task_id}/secret.txt", "files/secret.txt"):
        await plant(app, name, SECRET)
    await plant(app, f"x.txt/{record.task_id}/files-of-others.csv", SECRET)
    for name in [*HOSTILE, f"../../../{other.stdout}", f"../../{other.task_id}/stdout.txt"]:
        with pytest.raises(OutputNotFound) as caught:
            await read_file(app, record.task_id, name, ALL)
        assert len(str(caught.value)) < 2000
    calls.clear()
    for name in ("../x", "a\\b", "n" * 2000, "\0"):
        with pytest.raises(OutputNotFound):
            await read_file(app, record.task_id, name, ALL)
    assert seen(calls) == [("table", "GET")] * 4


@pytest.mark.parametrize(
    "task_id",
    ["", "..", "../x", "20261123T080102-a-0123456789abcdef/../x", "20261123T080102-\0-0123456789abcdef", "t" * 2000],
)
async def test_a_hostile_task_id_is_no_task(app, task_id, calls):
    for reading in (
        read_printed(app, task_id, OUT, ALL),
        read_file(app, task_id, "a", ALL),
        list_files(app, task_id),
    ):
        with pytest.raises(RecordNotFound):
            await reading
    assert calls == []


async def test_names_that_are_only_awkward_are_read(app, tmp_path):
    names = ["a b.csv", "100%2F%2e%2e.csv", "ü\N{GRINNING FACE}.csv", "..a/b...csv", "a+b?c#d&e=.csv", 'it\'s "it".csv']
    record = await with_files(app, tmp_path, names)
    for name in names:
        assert (await read_file(app, record.task_id, name, ALL)).content == name.encode()
    assert sorted(file.name for file in (await list_files(app, record.task_id)).files) == sorted(names)
    quoted = '/bin/bash -c \'while read -r n; do mkdir -p "$(dirname "$n")"; printf x >"$n"; done <input/*\''
    task_id = (await submitted(with_command(app, quoted), "y", "\n".join([*names, ""]).encode())).task_id
    await completed(app, [task_id])
    for name in names:
        assert (await read_file(app, task_id, name, ALL)).content == b"x", name


@pytest.mark.parametrize(
    "spoiled",
    [
        Spoiled(body=b"<html>log in</html>", content_type="text/html"),
        Spoiled(body=b"x" * (MOST_BYTES + 1), content_type="text/plain"),
        Spoiled(status=206, body=b"x" * (MOST_BYTES + 1), content_type="text/plain"),
        Spoiled(status=206, body=b"te", keeps_headers=True),
    ],
)
async def test_a_foreign_answer_is_no_output(environment, batch_endpoint, pauses, spoiled):
    async with relayed_app(environment, batch_endpoint) as relayed:
        record = await submitted(relayed.app)
        await completed(relayed.app, [record.task_id])
        relayed.batch.spoil = where("GET", "stdout.txt", replace(spoiled, keeps_headers=False))
        with pytest.raises(ServiceError):
            await read_printed(relayed.app, record.task_id, OUT, ALL)
        relayed.batch.spoil = lambda _: None
        record = await collected(relayed.app, record.task_id)
        relayed.blobs.spoil = where("GET", "stdout.txt", spoiled)
        with pytest.raises(ServiceError):
            await read_printed(relayed.app, record.task_id, OUT, ALL)


async def test_what_is_packed_is_not_unpacked(app):
    record = await collected(app, (await submitted(app)).task_id)
    packed = gzip.compress(b"\0" * (64 * 1024 * 1024))
    blob = app.clients.blobs.get_blob_client(app.settings.output_container, record.stdout)
    await blob.upload_blob(packed, overwrite=True, content_settings=ContentSettings(content_encoding="gzip"))
    assert await part(app, record.task_id) == (0, packed, len(packed))
