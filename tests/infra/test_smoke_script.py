"""`make azure-smoke` on the local stack: it cannot run on Azure here, and so can at least run."""

import asyncio
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from local import stack
from local.functions_host import HostKind
from local.stack import Plan

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def values(tmp_path):
    """What azd's environment would have, of a stack that runs."""
    (tmp_path / "stack").mkdir()
    plan = Plan.throwaway(tmp_path / "stack", HostKind.EMBEDDED)
    plan = replace(plan, settings=plan.settings.with_values(COLLECT_SCHEDULE="* * * * * *"))
    async with stack.running(plan, lambda _: None) as running:
        names = {"AZURE_FUNCTION_APP_NAME": "func-x", "AZURE_RESOURCE_GROUP": "rg-x"}
        yield plan.settings.values | names | {"AZURE_FUNCTION_APP_URL": running.host.url}


async def test_three_files_show_what_they_can_and_nothing_else(values, tmp_path):
    for name, says in {"azd": json.dumps(values), "az": "a-function-key"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\ncat <<'END'\n{says}\nEND\n")
        (tmp_path / name).chmod(0o755)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "infra/scripts/smoke.py")),
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "BATCHDROP_SMOKE_SECONDS": "60"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = (text.decode() for text in await process.communicate())
    assert process.returncode == 0, out + err
    shown = [line for line in out.splitlines() if line.startswith(("shown", "NOT shown"))]
    assert shown == [
        "shown      the package runs on Flex Consumption with Python 3.13, and health is well",
        "shown      the app hands files to Batch by its identity, and the scaler gets nodes",
        "shown      events reach the trigger",
        "NOT shown  nodes read the input by the pool's identity",
        "shown      output is collected from nodes",
    ]
    assert "a-function-key" not in out + err
