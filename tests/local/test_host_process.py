"""Starting and ending: hosts of their own, for what the shared one cannot show."""

import asyncio
import json
import os
import signal
import sys
from datetime import datetime
from pathlib import Path

import aiohttp
import pytest

from local.errors import ProcessEndedError
from local.processes import ChildProcess
from tests.local.hosts import APPS, CHECKOUT, eventually, host

APP = "import azure.functions as func\napp = func.FunctionApp()\n"


async def test_a_restarted_host_handles_what_is_new_and_nothing_twice(storage, blobs, tmp_path):
    names = [f"restart-{number}.txt" for number in range(5)]
    settings = {"AzureFunctionsWebHost__hostid": "restarted"}

    def handled() -> list[str]:
        return sorted(n["blob"] for n in running.notes("client") if n["blob"].startswith("restart-"))

    for name in names[:3]:
        await blobs.get_blob_client("inbox", name).upload_blob(b"abc")
    async with host(APPS / "triggers", storage.connection_string, tmp_path, **settings) as running:
        await eventually(lambda: handled() == names[:3])
    for name in names[3:]:
        await blobs.get_blob_client("inbox", name).upload_blob(b"abc")
    async with host(APPS / "triggers", storage.connection_string, tmp_path, **settings) as running:
        await eventually(lambda: len(handled()) >= 5)
        await asyncio.sleep(0.7)
    assert handled() == names


MISSED = dict.fromkeys(("Last", "Next", "LastUpdated"), "2026-01-01T03:00:00+00:00")


async def test_timers_keep_their_times_and_sigterm_lets_what_runs_end(storage, blobs, tmp_path):
    status = blobs.get_blob_client("azure-webjobs-hosts", "timers/ticking/Host.Functions.yearly/status")
    await status.upload_blob(json.dumps(MISSED))
    settings = {"AzureFunctionsWebHost__hostid": "ticking", "TICK": "* * * * * *"}
    async with host(APPS / "triggers", storage.connection_string, tmp_path, **settings) as running:
        await eventually(lambda: running.notes("yearly"))
        assert running.notes("yearly") == [{"past_due": True, "status": MISSED}]
        await run_by_hand(running, "yearly")
        await a_missed_run_is_settled(running, status)
        await eventually(lambda: len(running.notes("tick ends")) >= 2)
        assert await answer_across_sigterm(running) == "done"
        await eventually(lambda: running.process.exit_code is not None)
        assert running.process.exit_code == 0
    kinds = [json.loads(line)["kind"] for line in running.journal.read_text().splitlines()]
    ticks = [kind for kind in kinds if kind.startswith("tick")]
    # One after the other, though each takes longer than the second between them; none was cut off.
    assert ticks == ["tick begins", "tick ends"] * (len(ticks) // 2)


async def run_by_hand(running, function: str) -> None:
    url = f"{running.url}/admin/functions/{function}"
    async with aiohttp.ClientSession() as http, http.post(url, json={"input": ""}) as response:
        assert response.status == 202


async def a_missed_run_is_settled(running, status) -> None:
    assert [note["past_due"] for note in running.notes("yearly")] == [True, False]
    stored = json.loads(await (await status.download_blob()).readall())
    following = datetime.fromisoformat(stored["Next"]).astimezone()
    assert (following.month, following.day, following.hour) == (1, 1, 4)
    assert following > datetime.now().astimezone()


async def answer_across_sigterm(running) -> str:
    """Ask for something slow and end the host before it is there; return the answer."""
    async with aiohttp.ClientSession(running.url) as http:
        request = asyncio.create_task(http.get("/api/slow"))
        await eventually(lambda: running.notes("slow begins"))
        os.kill(running.process.pid, signal.SIGTERM)
        return await (await request).text()


REFUSED = [
    ("import azure.functions\nimport no_such_module\n", ["function_app.py", "No module named 'no_such_module'"]),
    ("raise RuntimeError('at import')\n", ["Traceback", "line 1", "RuntimeError: at import"]),
    ("x = 1\n", ["Could not find top level function app instances"]),
    (
        APP + "@app.timer_trigger('timer', '%NO_SUCH%')\ndef late(timer): ...\n",
        ["function 'late'", "'NO_SUCH' is not set"],
    ),
    (
        APP + "@app.service_bus_queue_trigger('msg', 'C', 'q')\ndef bus(msg): ...\n",
        ["function 'bus'", "no trigger of type 'serviceBusTrigger'"],
    ),
    (None, ["there is no function_app.py"]),
]


async def test_apps_that_cannot_be_served_are_refused_with_the_reason(tmp_path):
    folders = [tmp_path / str(number) for number in range(len(REFUSED))]
    refusals = [refusal(folder, source) for folder, (source, _) in zip(folders, REFUSED, strict=True)]
    for text, (_, told) in zip(await asyncio.gather(*refusals), REFUSED, strict=True):
        assert [part for part in told if part not in text] == []


async def refusal(folder: Path, source: str | None) -> str:
    write_app(folder, source)
    command = [sys.executable, "-m", "local.host", "--port", "1", "--app", str(folder)]
    log = folder / "host.log"
    async with await ChildProcess.start("the host", command, log=log, cwd=CHECKOUT) as process:
        with pytest.raises(ProcessEndedError, match="exit code 1"):
            await process.wait_for_line("ready", seconds=30)
    return log.read_text()


def write_app(folder: Path, source: str | None) -> None:
    folder.mkdir()
    (folder / "host.json").write_text("{}")
    if source is not None:
        (folder / "function_app.py").write_text(source)
