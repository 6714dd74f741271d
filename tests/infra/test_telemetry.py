"""The package that is built with metrics sends them, by the worker's own code and the settings that Bicep gives."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import azure_functions_runtime
import pytest

from tests.batch_core.conftest import app  # noqa: F401 - a fixture
from tests.batch_core.steps import completed, submitted
from tests.infra.azure_monitor import TOKEN, listening
from tests.infra.test_app_settings import CLIENT_ID, TELEMETRY_SETTINGS, app_settings
from tests.infra.test_package import build, is_the_runtime_of_azure

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not is_the_runtime_of_azure(), reason="the package is for Python 3.13 on Linux, x86-64"),
]

ROOT = Path(__file__).parents[2]
#: What ticks and the end of a task are measured by; the time of nodes takes minutes.
METRICS = {f"batchdrop.{name}" for name in ("tasks.ended", "tasks.open", "tasks.oldest_waiting", "tick.duration")}


@pytest.fixture(scope="module")
def package_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package") / "app"
    build(folder, metrics="true")
    return folder


@pytest.fixture
def library(tmp_path):
    """The worker's own code, which is not the app's, and the records that it gets from our host."""
    folder = tmp_path / "worker"
    folder.mkdir()
    (folder / "azure_functions_runtime").symlink_to(Path(azure_functions_runtime.__file__).parent)
    (folder / "local").symlink_to(ROOT / "local")
    return folder


@pytest.fixture
def monitor(tmp_path):
    with listening(tmp_path / "monitor") as monitor:
        yield monitor


def worker_settings(monitor):
    """Return what is set on Azure where metrics are on, sooner sent, and with nothing for Microsoft itself."""
    deployed = app_settings(metrics=True)
    given = {name: deployed[name] for name in (*TELEMETRY_SETTINGS, "APPLICATIONINSIGHTS_AUTHENTICATION_STRING")}
    quiet = {"APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true", "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true"}
    return given | quiet | monitor.settings | {"OTEL_METRIC_EXPORT_INTERVAL": "500", "WEBSITE_SITE_NAME": "func-test"}


@asynccontextmanager
async def worker(package_folder, library, start, settings):
    """Run a worker; gives the process."""
    program = Path(__file__).with_name("lone_worker.py")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", str(program), str(package_folder), str(library), start),
        env=settings | {"HOME": str(library), "PATH": os.environ["PATH"]},
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def answer_of(process):
    """End a worker; return what it says of itself."""
    said, errors = await process.communicate(b"\n")
    assert process.returncode == 0, errors.decode()
    return json.loads(said)


# The second is how a worker gets its app that has been waiting for one, as on Flex Consumption.
@pytest.mark.parametrize("start", ["worker_init_request", "function_environment_reload_request"])
async def test_metrics_are_sent_and_the_log_goes_by_the_host_alone(
    app,  # noqa: F811
    environment,
    package_folder,
    library,
    monitor,
    start,
    tmp_path,
):
    record = await submitted(app)
    await completed(app, [record.task_id])
    settings = environment | {"BATCH_ENDPOINT": app.settings.batch.endpoint, "BLOB_TRIGGER_SOURCE": "EventGrid"}
    settings |= worker_settings(monitor) | {"FUNCTIONS_WORKER_RUNTIME": "python", "TMPDIR": str(tmp_path)}
    async with worker(package_folder, library, start, settings) as process:
        await monitor.has(METRICS)
        answer = await answer_of(process)

    points = monitor.points("batchdrop.")
    assert set(points) == METRICS
    assert points["batchdrop.tasks.ended"] == [({"state": "succeeded", "route": "settings"}, 1)]
    ticks = {attributes["function"] for attributes, _ in points["batchdrop.tick.duration"]}
    assert ticks == {"collect_outputs", "reconcile_tasks"}
    # The rows whose number and size docs/azure.md gives.
    assert len(monitor.points("\\")) == 8
    assert max(len(json.dumps(one)) for one in monitor.envelopes if one["data"]["baseData"]["metrics"]) < 800
    # By the identity that the app has, as there is no key.
    assert monitor.authorizations == {f"Bearer {TOKEN}"}
    wanted = {(asked["client_id"], asked["resource"].rstrip("/")) for asked in monitor.asked}
    assert wanted == {(CLIENT_ID, "https://monitor.azure.com")}

    assert monitor.kinds == {"Metric"}
    lines = [text for _, _, text in answer["log"]]
    assert any(line.startswith("Collected: ") for line in lines)
    assert any(line.startswith("Reconciled: ") for line in lines)
    # The SDKs stay quiet, that of the metrics among them: else the log would have a line for each time they are sent.
    assert {name for name, _, _ in answer["log"] if not name.startswith("batch_core")} == {"azure.functions"}
    assert (answer["patching"], answer["elsewhere"]) == ([], [])
