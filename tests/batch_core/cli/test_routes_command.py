"""`python -m batch_core routes` and `sweep`, in this process."""

import asyncio
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


def test_a_name_that_the_settings_take_is_said_without_a_glob(run):
    code, output, _ = run("routes", "match", "a.csv", routes=ROUTES.replace("ignore", "settings"))
    assert (code, output.partition("\n")[0]) == (0, "no route matches: the settings take it")
    code, output, _ = run("routes", "match", "a.csv", routes="")
    assert (code, output.partition("\n")[0]) == (0, "no route matches: the settings take it")


def test_the_value_of_a_setting_is_shown_nowhere(run):
    address = "https://%TOKEN%:%TOKEN%@h.example/%TOKEN%/a"
    text = f"""
        resources = [
            {{ url = "{address}?%TOKEN%", path = "%TOKEN%.bin" }},
            {{ url = "{address}?sig=%TOKEN%", path = "b" }},
            {{ url = "https://me:pa@h.example/a@b?x", path = "c" }},
            {{ url = "https://token@h.example/a@b", path = "d" }},
            {{ container = "%TOKEN%", prefix = "%TOKEN%/", path = "100%%" }},
            {{ auto_storage = "fonts", prefix = "%TOKEN%" }},
        ]
        [routes.batch]
        displayName = "%TOKEN%"
    """
    code, output, errors = run("routes", "match", "a.txt", routes=ROUTES + text)
    assert (code, "s3cret" in output + errors) == (0, False)
    task = json.loads(output.partition("\n")[2])["task"]
    names = ("httpUrl", "storageContainerUrl", "autoStorageContainerName", "blobPrefix", "filePath")
    assert [tuple(one.get(name) for name in names) for one in task["resourceFiles"][1:]] == [
        (f"{address}?%TOKEN%", None, None, None, "%TOKEN%.bin"),
        (f"{address}?(hidden)", None, None, None, "b"),
        ("https://(hidden)@h.example/a@b?(hidden)", None, None, None, "c"),
        ("https://(hidden)@h.example/a@b", None, None, None, "d"),
        (None, "%TOKEN%", None, "%TOKEN%/", "100%%"),
        (None, None, "fonts", "%TOKEN%", None),
    ]
    assert task["displayName"] == "%TOKEN%"


FOLDERS = """
[[routes]]
name = "orders"
match = "orders/*/_DONE"
command = "/bin/true"
inputs = "folder"
"""


async def test_the_task_of_a_folder_is_shown_if_the_folder_can_be_listed(run, storage_app):
    container = storage_app.clients.blobs.get_container_client(storage_app.settings.input_container)
    code, output, _ = await asyncio.to_thread(run, "routes", "match", "orders/spring/_DONE", routes=FOLDERS)
    first, second = output.splitlines()
    assert (code, first) == (1, "orders: its glob 'orders/*/_DONE' matches")
    assert second.startswith("No task can be made now: folder 'orders/spring/' has no file beside its marker")
    await container.upload_blob("orders/spring/1.csv", b"x")
    code, output, _ = await asyncio.to_thread(run, "routes", "match", "orders/spring/_DONE", routes=FOLDERS)
    (resource,) = json.loads(output.partition("\n")[2])["task"]["resourceFiles"]
    assert (code, resource["blobPrefix"]) == (0, "orders/spring/1")
    assert resource["storageContainerUrl"].endswith("?(hidden)")


def test_a_folder_that_cannot_be_listed_fails(run):
    # There is no such container.
    code, _, errors = run("routes", "match", "orders/spring/_DONE", routes=FOLDERS)
    assert (code, errors.splitlines()[-1].startswith("listing the folder of blob 'orders/spring/_DONE' failed")) == (
        1,
        True,
    )


def test_a_folders_route_can_be_named_for_a_marker_only(run):
    named = ("--route", "orders")
    assert run("routes", "match", "orders/spring/1.csv", *named, routes=FOLDERS)[:2] == (
        1,
        "orders takes folders: name its marker, orders/spring/_DONE\n",
    )
    # It need not be where the glob looks for it.
    assert "it was named" in run("routes", "match", "elsewhere/_DONE", *named, routes=FOLDERS)[1]


def test_another_file_than_the_settings_is_checked_if_one_is_named(run, tmp_path):
    other = tmp_path / "other.toml"
    other.write_text(ROUTES.replace("texts", "others") + POOLS)
    code, output, _ = run("routes", "check", str(other))
    assert (code, output.splitlines()[0]) == (0, "other.toml is right. The first route that matches takes a file:")
    assert output.splitlines()[1].startswith("  others (")
    other.write_text("unmatched = 1")
    code, _, errors = run("routes", "check", str(other))
    assert (code, errors.splitlines()[-1]) == (2, "  other.toml, unmatched is 1: it must be settings, ignore or reject")


def test_a_file_that_does_not_exist_is_not_checked(run, tmp_path):
    code, output, errors = run("routes", "check", str(tmp_path / "none.toml"))
    assert (code, output) == (2, "")
    assert errors.splitlines()[-1] == f"  there is no file {str(tmp_path / 'none.toml')!r}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["schema", "x.toml"], "routes schema takes no name and no file: x.toml"),
        (["schema", "--route", "texts"], "--route is for routes match, not for routes schema"),
        (["check", "--route", "texts"], "--route is for routes match, not for routes check"),
    ],
)
def test_arguments_that_an_action_does_not_take_are_refused(run, capsys, arguments, message):
    with pytest.raises(SystemExit, match="2"):
        run("routes", *arguments)
    assert message in capsys.readouterr().err


REACHED_BY_NO_FILE = (
    "Note: route 'texts' takes no file unless it is named: route 'all', which is before it, takes all that it matches."
)
UNEXPANDED = (
    "Note: the command of route 'all' names $INPUT_FILE without a shell, and Batch expands no variables: write"
    " /bin/bash -c '...'."
)


def test_what_is_right_and_hardly_meant_is_noted(run):
    text = ROUTES.replace(
        "[[routes]]", "[[routes]]\nname = 'all'\nmatch = '**'\ncommand = \"wc '$INPUT_FILE'\"\n[[routes]]"
    )
    code, output, _ = run("routes", "check", routes=text)
    assert (code, output.splitlines()[-2:]) == (
        0,
        [
            REACHED_BY_NO_FILE,
            UNEXPANDED,
        ],
    )


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
