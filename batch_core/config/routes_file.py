"""`routes.toml` becomes routes and pools, or a list of everything that is wrong with it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import UNSET
from msgspec.json import schema
from msgspec.structs import asdict

from batch_core.config.pools import CONTAINER_IMAGE, Pool, Scale, StartTask, settings_pool
from batch_core.config.route_relations import relation_problems, unset_settings
from batch_core.config.route_tables import PoolTable, ResourceTable, RoutesTable, RouteTable
from batch_core.config.routes import (
    ContainerImage,
    JobKind,
    Resource,
    Route,
    Routes,
    Unmatched,
    settings_route,
)
from batch_core.config.routes_document import read_document
from batch_core.config.setting_references import filled_in
from batch_core.config.settings import Settings
from batch_core.config.tables import is_deep, item_name, read_table
from batch_core.config.verbatim import BatchKind, VerbatimCheck
from batch_core.errors import RoutesError
from batch_core.problems import Problems
from batch_core.redaction import shown


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the file, for editors."""
    return {"title": "routes.toml of batchdrop", **schema(RoutesTable)}


def read_routes(file: Path, settings: Settings, env: Mapping[str, str], check: VerbatimCheck) -> Routes:
    """Read the file; raises `RoutesError` with every problem, also where it cannot be read or is not TOML.

    `env` holds the settings that values of routes may name; `check` looks at what is said verbatim of tasks and pools.
    """
    problems = Problems()
    document = read_document(file)
    table = read_table(RoutesTable, document, file.name, problems)
    problems.note_all(f"{file.name}, {one}" for one in relation_problems(document, settings, env))
    _check_verbatim(file.name, document, env, check, problems)
    problems.raise_as(RoutesError)
    if table is None:
        raise RoutesError([f"{file.name} is not valid"])
    pools = [_pool(pool_id, pool, settings, env) for pool_id, pool in table.pools.items()]
    # Batch compares ids without regard to case.
    by_id = {pool.id.lower(): pool for pool in [settings_pool(settings.pool), *pools]}
    routes = tuple(_route(route, settings, env, by_id) for route in table.routes)
    last = (settings_route(settings),) if table.unmatched is Unmatched.SETTINGS else ()
    in_use = {route.job_kind.pool_id for route in routes + last} | {pool.id for pool in pools}
    return Routes(
        routes=routes + last,
        unmatched=table.unmatched,
        pools=tuple(pool for pool in by_id.values() if pool.id in in_use),
    )


def _check_verbatim(
    file_name: str, document: Mapping[str, Any], env: Mapping[str, str], check: VerbatimCheck, problems: Problems
) -> None:
    """Note what is wrong with properties of Batch that the file names itself."""
    items, pools = document.get("routes"), document.get("pools")
    routes = enumerate(items, 1) if isinstance(items, list) else ()
    parts = [(BatchKind.TASK, item_name(item, "route", number), item) for number, item in routes]
    parts += [
        (BatchKind.POOL, f"pool {shown(name)}", item)
        for name, item in (pools.items() if isinstance(pools, dict) else ())
    ]
    for kind, where, item in parts:
        if isinstance(item, dict) and isinstance(item.get("batch"), dict):
            table = item["batch"]
            # What is too deep to be walked is a problem already.
            found = [] if is_deep(table) else check(kind, item) + unset_settings("batch", table, env)
            problems.note_all(f"{file_name}, {where}, {one}" for one in found)


def _pool(pool_id: str, table: PoolTable, settings: Settings, env: Mapping[str, str]) -> Pool:
    default = settings_pool(settings.pool)
    start_task, scale = table.start_task, table.scale
    return Pool(
        id=pool_id,
        is_existing=table.existing,
        vm_size=default.vm_size if table.vm_size is UNSET else table.vm_size,
        image=_pool_image(table, default),
        node_agent_sku=default.node_agent_sku if table.node_agent is UNSET else table.node_agent,
        slots_per_node=default.slots_per_node if table.slots_per_node is UNSET else table.slots_per_node,
        nodes=default.nodes if table.nodes is UNSET else table.nodes,
        fill=table.fill,
        scale=None if scale is UNSET else Scale(min=scale.min, max=scale.max, spot=scale.spot),
        formula=None if table.formula is UNSET else table.formula,
        start_task=(
            None if start_task is UNSET else StartTask(command_line=start_task.command, is_elevated=start_task.elevated)
        ),
        packages=tuple(table.packages),
        subnet_id=None if table.subnet is UNSET else table.subnet,
        talks_between_nodes=table.inter_node,
        container_images=None if table.container_images is UNSET else tuple(table.container_images),
        verbatim=filled_in(table.batch, env.__getitem__),
    )


def _pool_image(table: PoolTable, default: Pool) -> str:
    if table.image is not UNSET:
        return table.image
    return default.image if table.container_images is UNSET else CONTAINER_IMAGE


def _route(table: RouteTable, settings: Settings, env: Mapping[str, str], pools: Mapping[str, Pool]) -> Route:
    task = settings.task
    return Route(
        name=table.name,
        globs=(table.match,) if isinstance(table.match, str) else tuple(table.match),
        inputs=table.inputs,
        command_line=table.command,
        job_kind=JobKind(
            pool_id=pools[(settings.pool.id if table.pool is UNSET else table.pool).lower()].id,
            priority=table.priority,
        ),
        max_wall_clock_time=task.max_wall_clock_time if table.timeout is UNSET else table.timeout,
        retention_time=task.retention_time if table.retention is UNSET else table.retention,
        said_environment=table.environment,
        environment=filled_in(table.environment, env.__getitem__),
        task_slots=table.slots,
        retries=table.retries,
        lost_output_retries=table.lost_output_retries,
        run_as=table.run_as,
        is_elevated=table.elevated,
        resources=tuple(_resource(one, env) for one in table.resources),
        said_resources=tuple(asdict(one) for one in table.resources),
        outputs=tuple(table.outputs),
        outputs_on=table.outputs_on,
        stdout=table.stdout,
        input_after=table.input_after,
        verbatim=filled_in(table.batch, env.__getitem__),
        said_verbatim=table.batch,
        container=(
            ContainerImage(name=table.image, options=table.image_options, uses_identity=table.image_identity)
            if table.image
            else None
        ),
    )


def _resource(table: ResourceTable, env: Mapping[str, str]) -> Resource:
    return Resource(
        url=filled_in(table.url, env.__getitem__),
        container=filled_in(table.container, env.__getitem__),
        auto_storage=table.auto_storage,
        prefix=filled_in(table.prefix, env.__getitem__),
        path=filled_in(table.path, env.__getitem__),
        uses_identity=table.identity,
    )
