"""What the commands that keep the app say with `--json`."""

import asyncio
import json
import os
from datetime import date

import pytest

from batch_core.cli.terminal import Terminal
from batch_core.naming import task_id
from batch_core.state.job_registry import JobEntry
from tests.batch_core.steps import dropped

ROUTES = """
unmatched = "ignore"
[[routes]]
name = "texts"
match = "**/*.txt"
command = "cat"
[[routes]]
name = "orders"
match = "orders/*/_DONE"
command = "/bin/true"
inputs = "folder"
"""


def names(settings):
    return [
        f"input container {settings.input_container}",
        f"output container {settings.output_container}",
        f"table {settings.table_name}",
        f"pool {settings.pool.id}",
    ]


async def test_setup_and_teardown(app, batchdrop):
    resources = names(app.settings)
    done = await batchdrop("setup", "--json")
    assert done.documents == [{"resource": one, "outcome": "exists"} for one in resources]
    done = await batchdrop("setup", "--json", "--dry-run")
    assert {one["outcome"] for one in done.documents} == {"exists"}
    done = await batchdrop("teardown", "--json", "--dry-run")
    assert sorted(one["resource"] for one in done.documents) == sorted(resources)
    assert {one["outcome"] for one in done.documents} == {"exists"}
    done = await batchdrop("teardown", "--json")
    assert (done.code, "Nothing was deleted" in done.err) == (2, True)
    done = await batchdrop("teardown", "--json", "--yes")
    assert [one["outcome"] for one in done.documents] == ["exists"] * 4 + ["deleted"] * 4
    done = await batchdrop("teardown", "--json", "--yes")
    assert (done.code, done.out) == (0, b"")
    done = await batchdrop("setup", "--json", "--dry-run")
    assert {one["outcome"] for one in done.documents} == {"missing"}
    await batchdrop("setup")


async def test_tidy_and_sweep(app, batchdrop):
    assert (await batchdrop("tidy", "--json")).out == b""
    job_id = f"files-{app.settings.pool.id}-20201123-1"
    await app.registry.add(JobEntry(job_id=job_id, day=date(2020, 11, 23), number=1, takes_tasks=True))
    await app.jobs.make(job_id)
    for option, outcome in ((["--dry-run"], "would be terminated"), ([], "terminated")):
        done = await batchdrop("tidy", "--json", *option)
        assert done.documents == [{"resource": f"job {job_id}", "outcome": outcome}]
    version = await dropped(app, "missed.txt")
    young = {"SWEEP_GRACE": "PT1S"}
    async with asyncio.timeout(30):
        while not (done := await batchdrop("sweep", "--dry-run", "--json", **young)).documents:
            await asyncio.sleep(0.2)
    assert done.documents == [{"blob": "missed.txt", "task_id": task_id(version)}]
    done = await batchdrop("sweep", "--dry-run", **young)
    assert (done.text, done.err.splitlines()[-1]) == ("missed.txt\n", "1 file would be submitted")
    assert await app.table.recorded_among([task_id(version)]) == set()
    done = await batchdrop("sweep", "--json")
    assert done.documents == [{"listed": 1, "looked_up": 0, "submitted": 0, "forgotten": 0, "is_complete": True}]


@pytest.mark.parametrize(
    ("name", "route", "words", "code"),
    [
        ("a.txt", "texts", "its glob '**/*.txt' matches", 0),
        ("a.csv", None, "no route", 1),
        ("orders/1/x.csv", "orders", "part of its folder's", 0),
    ],
)
async def test_routes(batchdrop, tmp_path, name, route, words, code):
    file = tmp_path / "routes.toml"
    file.write_text(ROUTES)
    done = await batchdrop("routes", "match", name, "--json", ROUTES_FILE=str(file))
    (document,) = done.documents
    assert (done.code, document["route"], words in document["why"]) == (code, route, True)
    (document,) = (await batchdrop("routes", "check", "--json", ROUTES_FILE=str(file))).documents
    assert [one["name"] for one in document["routes"]] == ["texts", "orders"]
    assert (document["unmatched"], document["file"]) == ("ignore", str(file))


def test_nothing_in_a_document_gives_a_terminal_orders(capsys):
    text = "\x1b\x9b\u202e\U000e0001\n\x7f ü\N{GRINNING FACE}"
    Terminal(is_json=True).document({"name": text})
    line = capsys.readouterr().out
    assert line.endswith("\n")
    assert line[:-1].isprintable()
    assert "ü\N{GRINNING FACE}" in line
    assert json.loads(line) == {"name": text}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
async def test_a_file_that_cannot_be_read_is_reported(app, batchdrop, tmp_path):
    (tmp_path / "a.txt").touch(mode=0)
    done = await batchdrop("drop", "a.txt")
    assert (done.code, done.err) == (1, "cannot read a.txt: Permission denied\n")
