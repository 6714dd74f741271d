"""What the triggers work with: the settings, and what is built on the clients. Made once per process."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from types import MappingProxyType
from typing import Final

from batch_core.coalescing import Coalescer
from batch_core.config.route_book import RouteBook
from batch_core.config.routes import JobKind, Routes
from batch_core.config.settings import Settings
from batch_core.jobs import Jobs
from batch_core.lookback import Lookbacks
from batch_core.naming import BlobVersion
from batch_core.noted import Noted
from batch_core.services import verbatim
from batch_core.services.batch import MAX_TASKS_PER_CALL, BatchService
from batch_core.services.clients import Clients, open_clients
from batch_core.services.input_container import InputContainer
from batch_core.services.output_container import OutputContainer
from batch_core.services.output_copier import OutputCopier
from batch_core.services.pool_nodes import PoolNodes
from batch_core.services.signing import Signer
from batch_core.services.storage_queue import StorageQueue
from batch_core.services.supported_images import SupportedImages
from batch_core.services.task_files import TaskFiles
from batch_core.state.history import History
from batch_core.state.job_registry import JobRegistry
from batch_core.state.listing import Listing
from batch_core.state.outbox import JustEnded, Outbox
from batch_core.state.pauses import Pauses
from batch_core.state.retention import Retention
from batch_core.state.scaling import Scaling
from batch_core.state.selections import Selections
from batch_core.state.statistics import StatisticsTable
from batch_core.state.sweep_checkpoint import SweepCheckpoint
from batch_core.state.table import StateTable
from batch_core.state.tally import Tally
from batch_core.submission import Submission
from batch_core.turns import Turns

#: In a burst: a submission is four calls one after the other, and so is held up by the way to the services.
_SUBMISSIONS_AT_ONCE: Final = 3
_WORTH_A_SUBMISSION: Final = 20


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class App:
    """One app: everything that the use cases need."""

    settings: Settings
    #: What marks its pools and jobs in the account: the address of its table.
    mark: str
    route_book: RouteBook
    clients: Clients
    table: StateTable
    registry: JobRegistry
    sweep_checkpoint: SweepCheckpoint
    batch: BatchService
    jobs: Jobs
    inputs: InputContainer
    outputs: OutputContainer
    files: TaskFiles
    nodes: PoolNodes
    images: SupportedImages
    scaling: Scaling
    history: History
    retention: Retention
    listing: Listing
    tally: Tally
    #: Where events go; None: nobody wants them.
    queue: StorageQueue | None
    outbox: Outbox
    just_ended: JustEnded
    statistics: StatisticsTable
    selections: Selections
    pauses: Pauses
    copier: OutputCopier
    now: Callable[[], datetime]
    #: Files whose events came, submitted together.
    arrivals: Coalescer[BlobVersion, Submission] = field(
        default_factory=lambda: Coalescer(MAX_TASKS_PER_CALL, at_once=_SUBMISSIONS_AT_ONCE, enough=_WORTH_A_SUBMISSION)
    )
    #: Only the cost of ticks depends on it.
    lookbacks: Lookbacks = field(default_factory=Lookbacks)
    #: Only fairness depends on it.
    turns: Turns = field(default_factory=Turns)
    #: Only how often statistics are written depends on it.
    noted: Noted = field(default_factory=Noted)

    def routes(self) -> Routes:
        """Return the routes as they are now; raises `RoutesError`, with every problem, while they cannot be read."""
        return self.route_book.routes(self.settings)

    def storage_now(self) -> datetime:
        """Return what time it is by the clock that dates files, as far as this process has heard it."""
        now = self.now()
        return now - (self.clients.storage_clock.ahead(now) or timedelta(0))


def open_app(
    settings: Settings, now: Callable[[], datetime] = utc_now, env: Mapping[str, str] = MappingProxyType({})
) -> App:
    """Make an app of these settings; nothing is sent yet. Close its `clients` when done.

    `env` holds the settings that routes may name in environment variables.
    """
    return app_on(open_clients(settings), settings, now, env)


def app_on(
    clients: Clients,
    settings: Settings,
    now: Callable[[], datetime] = utc_now,
    env: Mapping[str, str] = MappingProxyType({}),
) -> App:
    """Make an app that remembers nothing yet, on clients that are open."""
    table_client = clients.tables.get_table_client(settings.table_name)
    tally, just_ended = Tally(), JustEnded()
    registry = JobRegistry(table_client)
    mark = f"{clients.tables.url.partition('?')[0].rstrip('/')}/{settings.table_name}"
    batch = BatchService(clients.batch, mark)
    files = TaskFiles(clients.batch)
    signer = Signer(clients.blobs)
    outputs = OutputContainer(clients.blobs, settings.output_container, signer)
    return App(
        settings=settings,
        mark=mark,
        route_book=RouteBook(env, verbatim.problems),
        clients=clients,
        table=StateTable(table_client, tally, just_ended if clients.queue else None),
        registry=registry,
        sweep_checkpoint=SweepCheckpoint(table_client),
        batch=batch,
        jobs=Jobs(registry, batch, prefix=settings.job_prefix, default=JobKind(pool_id=settings.pool.id), now=now),
        inputs=InputContainer(clients.blobs, settings.input_container, signer),
        outputs=outputs,
        files=files,
        nodes=PoolNodes(clients.batch),
        images=SupportedImages(clients.batch, now),
        scaling=Scaling(table_client),
        history=History(table_client),
        retention=Retention(table_client),
        listing=Listing(table_client),
        tally=tally,
        queue=clients.queue,
        outbox=Outbox(table_client),
        just_ended=just_ended,
        statistics=StatisticsTable(table_client),
        selections=Selections(table_client),
        pauses=Pauses(table_client),
        copier=OutputCopier(files, outputs),
        now=now,
    )


@cache
def process_app() -> App:
    """Return the app of this process, made from its environment on first use; raises `SettingsError`."""
    return open_app(Settings.from_env(os.environ), env=os.environ)
