"""How a task's record and output are shown on a terminal, and saved."""

import os
from dataclasses import replace
from datetime import timedelta

import pytest

from batch_core.app import open_app, utc_now
from batch_core.cli import provision
from batch_core.cli.ages import age
from batch_core.live import Live
from batch_core.naming import BlobVersion, task_id
from batch_core.state.changes import Closing
from batch_core.state.record import DetectedBy, Outcome, TaskState
from batch_core.submit import new_record
from local import lookup, show
from local.errors import StackError
from local.settings_file import AppSettings
from local.show import printed

TASK = "20261123T080000-a-txt-0123456789abcdef"
FOLDER = f"a.txt/{TASK}"
ENDED = {"task_id": TASK, "state": "succeeded", "closed_at": "2026-11-23T08:00:00Z"}
#: Each as the last part of a blob's name, where a file is to be saved.
OUTSIDE = ["../evil.txt", "a/../../../evil.txt", "./x.txt", "a/..", "/etc/evil.txt", "a//b.txt", "a/", ""]


@pytest.mark.parametrize(
    ("beginning", "size", "text"),
    [
        (b"", 0, ""),
        ("Gr\u00fc\u00dfe\n\ttab\n".encode(), 13, "Gr\u00fc\u00dfe\n\ttab"),
        (b"\x1b]0;title\x07red\r\n", 15, "\\x1b]0;title\\x07red\\r"),
        (b"\x89PNG\r\n\0\0", 8, "(not text)"),
        (b"abc", 10, "abc\n(cut: 3 of 10 bytes)"),
        (b"\xff", 1, "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_an_output_gives_a_terminal_no_orders(beginning, size, text):
    assert printed(beginning, size) == text


@pytest.fixture
async def app(environment):
    """The app of a stack whose Batch is out of reach."""
    app = open_app(AppSettings(file="own.json", values=environment).validated(), env=environment)
    *containers_and_table, _ = provision.resources(app)
    for resource in containers_and_table:
        await provision.make(resource)
    yield app
    await app.clients.close()


@pytest.fixture
def settings(environment, tmp_path):
    return AppSettings(file=tmp_path / "own.json", values=environment)


@pytest.fixture
def answer(monkeypatch):
    """What the app's API answers, by task id."""
    records = {}

    async def record_of(http, name, settings):
        return records.get(name, {})

    monkeypatch.setattr(show, "record_of", record_of)
    return records


async def put(app, **blobs):
    container = app.clients.blobs.get_container_client(app.settings.output_container)
    for name, content in blobs.items():
        await container.upload_blob(name, content)


def tree(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


# The files that a route's outputs made


async def test_files_are_listed_with_sizes_and_saved_beside_what_was_printed(app, settings, answer, capsys, tmp_path):
    answer[TASK] = ENDED | {"stdout": f"{FOLDER}/stdout.txt", "stderr_size": 0, "files": f"{FOLDER}/files/"}
    await put(app, **{f"{FOLDER}/stdout.txt": b"said", f"{FOLDER}/filesystem.txt": b"another's"})
    await put(app, **{f"{FOLDER}/files/{name}": name.encode() for name in ("a.csv", "deep/er/b.csv", "stdout.txt")})
    folder = tmp_path / "new" / "saved"
    await show.show(TASK, settings, folder)
    text = capsys.readouterr().out
    container = app.settings.output_container
    assert f"\nstdout, {container}/{FOLDER}/stdout.txt, 4 bytes\nsaid\n\nstderr is empty\n" in text
    assert text.endswith(
        f"\nfiles, {container}/{FOLDER}/files/, 3 file(s)\n"
        "  files/a.csv, 5 bytes\n  files/deep/er/b.csv, 13 bytes\n  files/stdout.txt, 10 bytes\n"
        f"\n5 file(s) saved in {folder}\n"
    )
    files = {f"files/{name}": name.encode() for name in ("a.csv", "deep/er/b.csv", "stdout.txt")}
    assert tree(folder) == {"stdout.txt": b"said", "stderr.txt": b"", **files}
    # Again, over the older ones.
    (folder / "stderr.txt").write_text("old")
    await show.show(TASK, settings, folder)
    assert tree(folder) == {"stdout.txt": b"said", "stderr.txt": b"", **files}


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({}, ": no file matched the patterns of its route's outputs"),
        ({"state": "failed"}, ": no file was uploaded; none matched, or the route's outputs_on is for another end"),
        (
            {"state": "submitted", "closed_at": None},
            ": nothing yet; the node uploads files when the command has ended",
        ),
    ],
)
async def test_an_empty_folder_of_files_is_explained(app, settings, answer, capsys, record, words):
    answer[TASK] = ENDED | {"files": f"{FOLDER}/files/"} | record
    await show.show(TASK, settings)
    assert capsys.readouterr().out.endswith(f"files, {app.settings.output_container}/{FOLDER}/files/{words}\n")


async def test_of_many_files_the_first_are_listed(app, settings, answer, capsys, monkeypatch):
    monkeypatch.setattr(show, "MOST_FILES", 1)
    answer[TASK] = ENDED | {"files": f"{FOLDER}/files/"}
    await put(app, **{f"{FOLDER}/files/{name}": b"" for name in "abc"})
    await show.show(TASK, settings)
    assert capsys.readouterr().out.endswith("files/, 3 file(s)\n  files/a, 0 bytes\n  and 2 more\n")


async def test_a_large_file_is_saved_whole(app, settings, answer, tmp_path):
    content = os.urandom(9 * 1024 * 1024)
    answer[TASK] = ENDED | {"files": f"{FOLDER}/files/"}
    await put(app, **{f"{FOLDER}/files/large.bin": content})
    await show.show(TASK, settings, tmp_path / "saved")
    assert tree(tmp_path / "saved") == {"files/large.bin": content}


async def test_names_give_a_terminal_no_orders(app, settings, answer, capsys):
    answer[TASK] = ENDED | {"files": f"{FOLDER}/files/"}
    await put(app, **{f"{FOLDER}/files/\x85next\x9b31m.txt": b"x"})
    await show.show(TASK, settings)
    assert "\n  files/\\x85next\\x9b31m.txt, 1 bytes\n" in capsys.readouterr().out


# Nothing is written outside the folder


def listed(monkeypatch, *names):
    """Let these be the files, whatever the container holds: Azure and Azurite differ in what they can hold."""

    async def files_of(record, container):
        return [show.Output(blob=f"{FOLDER}/files/good.txt", name=f"files/{name}", size=4) for name in names]

    monkeypatch.setattr(show, "files_of", files_of)


@pytest.mark.parametrize("name", [*OUTSIDE, "nul\0.txt", "n" * 300])
async def test_a_name_that_leads_out_or_that_no_file_can_have_is_reported_and_the_others_are_saved(
    app, settings, answer, tmp_path, monkeypatch, name
):
    answer[TASK] = ENDED
    await put(app, **{f"{FOLDER}/files/good.txt": b"good"})
    listed(monkeypatch, name, "good.txt")
    folder = tmp_path / "outer" / "saved"
    with pytest.raises(StackError, match="these were not saved:\n  files/"):
        await show.show(TASK, settings, folder)
    assert tree(tmp_path / "outer") == {"saved/files/good.txt": b"good"}


async def test_no_link_leads_out_of_the_folder(app, settings, answer, tmp_path, monkeypatch):
    answer[TASK] = ENDED
    await put(app, **{f"{FOLDER}/files/good.txt": b"good"})
    listed(monkeypatch, "linked/evil.txt", "link.txt")
    outside, folder = tmp_path / "outside", tmp_path / "saved"
    for one in (outside, folder, folder / "files"):
        one.mkdir()
    (outside / "kept.txt").write_text("kept")
    (folder / "files" / "linked").symlink_to(outside)
    (folder / "files" / "link.txt").symlink_to(outside / "kept.txt")
    with pytest.raises(StackError, match=r"files/linked/evil\.txt: .*/files/linked is a link"):
        await show.show(TASK, settings, folder)
    assert tree(outside) == {"kept.txt": b"kept"}
    assert not (folder / "files" / "link.txt").is_symlink()
    assert (folder / "files" / "link.txt").read_bytes() == b"good"


async def test_a_file_in_the_place_of_a_folder_is_reported(app, settings, answer, tmp_path, monkeypatch):
    answer[TASK] = ENDED
    await put(app, **{f"{FOLDER}/files/good.txt": b"good"})
    listed(monkeypatch, "a", "a/b", "c/d", "c")
    with pytest.raises(StackError, match=r"files/a/b: (File exists|Not a directory)\n  files/c: Is a directory"):
        await show.show(TASK, settings, tmp_path / "saved")
    assert tree(tmp_path / "saved") == {"files/a": b"good", "files/c/d": b"good"}


async def test_a_task_without_output_saves_nothing_and_says_so(app, settings, answer, tmp_path):
    answer[TASK] = ENDED | {"closed_at": None, "state": "queued"}
    with pytest.raises(StackError, match=f"nothing was saved: task {TASK} has no output"):
        await show.show(TASK, settings, tmp_path / "saved")
    assert list(tmp_path.iterdir()) == []


# By the name of a blob


async def version(app, name, content=b"text"):
    await app.clients.blobs.get_blob_client(app.settings.input_container, name).upload_blob(content, overwrite=True)
    return await app.inputs.version_of(name)


@pytest.mark.parametrize("name", ["letters/a.txt", "..a/b c?d=e#f.txt", TASK])
async def test_a_blobs_name_shows_the_newest_attempt_at_it_as_it_is_now(app, settings, answer, capsys, name):
    before = await version(app, name, b"before")
    now = await version(app, name, b"now")
    records = [new_record(app, before, DetectedBy.TRIGGER, 3)]
    records += [new_record(app, now, DetectedBy.TRIGGER, attempt) for attempt in (1, 2)]
    records += [new_record(app, await version(app, f"{name}x"), DetectedBy.TRIGGER, 4)]
    await app.table.insert(records)
    answer |= {one.task_id: {"task_id": one.task_id} for one in records}
    await show.show(name, settings)
    assert f'"task_id": "{task_id(now, 2)}"' in capsys.readouterr().out


async def test_a_name_of_no_blob_and_no_task_is_reported(app, settings, answer):
    for name in ("nobody", TASK):
        with pytest.raises(StackError, match=f"there is no task '{name}'.* has no blob of this name"):
            await show.show(name, settings)


async def test_a_blob_without_a_record_has_the_reason(app, settings, answer, environment, tmp_path):
    await version(app, "new.txt")
    with pytest.raises(StackError, match=r"blob 'new\.txt' has no record: the app has not detected it yet"):
        await show.show("new.txt", settings)
    ignoring = tmp_path / "routes.toml"
    ignoring.write_text('unmatched = "ignore"')
    with pytest.raises(StackError, match="has no record: no route takes blob"):
        await show.show("new.txt", settings.with_values(ROUTES_FILE=str(ignoring)))


# Without a name


async def test_records_are_listed_the_open_ones_first_with_state_age_and_reason(app, settings, capsys):
    now = utc_now().replace(microsecond=0)
    versions = {
        name: BlobVersion(container="input", name=name, etag="1", last_modified=moment, size=1)
        for name, moment in {
            "old open": now - timedelta(days=3),
            "old ended": now - timedelta(days=3, seconds=1),
            "forgotten": now - timedelta(days=5),
            "ended": now,
            "line\nbreak": now,
        }.items()
    }
    records = {name: new_record(app, one, DetectedBy.TRIGGER, 1) for name, one in versions.items()}
    records["old open"] = replace(
        records["old open"], recorded_at=now - timedelta(days=3), reason="it waits\nfor a node"
    )
    await app.table.insert(list(records.values()))
    closed = [records[name].task_id for name in ("old ended", "forgotten", "ended")]
    outcome = Outcome(state=TaskState.FAILED, reason="the command ended with exit code 3")
    await app.table.close([Closing(task_id=one, outcome=outcome) for one in closed], now)
    # As the table does with days that nothing is open in.
    day = f"{now - timedelta(days=5):%Y%m%d}"
    table = app.clients.tables.get_table_client(app.settings.table_name)
    await table.delete_entity("days", day)
    await show.show_newest(settings)
    lines = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    found = [(line[0].strip(), line[-2], line[-1]) for line in lines]
    assert found == [
        ("queued", r"line\nbreak", "recorded; being handed to Batch"),
        ("queued", "old open", r"it waits\nfor a node"),
        ("failed", "ended", "the command ended with exit code 3"),
        ("failed", "old ended", "the command ended with exit code 3"),
    ]
    assert [line[-3] for line in lines] == [records[one[1].replace(r"\n", "\n")].task_id for one in found]
    assert "   3 d" in "  ".join(lines[1])


async def test_of_what_batch_has_the_reason_is_what_batch_says_now(app, settings, capsys, monkeypatch):
    now = utc_now()
    versions = [BlobVersion(container="input", name=name, etag="1", last_modified=now, size=1) for name in "abc"]
    running, stopped, out_of_reach = (
        replace(new_record(app, one, DetectedBy.TRIGGER, 1), state=TaskState.SUBMITTED, job_id="j", reason="recorded")
        for one in versions
    )
    stopped = replace(stopped, cancel_requested_at=now, reason="being cancelled on request")
    await app.table.insert([running, stopped, out_of_reach])

    async def live(app, record):
        return Live(state="unknown" if record.blob == "c" else "running", reason="it is running")

    monkeypatch.setattr(lookup, "live_task", live)
    await show.show_newest(settings)
    lines = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    reasons = {line[-2]: line[-1] for line in lines}
    assert reasons == {"a": "it is running", "b": "being cancelled on request", "c": "recorded"}


async def test_no_more_than_fifty_are_listed(app, settings, capsys, monkeypatch):
    monkeypatch.setattr(lookup, "MOST", 3)
    now = utc_now()
    versions = [BlobVersion(container="input", name=f"{n}", etag="1", last_modified=now, size=1) for n in range(6)]
    records = [new_record(app, one, DetectedBy.TRIGGER, 1) for one in versions]
    await app.table.insert(records)
    ended = Outcome(state=TaskState.SUCCEEDED)
    await app.table.close([Closing(task_id=one.task_id, outcome=ended) for one in records[:4]], now)
    await show.show_newest(settings)
    *lines, last = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["queued", "queued", "succeeded"]
    assert last == "(no more than 3 are listed)"


async def test_nothing_to_list_is_said(app, settings, capsys):
    await show.show_newest(settings)
    assert capsys.readouterr().out == "no file has a record of today, and nothing is open\n"


async def test_a_table_that_does_not_answer_is_reported_with_how_to_start_it(settings):
    away = settings.with_values(
        DATA_STORAGE="DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:9/a;"
        "QueueEndpoint=http://127.0.0.1:9/a;TableEndpoint=http://127.0.0.1:9/a;"
    )
    with pytest.raises(StackError, match=r"nothing listens on 127\.0\.0\.1:9.*is the stack up\?"):
        await show.show_newest(away)


@pytest.mark.parametrize(
    ("elapsed", "text"),
    [
        (timedelta(seconds=-2), "0 s"),
        (timedelta(seconds=59.9), "59 s"),
        (timedelta(minutes=59), "59 min"),
        (timedelta(hours=23), "23 h"),
        (timedelta(days=400), "400 d"),
    ],
)
def test_an_age_has_one_unit(elapsed, text):
    assert age(elapsed) == text
