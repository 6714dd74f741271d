"""The command line `python -m local`, as a user starts it; every stack in a folder and on ports of its own."""

import asyncio
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from azure.storage.blob.aio import BlobServiceClient

from local import stack
from local.azurite import StoragePorts
from local.functions_host import HostKind
from local.ports import free_ports, is_free
from local.processes import ChildProcess
from local.settings_file import AppSettings
from local.stack import Plan
from tests.local.hosts import CHECKOUT, eventually


def own_settings(folder: Path, **values: str) -> tuple[Path, dict[str, int]]:
    ports = dict(zip(("blob", "queue", "table", "batch", "host"), free_ports(5), strict=True))
    storage = StoragePorts(blob=ports["blob"], queue=ports["queue"], table=ports["table"])
    moved = AppSettings.example().moved_to(storage, f"http://127.0.0.1:{ports['batch']}", ports["host"])
    file = folder / "own.settings.json"
    file.write_text(json.dumps({"Values": {**moved.values, **values}, "Host": {"LocalHttpPort": ports["host"]}}))
    return file, ports


def command(verb: str, settings: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "local", verb, "--settings", str(settings), *arguments]


@asynccontextmanager
async def up(folder: Path, settings: Path) -> AsyncIterator[ChildProcess]:
    line = command("up", settings, "--host", "embedded", "--state", str(folder / "state"))
    async with await ChildProcess.start("up", line, log=folder / "up.log", cwd=CHECKOUT) as process:
        await process.wait_for_line("Drop a file", seconds=60)
        yield process


def children(pid: int) -> dict[str, int]:
    """The child processes of a process: the word that tells them apart, and their ids."""
    pids = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    lines = {child: Path(f"/proc/{child}/cmdline").read_text() for child in pids}
    words = ("azurite", "batch_emulator", "local.host")
    return {word: child for word in words for child, line in lines.items() if word in line}


async def left_of(pids: dict[str, int], ports: dict[str, int]) -> list[str]:
    """Wait until the processes have ended; return which ports are still taken."""
    await eventually(lambda: not [pid for pid in pids.values() if Path(f"/proc/{pid}").exists()])
    return [name for name, port in ports.items() if not is_free(port)]


async def test_up_names_every_address_brings_a_file_through_and_ends_with_a_process_that_dies(tmp_path):
    shell = """/bin/bash -c 'cat "$INPUT_FILE"'"""
    more = {"COLLECT_SCHEDULE": "* * * * * *", "AzureWebJobs.retry_task.Disabled": "true"}
    file, ports = own_settings(tmp_path, TASK_COMMAND_LINE=shell, **more)
    async with up(tmp_path, file) as process:
        pids = children(process.pid)
        assert len(pids) == 3
        text = process.log.read_text()
        assert [port for port in ports.values() if f":{port}" not in text] == []
        assert "AccountKey" not in text
        (first,) = re.findall(r"http://\S+", text.partition("Ctrl-C ends it.")[2])[:1]
        assert first == f"http://127.0.0.1:{ports['host']}/api/dashboard"
        (functions,) = re.findall(r"^  Functions +(.*)$", text, re.MULTILINE)
        idle = "1 does not run: retry_task, disabled by the app settings"
        assert re.fullmatch(rf"http://127\.0\.0\.1:{ports['host']} \(embedded, \d+ functions, {idle}\)", functions)
        # What is useful, and not an address for each function.
        assert "/api/tasks" not in text
        await drop(tmp_path, file)
        await output_is(AppSettings.read(file), "dropped file.txt", b"hello from up\n")
        await the_first_step_is_taken_as_it_is_advised(text)

        os.kill(pids["batch_emulator"], signal.SIGKILL)
        await eventually(lambda: process.exit_code is not None, seconds=30)
        assert process.exit_code == 1
        assert re.search(
            r"the Batch emulator was ended by signal 9; the last lines of .*batch-emulator\.log:\n"
            r"Azure Batch emulator ready",
            process.tail(),
        )
        assert await left_of(pids, ports) == []


@pytest.mark.slow
async def test_nothing_is_left_when_up_is_killed_not_even_a_task_that_runs(tmp_path):
    file, ports = own_settings(tmp_path, TASK_COMMAND_LINE=f"/bin/bash -c 'echo $$ > {tmp_path}/task.pid; sleep 600'")
    async with up(tmp_path, file) as process:
        pids = children(process.pid)
        await drop(tmp_path, file)
        task = int(await eventually(lambda: _text(tmp_path / "task.pid"), seconds=30))
        os.kill(process.pid, signal.SIGKILL)
        await eventually(lambda: process.exit_code is not None)
    assert await left_of(pids | {"task": task}, ports) == []


async def the_first_step_is_taken_as_it_is_advised(text: str) -> None:
    """Run the command that `up` advises, and wait for its task."""
    (advice,) = re.findall(r"^  (\S*batchdrop drop --settings \S+) local/samples/recipe\.txt$", text, re.MULTILINE)
    sample = CHECKOUT / "local/samples/recipe.txt"
    process = await asyncio.create_subprocess_exec(
        *advice.split(), "--wait", str(sample), cwd=CHECKOUT, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert (process.returncode, output) == (0, sample.read_bytes())


def _text(file: Path) -> str:
    return file.read_text().strip() if file.exists() else ""


async def drop(folder: Path, settings: Path) -> None:
    (folder / "dropped file.txt").write_text("hello from up\n")
    line = [sys.executable, "-m", "batch_core", "drop", "--settings", str(settings), str(folder / "dropped file.txt")]
    async with await ChildProcess.start("drop", line, log=folder / "drop.log", cwd=CHECKOUT) as process:
        await process.wait_for_end(seconds=20)


async def output_is(settings: AppSettings, name: str, content: bytes) -> None:
    async with BlobServiceClient.from_connection_string(settings.values["DATA_STORAGE"]) as service:
        outputs = service.get_container_client(settings.values["OUTPUT_CONTAINER"])
        found: list[str] = []
        while not found:
            names = [n async for n in outputs.list_blob_names(name_starts_with=f"{name}/")]
            found = [n for n in names if n.endswith("/stdout.txt")]
        assert await (await outputs.download_blob(found[0])).readall() == content


async def test_sigterm_while_the_stack_is_starting_leaves_nothing(tmp_path):
    file, ports = own_settings(tmp_path)
    line = command("up", file, "--host", "embedded", "--state", str(tmp_path / "state"))
    async with await ChildProcess.start("up", line, log=tmp_path / "up.log", cwd=CHECKOUT) as process:
        await process.wait_for_line("Starting the Functions host", seconds=30)
        pids = await eventually(lambda: children(process.pid))
        os.kill(process.pid, signal.SIGTERM)
        await eventually(lambda: process.exit_code is not None, seconds=30)
    assert process.exit_code == 0
    assert process.tail().endswith(
        f"\nEnding...\nState and logs are kept in {tmp_path}/state: `rm -r {tmp_path}/state` removes them."
    )
    assert await left_of(pids, ports) == []


async def test_taken_ports_are_named_before_anything_is_started(tmp_path):
    file, ports = own_settings(tmp_path)
    line = command("up", file, "--host", "embedded", "--state", str(tmp_path / "state"))
    with (
        socket.create_server(("127.0.0.1", ports["queue"])),
        socket.create_server(("127.0.0.1", ports["host"])),
    ):
        async with await ChildProcess.start("up", line, log=tmp_path / "up.log", cwd=CHECKOUT) as process:
            await eventually(lambda: process.exit_code is not None)
    assert process.exit_code == 1
    assert f"  {ports['queue']}  for Azurite's Queue service\n" in process.tail()
    assert f"  {ports['host']}  for the Functions host (embedded)\n" in process.tail()
    assert [file.name for file in (tmp_path / "state").iterdir()] == ["stack.lock"]


@pytest.mark.slow
async def test_the_demo_runs_three_files_and_leaves_nothing(tmp_path):
    line = [sys.executable, "-m", "local", "demo", "--host", "embedded"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    async with await ChildProcess.start(
        "demo", line, log=tmp_path / "demo.log", env=environment, cwd=CHECKOUT
    ) as process:
        await process.wait_for_end(seconds=90)
    text = process.log.read_text()
    for sample in (CHECKOUT / "local" / "samples").glob("*.txt"):
        assert f"Standard output:\n{sample.read_text()}" in text
    assert re.search(r"Elapsed time: 0:\d\d:\d\d\n$", text)
    assert list(tmp_path.glob("local-demo-*")) == []


async def test_the_set_up_reads_the_settings_of_its_stack_and_no_file_beside_it(
    environment, batch_endpoint, tmp_path, monkeypatch
):
    (tmp_path / "local.settings.json").write_text("{")
    monkeypatch.setenv("PYTHONPATH", str(stack.CHECKOUT))
    monkeypatch.setattr(stack, "CHECKOUT", tmp_path)
    own = AppSettings(file=tmp_path / "own", values=environment | {"BATCH_ENDPOINT": batch_endpoint})
    plan = Plan(settings=own, folder=tmp_path, host=HostKind.EMBEDDED)
    await stack.set_up(plan)
    assert f"table {environment['TABLE_NAME']}: created" in (plan.logs / "setup.log").read_text()
