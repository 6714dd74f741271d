"""`make azure-smoke` on the local stack: it cannot run on Azure here, and so can at least run."""

import asyncio
import json
import os
import re
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from local import stack
from local.functions_host import HostKind
from local.stack import Plan

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def running(folder, **settings):
    """Give what azd's environment would have, of a stack that runs."""
    plan = Plan.throwaway(folder, HostKind.EMBEDDED)
    plan = replace(plan, settings=plan.settings.with_values(COLLECT_SCHEDULE="* * * * * *", **settings))
    async with stack.running(plan, lambda _: None) as running:
        names = {"AZURE_FUNCTION_APP_NAME": "func-x", "AZURE_RESOURCE_GROUP": "rg-x"}
        yield plan.settings.values | names | {"AZURE_FUNCTION_APP_URL": running.host.url}


@pytest.fixture
async def values(tmp_path):
    (tmp_path / "stack").mkdir()
    async with running(tmp_path / "stack") as values:
        yield values


@pytest.fixture
def smoke(tmp_path):
    """Run the script with what azd and az say; neither is on the path where it is None."""

    async def smoke(*words, azd=None, az="echo a-function-key", **env):
        folder = tmp_path / "bin"
        folder.mkdir()
        for name, script in {"azd": azd, "az": az}.items():
            if script is not None:
                (folder / name).write_text(f'#!/bin/sh\necho "{name} $*" >> "{tmp_path}/calls"\n{script}\n')
                (folder / name).chmod(0o755)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(ROOT / "infra/scripts/smoke.py"), *words),
            env=os.environ | {"PATH": f"{folder}:/usr/bin:/bin", "BATCHDROP_SMOKE_SECONDS": "60"} | env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = (text.decode() for text in await process.communicate())
        assert "a-function-key" not in out + err
        assert "Traceback" not in err, err
        return process.returncode, out, err

    return smoke


def says(values):
    return f"cat <<'END'\n{json.dumps(values)}\nEND"


def shown_in(out):
    return [line for line in out.splitlines() if line.startswith(("shown", "NOT shown"))]


SHOWN = [
    "shown      the package runs on Flex Consumption with Python 3.13, and health is well",
    "shown      the app hands files to Batch by its identity, and the scaler gets nodes",
    "shown      events reach the trigger",
    "NOT shown  nodes read the input by the pool's identity",
    "shown      output is collected from nodes",
]


async def test_three_files_show_what_they_can_and_nothing_else(values, smoke, tmp_path):
    code, out, err = await smoke(azd=says(values | {"AZURE_SUBSCRIPTION_ID": "sub"}))
    assert (code, shown_in(out)) == (0, SHOWN), out + err
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [line.endswith(" --subscription sub") for line in calls if line.startswith("az ")] == [True]


async def test_a_command_of_ones_own_may_print_what_it_likes(tmp_path, smoke):
    (tmp_path / "stack").mkdir()
    (tmp_path / "mine.txt").write_text("one two")
    async with running(tmp_path / "stack", TASK_COMMAND_LINE="/bin/bash -c 'wc -w < \"$INPUT_FILE\"'") as values:
        code, out, err = await smoke("--prefix", "texts", str(tmp_path / "mine.txt"), azd=says(values))
    assert (code, shown_in(out)) == (0, SHOWN), out + err
    assert "/mine.txt: succeeded, 2 bytes of output" in out


async def test_a_command_that_fails_ends_it_with_1_and_its_reason(tmp_path, smoke):
    (tmp_path / "stack").mkdir()
    (tmp_path / "mine.txt").write_text("x")
    async with running(tmp_path / "stack", TASK_COMMAND_LINE="/bin/false") as values:
        code, out, err = await smoke(str(tmp_path / "mine.txt"), azd=says(values))
    assert code == 1, out + err
    assert "mine.txt: failed, no output: " in out


async def test_files_that_no_route_takes_are_not_waited_for(tmp_path, smoke):
    (tmp_path / "stack").mkdir()
    routes = tmp_path / "routes.toml"
    routes.write_text('unmatched = "ignore"\n[[routes]]\nname = "a"\nmatch = "photos/**"\ncommand = "/bin/true"\n')
    async with running(tmp_path / "stack", ROUTES_FILE=str(routes)) as values:
        code, out, err = await smoke(azd=says(values))
    assert (code, out) == (2, ""), err
    assert re.match("smoke-.* would be left alone: no route: Other files are left alone", err)
    assert 'make azure-smoke SMOKE="--prefix FOLDER FILE..."' in err


FAILED = 'echo "ERROR: (Forbidden) https://app/?code=a-function-key" >&2; exit 1'
SOME = {"AZURE_FUNCTION_APP_NAME": "f", "AZURE_RESOURCE_GROUP": "g", "AZURE_FUNCTION_APP_URL": "http://127.0.0.1:9"}


@pytest.mark.parametrize(
    ("azd", "az", "said"),
    [
        (None, "", "azd is not on PATH"),
        ("echo 'no environment' >&2; exit 1", "", "azd has no environment here: run `azd up` first\nno environment"),
        (says({}), "", "azd's environment has no AZURE_FUNCTION_APP_NAME"),
        (says(SOME), None, "az is not on PATH"),
        (says(SOME), FAILED, "az could not get a key of the app, which health asks for:\nERROR: (Forbidden) https"),
    ],
)
async def test_what_keeps_it_from_beginning_is_one_sentence(smoke, monkeypatch, azd, az, said):
    for name in list(os.environ):
        if name.startswith("AZURE_"):
            monkeypatch.delenv(name)
    settings = {
        **{f"DATA_STORAGE__{one}ServiceUri": f"https://x.{one}.core.windows.net" for one in ("blob", "queue", "table")},
        "BATCH_ENDPOINT": "https://abc.region.batch.azure.com",
        "BATCH_POOL_ID": "p",
    }
    code, out, err = await smoke(azd=azd, az=az, **settings)
    assert (code, out) == (2, ""), err
    assert err.startswith(said)
