"""What the triggers work with: the settings, and what stands on the clients. Made once per process."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from batch_core.config.settings import Settings
from batch_core.jobs import Jobs
from batch_core.services.batch import BatchService
from batch_core.services.clients import Clients, open_clients
from batch_core.services.containers import InputContainer, OutputContainer
from batch_core.services.output import OutputCopier
from batch_core.state.checkpoints import Ledger
from batch_core.state.table import StateTable
from batch_core.turns import Turns


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class App:
    """One app: everything that submit, collect and the others need."""

    settings: Settings
    clients: Clients
    table: StateTable
    ledger: Ledger
    batch: BatchService
    jobs: Jobs
    inputs: InputContainer
    outputs: OutputContainer
    copier: OutputCopier
    now: Callable[[], datetime]
    #: Only fairness hangs on it.
    turns: Turns = field(default_factory=Turns)


def open_app(settings: Settings, now: Callable[[], datetime] = utc_now) -> App:
    """Make an app of these settings; nothing is sent yet. Close its `clients` when done."""
    return app_on(open_clients(settings), settings, now)


def app_on(clients: Clients, settings: Settings, now: Callable[[], datetime] = utc_now) -> App:
    """Make an app that remembers nothing yet, on clients that are open."""
    table_client = clients.tables.get_table_client(settings.table_name)
    ledger = Ledger(table_client)
    batch = BatchService(clients.batch)
    outputs = OutputContainer(clients.blobs, settings.output_container)
    return App(
        settings=settings,
        clients=clients,
        table=StateTable(table_client),
        ledger=ledger,
        batch=batch,
        jobs=Jobs(ledger, batch, prefix=settings.job_prefix, pool_id=settings.pool.id, now=now),
        inputs=InputContainer(clients.blobs, settings.input_container),
        outputs=outputs,
        copier=OutputCopier(batch, outputs),
        now=now,
    )


_of_this_process: list[App] = []


def process_app() -> App:
    """Return the app of this process, made from its environment on first use; raises `SettingsError`."""
    if not _of_this_process:
        _of_this_process.append(open_app(Settings.from_env(os.environ)))
    return _of_this_process[0]
