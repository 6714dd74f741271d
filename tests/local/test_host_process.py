"""Starting and ending: hosts of their own, for what the shared one cannot show."""

import asyncio
import json
import os
import signal
import sys
import time
from datetime import datetime
from itertools import accumulate
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
        await runs_that_were_overrun_begin_at_once(running)
        await without_waiting_by_hand(running)
        assert await answer_across_sigterm(running) == "done"
        await eventually(lambda: running.process.exit_code is not None)
        assert running.process.exit_code == 0
    kinds = [json.loads(line)["kind"] for line in running.journal.read_text().splitlines()]
    ticks = [kind for kind in kinds if kind.startswith("tick")]
    # None was cut off.
    assert ticks.count("tick begins") == ticks.count("tick ends")


async def runs_that_were_overrun_begin_at_once(running) -> None:
    """Have a timer of every second run for 1.2 seconds: waiting for the next full one would take 0.8 more."""

    def pauses() -> list[float]:
        begun, ended = ([note["at"] for note in running.notes(f"tick {step}")] for step in ("begins", "ends"))
        return [later - earlier for earlier, later in zip(ended, begun[1:], strict=False)]

    # Of several, since the machine may be slow once.
    await eventually(lambda: any(0 <= pause < 0.4 for pause in pauses()), seconds=20)
    assert all(pause >= 0 for pause in pauses()), "a scheduled run overlaps another"


async def run_by_hand(running, function: str) -> None:
    url = f"{running.url}/admin/functions/{function}"
    async with aiohttp.ClientSession() as http, http.post(url, json={"input": ""}) as response:
        assert response.status == 202


async def without_waiting_by_hand(running) -> None:
    """Have a timer run beside itself: by hand it overlaps the schedule, and the answer does not wait for it."""
    began = time.monotonic()
    for _ in range(5):
        await run_by_hand(running, "tick")
    # Each runs for 1.2 seconds.
    assert time.monotonic() - began < 5
    await eventually(lambda: most_at_once(running) >= 5)
    async with aiohttp.ClientSession() as http, http.post(f"{running.url}/admin/functions/tick") as response:
        assert response.status == 400


def most_at_once(running) -> int:
    kinds = [json.loads(line)["kind"] for line in running.journal.read_text().splitlines()]
    steps = [{"tick begins": 1, "tick ends": -1}.get(kind, 0) for kind in kinds]
    return max(accumulate(steps))


async def a_missed_run_is_settled(running, status) -> None:
    await eventually(lambda: [note["past_due"] for note in running.notes("yearly")] == [True, False])
    # The run by hand may be noted before the missed run's status is written.
    async with asyncio.timeout(15):
        while (stored := json.loads(await (await status.download_blob()).readall())) == MISSED:
            await asyncio.sleep(0.05)
    following = datetime.fromisoformat(stored["Next"]).astimezone()
    assert (following.month, following.day, following.hour) == (1, 1, 4)
    assert following > datetime.now().astimezone()


async def answer_across_sigterm(running) -> str:
    """Ask for something slow and end the host before the answer comes; return the answer."""
    async with aiohttp.ClientSession(running.url) as http:
        request = asyncio.create_task(http.get("/api/slow"))
        await eventually(lambda: running.notes("slow begins"))
        os.kill(running.process.pid, signal.SIGTERM)
        return await (await request).text()


REFUSED = [
    ("import azure.functions\nimport no_such_module\n", ["function_app.py", "No module named 'no_such_module'"]),
    ("raise RuntimeError('at import')\n", ["Traceback", "line 1", "RuntimeError: at import"]),
    ("x = 1\n", ["Could not find top level function app instances"]),
    (None, ["there is no function_app.py"]),
]


async def test_apps_that_cannot_be_served_are_refused_with_the_reason(tmp_path):
    folders = [tmp_path / str(number) for number in range(len(REFUSED))]
    refusals = [refusal(folder, source) for folder, (source, _) in zip(folders, REFUSED, strict=True)]
    for text, (_, parts) in zip(await asyncio.gather(*refusals), REFUSED, strict=True):
        assert [part for part in parts if part not in text] == []


BROKEN = (
    APP
    + """
@app.timer_trigger('timer', '%NO_SUCH%')
def late(timer): ...

@app.timer_trigger('timer', 'now and then')
def never(timer): ...

@app.service_bus_queue_trigger('msg', 'C', 'q')
def bus(msg): ...

@app.queue_trigger('msg', 'q', 'NO_CONNECTION')
def queue(msg): ...

@app.blob_trigger('blob', 'in/{name}', 'BAD_CONNECTION')
def blob(blob: func.InputStream): ...

@app.route('tasks/{id')
def route(req: func.HttpRequest) -> str: ...

@app.route('twice/{id}/{id}')
def twice(req: func.HttpRequest) -> str: ...

@app.blob_trigger('blob', 'in/{name}/{name}', 'AzureWebJobsStorage')
def echoed(blob: func.InputStream): ...

@app.route('off')
def off(req: func.HttpRequest) -> str:
    return 'on'

@app.route('works')
def works(req: func.HttpRequest) -> str:
    return 'it does'
"""
)
ALONE = {
    "late": "in error: the app setting 'NO_SUCH' is not set",
    "never": "in error: 'now and then' is no timer schedule",
    "bus": "in error: this host has no trigger of type 'serviceBusTrigger'",
    "queue": "in error: the connection 'NO_CONNECTION' is not set",
    "blob": "in error: the app setting BAD_CONNECTION is no connection string",
    "route": "in error: the route segment '{id' cannot be understood",
    "twice": "in error: redefinition of group name 'id'",
    "echoed": "in error: redefinition of group name 'name'",
    "off": "disabled by the app settings",
}


async def test_a_function_that_cannot_run_is_in_error_alone_and_settings_disable_one_or_change_host_json(
    storage, tmp_path
):
    write_app(tmp_path / "app", BROKEN)
    settings = {
        "BAD_CONNECTION": "no such thing",
        "AzureWebJobs.off.Disabled": "true",
        "AzureFunctionsJobHost__extensions__http__routePrefix": "v1",
    }
    async with (
        host(tmp_path / "app", storage.connection_string, tmp_path, **settings) as running,
        aiohttp.ClientSession(running.url) as http,
    ):
        async with http.get("/v1/works") as response:
            assert await response.text() == "it does"
        for path in ("/v1/off", "/api/works"):
            async with http.get(path) as response:
                assert response.status == 404
    listed = running.process.log.read_text().partition("Functions:\n")[2]
    for name, reason in ALONE.items():
        (line,) = [line for line in listed.splitlines() if line.split()[0] == name]
        assert reason in line


async def test_the_host_runs_on_the_event_loop_of_the_worker_and_prints_only_messages(storage, tmp_path):
    source = (
        APP
        + """
import asyncio, logging
from azure.core.exceptions import AzureError
from azure.storage.blob.aio import BlobServiceClient

@app.route('loop')
async def loop(req: func.HttpRequest) -> str:
    async with BlobServiceClient.from_connection_string(__import__('os').environ['AzureWebJobsStorage']) as client:
        await client.get_service_properties()
    logging.getLogger('mine').warning('Said', extra={'lost': 'yes'})
    return type(asyncio.get_running_loop()).__module__
"""
    )
    write_app(tmp_path / "app", source)
    async with (
        host(tmp_path / "app", storage.connection_string, tmp_path) as running,
        aiohttp.ClientSession(running.url) as http,
        http.get("/api/loop") as response,
    ):
        assert await response.text() == "uvloop"
    log = running.process.log.read_text()
    assert "warning mine: Said [loop " in log
    # As on Azure, unless the app says otherwise: two records for a call of its own, none for the host's.
    assert log.count(" azure.core.pipeline.policies.http_logging_policy: ") == 2


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
