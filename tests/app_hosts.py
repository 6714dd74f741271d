"""The app in hosts of its own, beside a test's own `app` on the same storage and the same Batch."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from batch_core.app import App
from local import functions_host
from local.functions_host import HostKind
from local.ports import free_ports
from local.settings_file import AppSettings


@asynccontextmanager
async def app_host(
    app: App, environment: Mapping[str, str], folder: Path, number: int = 1, **settings: str
) -> AsyncIterator[str]:
    """Run the app until the block is left; gives its URL. Each number has receipts of events of its own."""
    values = {
        **environment,
        "BATCH_ENDPOINT": app.settings.batch.endpoint,
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "AzureFunctionsWebHost__hostid": f"{app.settings.pool.id}-{number}",
        "COLLECT_SCHEDULE": "* * * * * *",
        **settings,
    }
    own = AppSettings(file=folder / "none", values=values, host_port=free_ports(1)[0])
    async with functions_host.running(HostKind.EMBEDDED, own, log=folder / f"host-{number}.log") as host:
        yield host.url
