"""`python -m batch_core routes` and `sweep`, in this process."""

import json
import sys
from unittest import mock

import pytest

from batch_core.cli.command_line import main
from batch_core.config.routes_file import json_schema

ROUTES = """
unmatched = "ignore"
[[routes]]
name = "texts"
match = ["notes/*.txt", "**/*.txt"]
command = "cat"
pool = "other"
priority = 3
environment = { WORD = "hunter2", TOKEN = "%TOKEN%" }
"""
POOLS = "[pools.other]\nexisting = true\n"


@pytest.fixture
def run(monkeypatch, capsys, environment, tmp_path):
    """Run the command with a file of routes; return its exit code, output and errors."""

    def run(*arguments, routes=ROUTES):
        (tmp_path / "routes.toml").write_text(routes and routes + POOLS)
        more = {"ROUTES_FILE": str(tmp_path / "routes.toml"), "TOKEN": "s3cret"}
        with monkeypatch.context() as patch, mock.patch.dict("os.environ", environment | more, clear=True):
            patch.setattr(sys, "argv", ["batch_core", *arguments, "--settings", "-"])
            code = main()
        return code, *capsys.readouterr()

    return run


def test_a_right_file_is_listed_in_its_order(run):
    code, output, _ = run("routes", "check")
    first, route, rest = output.splitlines()
    assert (code, first) == (0, "routes.toml is right. The first route that matches takes a file:")
    assert route.endswith("): notes/*.txt, **/*.txt -> pool other")
    assert rest == "Other files are left alone."


def test_a_wrong_file_is_reported_with_every_problem(run):
    code, output, errors = run("routes", "check", routes=ROUTES + "retrys = 1\nslots = 0\n")
    assert (code, output) == (2, "")
    assert errors.splitlines()[-3:] == [
        "These routes are wrong:",
        "  routes.toml, route 'texts', slots is 0: it must be a whole number from 1 to 256",
        "  routes.toml, route 'texts' has 'retrys', which means nothing here: did you mean retries?",
    ]


def test_no_routes_are_said(run):
    code, output, _ = run("routes", "check", routes="")
    assert (code, output.startswith("There are no routes: routes.toml")) == (0, True)


def test_a_name_is_matched_and_its_task_shown_without_secrets(run):
    code, output, errors = run("routes", "match", "a/b c.txt")
    first, _, document = output.partition("\n")
    shown = json.loads(document)
    assert (code, first) == (0, "texts: its glob '**/*.txt' matches")
    assert (shown["pool"], shown["priority"], shown["task"]["commandLine"]) == ("other", 3, "cat")
    (file,) = shown["task"]["resourceFiles"]
    assert file["httpUrl"].endswith("/a/b%20c.txt?(hidden)")
    variables = {one["name"]: one["value"] for one in shown["task"]["environmentSettings"]}
    assert (variables["WORD"], variables["TOKEN"], variables["INPUT_BLOB"]) == ("(hidden)", "(hidden)", "a/b c.txt")
    assert not [secret for secret in ("hunter2", "s3cret", "sig=") if secret in output + errors]


def test_a_name_that_no_route_takes_is_said(run):
    assert run("routes", "match", "a.csv")[:2] == (1, "no route: Other files are left alone.\n")


def test_a_route_can_be_named_whatever_the_blob_is_called(run):
    code, output, _ = run("routes", "match", "a.csv", "--route", "texts")
    assert (code, output.partition("\n")[0]) == (0, "texts: it was named")
    assert run("routes", "match", "a.csv", "--route", "nosuch")[:2] == (1, "there is no route 'nosuch'\n")


def test_the_name_is_needed(run):
    with pytest.raises(SystemExit, match="2"):
        run("routes", "match")


def test_the_schema_is_printed(run):
    code, output, _ = run("routes", "schema")
    assert (code, json.loads(output)) == (0, json_schema())


async def test_sweep_reports_what_it_did(storage_app, environment, tmp_path):
    container = storage_app.clients.blobs.get_container_client(storage_app.settings.input_container)
    await container.upload_blob("a.txt", b"x")
    # Too young: the trigger's business.
    assert (await swept(environment)) == (0, "1 files listed, 0 looked up, 0 submitted\n")


async def swept(environment):
    import asyncio  # noqa: PLC0415
    import contextlib  # noqa: PLC0415
    import io  # noqa: PLC0415

    output = io.StringIO()
    with (
        mock.patch.dict("os.environ", environment, clear=True),
        mock.patch.object(sys, "argv", ["batch_core", "sweep", "--all", "--settings", "-"]),
        contextlib.redirect_stdout(output),
    ):
        code = await asyncio.to_thread(main)
    return code, output.getvalue()
