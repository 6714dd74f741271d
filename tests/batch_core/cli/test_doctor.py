"""`batchdrop doctor`."""

import json
import os
import pty
import re

import pytest
from azure.core.credentials import AccessTokenInfo

from batch_core.cli import deployment, diagnosis
from batch_core.cli.deployment import Deployment
from batch_core.cli.diagnosis import python_finding
from batch_core.cli.remedies import Finding, with_remedy
from batch_core.cli.terminal import Command, Entry, Terminal
from batch_core.pausing import pause
from batch_core.state.record import DetectedBy
from batch_core.submit import submit
from tests.batch_core.steps import dropped, with_command


def found(done):
    (document,) = done.documents
    return {one["name"]: one for one in document["checks"]}


async def test_a_stack_that_works_is_well_but_for_the_functions_that_nobody_runs(app, batchdrop):
    done = await batchdrop("doctor", "--json")
    checks = found(done)
    assert done.code == 1
    assert [name for name, check in checks.items() if check["ok"] is False] == ["functions"]
    assert {name for name, check in checks.items() if check["ok"] is None} == {
        *("storage account", "batch account", "event source")
    }
    assert checks["functions"]["remedy"].startswith("start the app: `make up` on this machine")
    pool = app.settings.pool.id
    expected = {"python", "settings", "input container", "output container", "table", "batch", "pool", "clock"}
    expected |= {"input signature", "output writing", "table writing", "batch writing", "event source", "open work"}
    expected |= {f"image and size of {pool}", f"core quota of {pool}", "storage account", "batch account", "functions"}
    assert checks.keys() == expected
    await app.statistics.note_tick("collect_outputs", {"at": app.now().isoformat(), "did": {}})
    done = await batchdrop("doctor")
    assert (done.code, done.err) == (0, "nothing is wrong, 1 is not known\n")
    marks = {line[9:].split("  ")[0]: line.split()[0] for line in done.lines}
    assert {name for name, mark in marks.items() if mark != "ok"} == {
        "storage account",
        "batch account",
        "event source",
    }
    assert marks["storage account"] == "-"
    assert marks["event source"] == "unknown"
    await submit(with_command(app, "/bin/true"), [await dropped(app, "a.txt")], detected_by=DetectedBy.TRIGGER)
    assert (await batchdrop("doctor")).err == "all is well\n"


async def test_nothing_is_changed_by_it(app, batchdrop):
    await batchdrop("doctor")
    container = app.clients.blobs.get_container_client(app.settings.output_container)
    assert [blob.name async for blob in container.list_blobs()] == []
    entities = app.clients.tables.get_table_client(app.settings.table_name).list_entities()
    assert [entity async for entity in entities] == []


async def test_what_is_missing_is_named_with_what_makes_it(batchdrop):
    checks = found(await batchdrop("doctor", "--json"))
    missing = {"input container", "output container", "table", "pool"}
    assert missing <= {name for name, check in checks.items() if not check["ok"]}
    assert {checks[name]["remedy"] for name in missing} == {"`batchdrop setup` makes what is missing"}


async def test_a_wrong_key_is_said_to_be_one_with_the_roles_of_an_identity(app, batchdrop):
    checks = found(await batchdrop("doctor", "--json", BATCH_ACCOUNT_KEY="d3Jvbmc="))
    assert checks["batch"]["remedy"].startswith("check BATCH_ACCOUNT_NAME and BATCH_ACCOUNT_KEY")
    assert not checks["batch writing"]["ok"]
    assert "d3Jvbmc=" not in json.dumps(checks)


async def test_a_service_out_of_reach_is_named(app, batchdrop):
    checks = found(await batchdrop("doctor", "--json", BATCH_ENDPOINT="http://127.0.0.1:9"))
    assert checks["batch"]["remedy"].startswith("start the local stack (`make up`)")


async def test_with_nothing_listening_the_same_is_said_to_do_once_and_no_clock_is_called_right(batchdrop):
    service = "http://127.0.0.1:9/a"
    endpoints = f"BlobEndpoint={service};QueueEndpoint={service};TableEndpoint={service};"
    storage = f"DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;{endpoints}"
    done = await batchdrop("doctor", DATA_STORAGE=storage, BATCH_ENDPOINT="http://127.0.0.1:9")
    assert done.code == 1
    assert done.text.count("to do: ") == done.text.count("to do: start the local stack (`make up`)") == 1
    marks = {line[9:].split("  ")[0]: line.split()[0] for line in done.lines}
    assert (marks["clock"], marks["functions"], marks["table"]) == ("unknown", "unknown", "WRONG")
    assert done.err.endswith(" things are wrong, 2 are not known\n")
    checks = found(await batchdrop("doctor", "--json", DATA_STORAGE=storage, BATCH_ENDPOINT="http://127.0.0.1:9"))
    assert checks["clock"] | {"ok": None} == checks["clock"]


async def test_a_pause_is_shown_and_is_nothing_wrong(app, batchdrop):
    await pause(app, None, "ann")
    done = await batchdrop("doctor")
    (line,) = [line for line in done.lines if line[9:].startswith("paused ")]
    assert line.startswith("-    ")
    assert "the intake has been paused by ann since " in line


async def test_wrong_settings_are_listed_with_what_to_do(batchdrop):
    done = await batchdrop("doctor", POOL_NODE_COUNT="many")
    assert done.code == 2
    # Where they came from is no problem.
    assert done.lines[-1].startswith("-      settings         there is no local.settings.json in ")
    assert (done.err, done.text.count("WRONG")) == ("1 thing is wrong\n", 1)
    assert [line for line in done.lines if line.startswith("WRONG") and "POOL_NODE_COUNT is 'many'" in line]
    assert "to do: correct them where they were read from" in done.text


async def test_files_that_only_the_sweep_finds_say_that_no_event_comes(app, batchdrop):
    quick = with_command(app, "/bin/true")
    await submit(quick, [await dropped(app, f"{n}.txt") for n in range(3)], detected_by=DetectedBy.SWEEP)
    check = found(await batchdrop("doctor", "--json"))["event source"]
    assert not check["ok"]
    assert check["detail"].endswith("0 of the newest files were found by the trigger, 3 by the sweep: no event comes")
    check = found(await batchdrop("doctor", "--json", BLOB_TRIGGER_SOURCE="EventGrid"))["event source"]
    assert check["remedy"].startswith("add the event subscription")


@pytest.mark.parametrize(
    ("name", "detail", "words"),
    [
        ("core quota of p", "it cannot get its nodes (AccountCoreQuotaReached)", "ask for more cores"),
        ("pool", "p: 0 of 2 nodes; its start task failed on every node", "look at the start task's output"),
        ("image and size of p", "Batch does not list the image x", "set POOL_IMAGE and POOL_NODE_AGENT_SKU"),
        ("clock", "this machine's clock is 700 seconds ahead of Batch's", "let the machine set its clock"),
        ("table", "no answer within 10 seconds", "see that no firewall"),
        ("table", "reading the table failed (HTTP 403, AuthorizationFailure)", "check the key in DATA_STORAGE"),
    ],
)
def test_what_is_wrong_has_its_remedy(name, detail, words):
    assert with_remedy(Finding(name=name, is_ok=False, detail=detail)).remedy.startswith(words)


AZD = {
    "AZURE_SUBSCRIPTION_ID": "00000000-0000-0000-0000-000000000000",
    "AZURE_RESOURCE_GROUP": "rg-test",
    "AZURE_FUNCTION_APP_NAME": "func-test",
}
RESOURCES = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-test/providers"


def test_what_azd_has_made_is_mended_by_azd_and_what_a_person_may_not_by_a_role():
    addresses = {
        "DATA_STORAGE__blobServiceUri": "https://sttest.blob.core.windows.net",
        "BATCH_ENDPOINT": "https://batchtest.westeurope.batch.azure.com",
        "EVENTS_QUEUE": "ends",
    }
    made = Deployment.of(AZD | addresses)
    missing = Finding(name="pool", is_ok=False, detail="there is no pool 'p': it is to exist already")
    assert made.advised(missing).remedy.startswith("`azd provision --no-state` makes the pool")
    assert with_remedy(missing).remedy.startswith("make the pool, or have `batchdrop setup` make it")
    refused = {
        "table writing": "Storage Table Data Contributor",
        "open work": "Storage Table Data Contributor",
        "input container": "Storage Blob Data Contributor",
        "output writing": "Storage Blob Data Contributor",
        "event sending": "Storage Queue Data Contributor",
        "batch writing": "Azure Batch Data Contributor",
        "pool": "Azure Batch Data Contributor",
    }
    for name, role in refused.items():
        found = made.advised(Finding(name=name, is_ok=False, detail="asking failed (HTTP 403, AuthorizationFailure)"))
        assert found.remedy.startswith(f"you need {role}: ")
        assert found.command == "azd provision --no-state"
    # In an account that was there before, its owner assigns roles to persons.
    theirs = Deployment.of(AZD | addresses | {"BATCHDROP_BATCH_ENDPOINT": addresses["BATCH_ENDPOINT"]})
    found = theirs.advised(Finding(name="pool", is_ok=False, detail="asking failed (HTTP 403, AuthorizationFailure)"))
    person = '--assignee "$(az ad signed-in-user show --query id -o tsv)"'
    scope = f"{RESOURCES}/Microsoft.Batch/batchAccounts/batchtest"
    assert (
        found.command == f'az role assignment create {person} --role "Azure Batch Data Contributor" --scope "{scope}"'
    )


async def test_nobody_who_is_signed_in_is_one_thing_and_not_twenty(environment, batchdrop):
    for name in ("DATA_STORAGE", "BATCH_ACCOUNT_KEY", "BATCH_ACCOUNT_NAME"):
        del environment[name]
    addresses = {f"DATA_STORAGE__{kind}ServiceUri": f"https://sttest.{kind}.core.windows.net" for kind in KINDS}
    azds = (
        addresses | AZD | {"AZURE_ENV_NAME": "test", "BATCH_ENDPOINT": "https://batchtest.westeurope.batch.azure.com"}
    )
    done = await batchdrop("doctor", "--json", **azds)
    checks = found(done)
    assert [name for name, one in checks.items() if one["ok"] is False] == ["signed in"]
    assert checks["signed in"]["command"] == "az login"
    assert checks["signed in"]["detail"].startswith("nobody is signed in")
    assert (done.code, done.err) == (1, "")
    # Other commands say the same, once.
    done = await batchdrop("list", **azds)
    assert (done.code, done.err.count("nobody is signed in"), len(done.err.splitlines())) == (1, 1, 1)


KINDS = ("blob", "queue", "table")


async def test_an_account_on_azure_is_asked_about_where_it_is_deployed(app, batchdrop, monkeypatch):
    """The services are this machine's; where Azure Resource Manager is to be, nothing listens."""
    assert "deployment" not in found(await batchdrop("doctor", "--json", **AZD))
    for module in (diagnosis, deployment):
        monkeypatch.setattr(module, "endpoint_of", lambda _: "http://127.0.0.1:9")
    checks = found(await batchdrop("doctor", "--json"))
    assert checks["deployment"]["detail"].endswith("without the variables that `azd env get-values` gives")
    monkeypatch.setattr(diagnosis, "app_identity", lambda _: Nobody())
    checks = found(await batchdrop("doctor", "--json", **AZD))
    unknown = {name for name, one in checks.items() if "Azure Resource Manager does not say" in one["detail"]}
    assert unknown >= {"function app", "app settings", "roles of the app", "cores"}
    assert {checks[name]["ok"] for name in unknown} == {None}


class Nobody:
    """Has a token for whatever it is asked for."""

    async def get_token_info(self, *scopes, options=None):
        return AccessTokenInfo("token", 4_000_000_000)

    async def close(self):
        pass


def test_a_command_to_copy_is_one_line_however_narrow_the_terminal_is(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    command = "az role assignment create " + " ".join(f"--option-{number} value" for number in range(30))
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as out:
        Terminal(_out=out).show(Entry(about="WRONG", text="a word " * 20), Command(text=command, margin=4))
        said = os.read(leader, 65536).decode()
    os.close(leader)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", said).splitlines()
    assert lines[-1] == f"    {command}"
    assert max(map(len, lines[:-1])) <= 60


def test_a_python_that_is_too_old_is_named():
    assert not python_finding((3, 12, 4)).is_ok
    assert python_finding((3, 13, 0)).is_ok
