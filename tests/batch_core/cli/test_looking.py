"""`batchdrop list`, `show`, `pools`, `summary` and `watch`."""

import json
import re
from datetime import date
from pathlib import Path

import pytest

from batch_core.cli import task_list, timers
from batch_core.cli.times_said import day_said, duration_said
from batch_core.pausing import pause
from tests.batch_core.steps import cancel_all, collected, dropped, submitted, with_command
from tests.hostile_names import LISTED

HOSTILE = {name: text for name, text in LISTED.items() if name not in {"longest", "longest-not-ascii"}}


async def ended(app, name="a.txt", command="/bin/bash -c 'cat \"$INPUT_FILE\"'", content=b"text\n"):
    return await collected(app, (await submitted(with_command(app, command), name, content)).task_id)


async def test_a_list_has_the_newest_first_and_takes_the_filters_of_the_http_api(app, batchdrop):
    first = await ended(app, "letters/a.txt")
    second = await ended(app, "b.txt", "/bin/bash -c 'exit 3'")
    done = await batchdrop("list")
    assert (done.code, done.err) == (0, "")
    header, *rows = [line.split() for line in done.lines]
    assert header == ["STATE", "AGE", "TASK", "FILE", "WHY"]
    assert {row[0] for row in rows} == {"succeeded", "failed"}
    assert {row[3] for row in rows} == {first.task_id, second.task_id}
    assert next(line for line in done.lines if "b.txt" in line).endswith("the command ended with exit code 3")
    for filters, expected in {
        ("--state", "failed"): {second.task_id},
        ("--state", "failed,succeeded"): {first.task_id, second.task_id},
        ("--prefix", "letters/"): {first.task_id},
        ("--route", "nosuch"): set(),
        ("--day", "2020-01-01"): set(),
        ("--waiting", "PT1S"): set(),
        ("--waiting", "1s"): set(),
        ("--day", "today"): {first.task_id, second.task_id},
        ("--day", "yesterday"): set(),
    }.items():
        done = await batchdrop("list", "--json", *filters)
        assert (done.code, {one["task_id"] for one in done.documents}) == (0, expected), filters


async def test_nothing_listed_is_said_and_is_no_failure(app, batchdrop):
    done = await batchdrop("list")
    assert (done.code, done.out, done.err) == (0, b"", "no such task\n")


async def test_a_route_that_does_not_exist_is_named_where_nothing_is_found(app, batchdrop, tmp_path):
    (tmp_path / "routes.toml").write_text('[[routes]]\nname = "strict"\nmatch = "*.odd"\ncommand = "/bin/true"\n')
    routes = {"ROUTES_FILE": str(tmp_path / "routes.toml")}
    done = await batchdrop("list", "--route", "strct", **routes)
    assert (done.code, done.err) == (0, "no such task; there is no route 'strct': did you mean strict?\n")
    assert (await batchdrop("list", "--route", "strict", **routes)).err == "no such task\n"


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("10m", "PT10M"),
        ("10 min", "PT10M"),
        ("2h", "PT2H"),
        ("1d", "P1D"),
        ("30s", "PT30S"),
        ("PT5M", "PT5M"),
        ("1w", "1w"),
    ],
)
def test_durations_are_short_or_iso(text, iso):
    assert duration_said(text) == iso


@pytest.mark.parametrize(
    ("text", "day"),
    [("today", "2026-12-01"), ("yesterday", "2026-11-30"), ("2026-11-30", "2026-11-30"), ("", "")],
)
def test_days_are_named_or_dates(text, day):
    assert day_said(text, date(2026, 12, 1)) == day


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--state", "done"], "--state is 'done': it must be one of queued,"),
        (["--limit", "0"], "--limit is '0': it must be a whole number from 1 to 200"),
        (
            ["--waiting", "soon"],
            "--waiting is 'soon': it must be a duration such as 10m, 2h or 1d, or one of ISO 8601 such as PT10M",
        ),
        (["--state", "failed", "--waiting", "PT1M"], "--waiting goes with the states queued and submitted"),
        (["--day", "tomorrow"], "--day is 'tomorrow': it must be a day such as 2026-11-30, or today or yesterday"),
        (["--colour"], "unrecognized arguments: --colour"),
        (["a.txt"], "unrecognized arguments: a.txt"),
    ],
)
async def test_wrong_filters_are_reported_before_anything_is_asked(batchdrop, arguments, words):
    done = await batchdrop("list", *arguments)
    assert (done.code, done.out) == (2, b"")
    assert words in done.err.splitlines()[-1]


async def test_all_follows_the_list_to_its_end_and_is_bounded(app, batchdrop, monkeypatch):
    names = [f"{number}.txt" for number in range(5)]
    records = [await submitted(app, name) for name in names]
    done = await batchdrop("list", "--limit", "2", "--json")
    assert (len(done.documents), done.err) == (2, "2 listed; there may be more: --all lists everything\n")
    done = await batchdrop("list", "--limit", "2", "--all", "--json")
    assert (sorted(one["blob"] for one in done.documents), done.err) == (names, "")
    monkeypatch.setattr(task_list, "MOST", 3)
    done = await batchdrop("list", "--limit", "2", "--all", "--json")
    assert (len(done.documents), done.err) == (3, "3 listed; there may be more\n")
    await cancel_all(app, records)


async def test_a_record_is_shown_with_what_batch_says(app, batchdrop):
    record = await submitted(with_command(app, "/bin/sleep 600"))
    done = await batchdrop("show", record.task_id)
    fields = dict(line.split(maxsplit=1) for line in done.lines if not line.startswith(" ") and " " in line)
    assert (done.code, fields["task_id"], fields["state"], fields["blob"]) == (
        0,
        record.task_id,
        "submitted",
        "a.txt",
    )
    assert "live" in done.lines
    done = await batchdrop("show", record.task_id, "--json")
    (document,) = done.documents
    assert document["live"]["state"] in {"active", "preparing", "running"}
    await cancel_all(app, [record])


async def test_a_file_is_shown_with_all_attempts_the_newest_first(app, batchdrop):
    record = await ended(app)
    retried = await batchdrop("retry", record.task_id)
    second = (await collected(app, retried.text.strip())).task_id
    done = await batchdrop("show", "a.txt", "--json")
    assert [one["task_id"] for one in done.documents] == [second, record.task_id]
    done = await batchdrop("show", "a.txt")
    assert (done.text.count("\n\ntask_id "), done.lines.count(f"{'exit_code':<22}0")) == (1, 2)


async def test_a_file_that_is_gone_is_shown_by_its_name_too(app, batchdrop):
    record = await ended(app)
    await app.clients.blobs.get_blob_client(app.settings.input_container, "a.txt").delete_blob()
    assert [one["task_id"] for one in (await batchdrop("show", "a.txt", "--json")).documents] == [record.task_id]


@pytest.mark.parametrize("command", ["show", "logs", "get"])
@pytest.mark.parametrize("name", ["nosuch.txt", "20261127T082020-recipe-txt-42fb6f2cf3b1d15d", "a\x1b[31m"])
async def test_what_does_not_exist_is_reported_in_a_sentence(app, batchdrop, command, name):
    done = await batchdrop(command, name)
    assert (done.code, done.out) == (1, b"")
    where = f"the container {app.settings.input_container!r}"
    assert done.err.startswith(f"no task has the id {name!r}, and {where} has no file of this name: ")


async def test_a_file_without_a_task_has_the_reason(app, batchdrop, tmp_path):
    await dropped(app, "new.txt")
    done = await batchdrop("show", "new.txt")
    assert (done.code, done.err) == (
        1,
        "file 'new.txt' has no task: the app has not detected it yet; `submit` makes one\n",
    )
    (tmp_path / "routes.toml").write_text('unmatched = "ignore"')
    done = await batchdrop("show", "new.txt", ROUTES_FILE=str(tmp_path / "routes.toml"))
    assert done.err.startswith("file 'new.txt' has no task: no route takes blob 'new.txt'")


async def test_no_name_gives_a_terminal_orders_and_markup_is_text(app, batchdrop):
    names = [*HOSTILE.values(), "[bold red]x[/].txt", "[link=http://x.example]a[/link]", ":smile:"]
    for name in names:
        await submitted(with_command(app, "/bin/true"), name)
    for command in (["list", "--all"], ["list", "--all", "--json"], ["summary"], ["summary", "--json"]):
        done = await batchdrop(*command)
        assert done.code == 0
        assert all(char.isprintable() or char == "\n" for char in done.text + done.err)
    listed = {one["blob"] for one in (await batchdrop("list", "--all", "--json")).documents}
    assert listed == set(names)
    text = (await batchdrop("list", "--all")).text
    assert all(name in text for name in ("[bold red]x[/].txt", "[link=http://x.example]a[/link]", ":smile:"))
    assert r"delete\x7fnext-line\x85.txt" in text
    for name in names:
        done = await batchdrop("show", "--json", "--", name)
        assert (done.code, {one["blob"] for one in done.documents}) == (0, {name})


async def test_a_file_that_the_settings_leave_alone_is_not_said_to_be_new(app, batchdrop):
    await dropped(app, "empty.txt", b"")
    done = await batchdrop("show", "empty.txt", INPUT_SKIP_EMPTY="true")
    assert done.err == ("file 'empty.txt' has no task: it is empty, and INPUT_SKIP_EMPTY is true; `submit` makes one\n")


async def test_the_reason_that_is_written_down_is_the_one_that_a_list_shows(app, batchdrop):
    """Batch says of each task in its queue that it waits; why it does is known for some."""
    one = await submitted(with_command(app, "/bin/true"), "waits.txt")
    reason = "it waits for a pool; there is no pool 'other': `batchdrop setup` makes it"
    document = {"state": "submitted", "recorded_at": one.recorded_at, "task_id": one.task_id, "blob": one.blob}
    live = {"reason": "it waits for a node"}
    assert task_list.row_of(document | {"reason": reason, "live": live}, app.now())[-1] == reason
    assert task_list.row_of(document | {"reason": None, "live": live}, app.now())[-1] == "it waits for a node"
    await collected(app, one.task_id)


async def test_pools_are_listed_with_nodes_slots_and_trouble(app, batchdrop):
    pool = app.settings.pool.id
    done = await batchdrop("pools")
    header, row, *_ = done.lines
    assert (done.code, header.split()[:5]) == (0, ["POOL", "STATE", "NODES", "SLOTS", "RUNNING"])
    assert row.startswith(pool)
    (document,) = (await batchdrop("pools", "--json")).documents
    assert (document["id"], document["target"], document["trouble"]) == (pool, 2, None)
    missing = await batchdrop("pools", BATCH_POOL_ID="nosuch-pool")
    assert (missing.code, missing.lines[-1]) == (
        0,
        "nosuch-pool: there is no pool 'nosuch-pool': `batchdrop setup` makes it",
    )


async def test_the_summary_is_that_of_the_http_api(app, batchdrop):
    record = await submitted(with_command(app, "/bin/sleep 600"), "slow.txt")
    await ended(app, "quick.txt")
    done = await batchdrop("summary")
    assert done.code == 0
    assert done.lines[0] == "open        0 queued, 1 submitted"
    assert done.lines[1].startswith("oldest      slow.txt, submitted for ")
    (document,) = (await batchdrop("summary", "--json")).documents
    assert (document["open"]["submitted"], document["pools"][0]["id"]) == (1, app.settings.pool.id)
    await cancel_all(app, [record])


async def test_what_is_paused_is_said(app, batchdrop):
    await pause(app, None, "Ann\x1b[31m")
    first, *_ = (await batchdrop("summary")).lines
    assert first.startswith("paused      the intake, since 2")
    assert first.endswith(r", by Ann\x1b[31m")


async def test_a_summary_without_any_answer_says_what_is_not_known_and_is_a_failure(batchdrop):
    nowhere = {"DATA_STORAGE": storage_nowhere(), "BATCH_ENDPOINT": "http://127.0.0.1:9"}
    done = await batchdrop("summary", **nowhere)
    assert done.code == 1
    unknown = "unknown: the table does not answer"
    assert done.lines[:3] == [f"{about:<12}{unknown}" for about in ("paused", "open", "today")]
    assert done.lines[-2].split()[1:] == ["-"] * 5
    assert ": its state is unknown: looking at pool" in done.lines[-1]
    assert "nothing listens on 127.0.0.1:9" in done.lines[-1]
    assert "in time" not in done.text
    assert (await batchdrop("summary", "--json", **nowhere)).code == 1


@pytest.mark.parametrize("silent", [{"BATCH_ENDPOINT": "http://127.0.0.1:9"}, {"DATA_STORAGE": ""}])
async def test_one_service_that_does_not_answer_makes_a_summary_a_failure(app, batchdrop, silent):
    nowhere = {name: value or storage_nowhere() for name, value in silent.items()}
    done = await batchdrop("summary", **nowhere)
    assert (done.code, "unknown: " in done.text) == (1, True)
    # Batch alone knows pools.
    assert (await batchdrop("pools", **nowhere)).code == int("BATCH_ENDPOINT" in silent)


async def test_timers_are_named_as_on_the_page_and_say_what_they_did_in_words(app, batchdrop):
    at = app.now().isoformat()
    done = {"handed_over_submitted": 2, "sent_back": 1}
    await app.statistics.note_tick("reconcile_tasks", {"at": at, "did": done, "is_complete": False})
    await app.statistics.note_tick("tidy_jobs", {"at": at, "did": {"deleted": 1}})
    await app.statistics.note_tick("collect_outputs", {"at": at, "did": {}})
    lines = [re.split("  +", line) for line in (await batchdrop("summary")).lines[-4:]]
    assert lines[0] == ["TIMER", "LAST SEEN", "DID"]
    assert {line[0]: line[2] for line in lines[1:]} == {
        "Collect output": "nothing to do",
        "Finish interrupted work": "2 handed to Batch, 1 put back into the queue, not done yet",
        "Tidy jobs": "1 job deleted",
    }


def test_timers_have_the_names_of_the_page():
    page = (Path(__file__).parents[3] / "batch_core/http/page/ticks.js").read_text()
    named = dict(re.findall(r'^  (\w+): "([^"]+)",$', page, re.MULTILINE))
    assert named == timers._TITLES


async def test_services_that_do_not_answer_make_no_traceback(batchdrop, environment):
    nowhere = {"DATA_STORAGE": storage_nowhere(), "BATCH_ENDPOINT": "http://127.0.0.1:9"}
    for command in (["list"], ["show", "a.txt"], ["logs", "a.txt"], ["submit", "a.txt"], ["cancel", "a"], ["pools"]):
        done = await batchdrop(*command, **nowhere)
        assert done.code == 1, command
        assert "Traceback" not in done.err
    done = await batchdrop("list", **nowhere)
    assert "nothing listens on 127.0.0.1:9: is the local stack up? `make up` starts it" in done.err


def storage_nowhere():
    service = "http://127.0.0.1:9/a"
    endpoints = f"BlobEndpoint={service};QueueEndpoint={service};TableEndpoint={service};"
    return f"DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;{endpoints}"


async def test_without_settings_every_command_says_how_to_reach_the_local_stack(tmp_path, monkeypatch, capsys):
    import sys  # noqa: PLC0415
    from unittest import mock  # noqa: PLC0415

    from batch_core.cli.command_line import main  # noqa: PLC0415

    commands = ["list", "pools", "summary", "watch", "show x", "logs x", "get x", "submit x", "cancel x", "retry x"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").touch()
    for command in [*commands, "drop x", "doctor", "setup", "teardown", "tidy", "sweep", "routes check"]:
        with mock.patch.dict("os.environ", {}, clear=True), mock.patch.object(sys, "argv", ["b", *command.split()]):
            code = main()
        out, err = capsys.readouterr()
        assert code == 2, command
        assert "for the local stack that `make up` started: --settings " in out + err


async def test_json_is_written_for_a_terminal_too(app, batchdrop):
    await dropped(app, "x")
    done = await batchdrop("submit", "x", "--json")
    assert json.loads(done.out)["is_new"] is True
