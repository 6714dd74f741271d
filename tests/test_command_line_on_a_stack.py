"""The command line beside an app that runs: files go in and results come out, as a person does it."""

import asyncio
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

from batch_core.cli.command_line import main
from local import stack
from local.functions_host import HostKind
from local.stack import Plan

COMMAND = "/bin/bash -c 'cat \"$INPUT_FILE\"; case $INPUT_BLOB in fail*) exit 3;; slow*) sleep 600;; esac'"


@pytest.fixture(scope="module")
async def settings(tmp_path_factory):
    """The settings of a stack that runs, in a file."""
    folder = tmp_path_factory.mktemp("stack")
    plan = Plan.throwaway(folder, HostKind.EMBEDDED)
    every_second = dict.fromkeys(("COLLECT_SCHEDULE", "SWEEP_SCHEDULE"), "* * * * * *")
    plan = replace(plan, settings=plan.settings.with_values(TASK_COMMAND_LINE=COMMAND, **every_second))
    file = tmp_path_factory.mktemp("settings") / "stack.json"
    file.write_text(json.dumps({"Values": plan.settings.values}))
    async with stack.running(plan, lambda _: None):
        yield file


@pytest.fixture
def batchdrop(settings, tmp_path, monkeypatch, capsys):
    """Run a command as people do but in this process, whose SDKs are imported."""

    async def run(*arguments):
        capsys.readouterr()
        with monkeypatch.context() as patch, mock.patch.dict(os.environ, {"PATH": os.environ["PATH"]}, clear=True):
            patch.setattr(sys, "argv", ["batchdrop", *arguments, "--settings", str(settings)])
            patch.chdir(tmp_path)
            # It brings an event loop of its own.
            code = await asyncio.to_thread(main)
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def started(settings, tmp_path):
    """Start a command as a process, which goes on while others are run."""
    measured = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}

    async def start(*arguments):
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "batch_core", *arguments, "--settings", str(settings)),
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd()), **measured},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    return start


async def test_what_is_dropped_is_waited_for_and_its_output_is_the_result(batchdrop, tmp_path):
    (tmp_path / "good.txt").write_text("good\n")
    (tmp_path / "fail.txt").write_text("bad\n")
    code, out, err = await batchdrop("drop", "--wait", "good.txt", "--prefix", "letters/")
    assert (code, out) == (0, "good\n"), err
    code, out, _ = await batchdrop("drop", "--wait", "good.txt", "fail.txt")
    assert (code, sorted(out.split("==> "))) == (1, ["", "fail.txt <==\nbad\n", "good.txt <==\ngood\n"])
    code, out, _ = await batchdrop("list", "--state", "failed", "--json")
    assert [json.loads(line)["exit_code"] for line in out.splitlines()] == [3]
    code, out, _ = await batchdrop("retry", json.loads(out)["task_id"])
    code, _, err = await batchdrop("logs", "-f", out.strip())
    assert (code, "failed, exit code 3" in err) == (1, True)


async def test_a_task_that_is_cancelled_ends_who_follows_it(batchdrop, started, tmp_path):
    (tmp_path / "slow.txt").write_text("slow\n")
    _, out, _ = await batchdrop("drop", "slow.txt")
    task_id = out.strip()
    async with asyncio.timeout(60):
        while (await batchdrop("logs", task_id))[1] != "slow\n":
            await asyncio.sleep(0.2)
    following = await started("logs", "-f", task_id)
    assert await following.stdout.readline() == b"slow\n"
    code, out, _ = await batchdrop("cancel", task_id)
    assert (code, out) == (0, f"{task_id} submitted: being cancelled on request\n")
    out, err = await following.communicate()
    last = err.decode().splitlines()[-1]
    assert (following.returncode, out, last.partition(": ")[2]) == (1, b"", "cancelled on request")


async def test_a_stack_that_runs_is_well(batchdrop, tmp_path):
    (tmp_path / "good.txt").write_text("good\n")
    await batchdrop("drop", "--wait", "good.txt")
    code, out, err = await batchdrop("doctor")
    assert (code, err) == (0, "all is well\n"), out
    code, out, _ = await batchdrop("summary", "--json")
    assert (code, "collect_outputs" in json.loads(out)["ticks"]) == (0, True)
