"""`routes.toml` becomes routes and pools, or a list of everything that is wrong with it."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from msgspec import UNSET
from msgspec.json import schema
from msgspec.structs import asdict

from batch_core.config.pools import CONTAINER_IMAGE, Pool, Scale, StartTask, settings_pool
from batch_core.config.route_checks import POOL_ID
from batch_core.config.route_tables import PoolTable, ResourceTable, RoutesTable, RouteTable
from batch_core.config.routes import (
    SETTINGS_ROUTE,
    ContainerImage,
    InputAfter,
    Inputs,
    JobKind,
    Resource,
    Route,
    Routes,
    Unmatched,
    settings_route,
)
from batch_core.config.settings import Settings
from batch_core.config.tables import item_name, read_table
from batch_core.config.verbatim import BatchKind, VerbatimCheck
from batch_core.errors import RoutesError
from batch_core.problems import Problems
from batch_core.redaction import redacted, shown

#: A file is read whole.
MAX_FILE_SIZE: Final = 1_000_000
#: `%TOKEN%` in the value of an environment variable or a resource.
_WILDCARD: Final = re.compile(r"[*?[]")
_SETTING: Final = re.compile(r"%([A-Za-z_][A-Za-z0-9_]*)%")


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the file, for editors."""
    return {"title": "routes.toml of batchdrop", **schema(RoutesTable)}


def read_routes(file: Path, settings: Settings, env: Mapping[str, str], check: VerbatimCheck) -> Routes:
    """Read the file; raises `RoutesError` with every problem, also where it cannot be read or is not TOML.

    `env` holds the settings that values of routes may name; `check` looks at what is said verbatim of tasks and pools.
    """
    problems = Problems()
    document = _document(file)
    table = read_table(RoutesTable, document, file.name, problems)
    _check_raw(file.name, document, settings, env, problems)
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


def _document(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_FILE_SIZE + 1)
        if len(content) > MAX_FILE_SIZE:
            raise RoutesError([f"{file.name} is larger than {MAX_FILE_SIZE:,} bytes"])
        return tomllib.loads(content.decode())
    except OSError as exc:
        raise RoutesError([f"{file.name} cannot be read: {exc.strerror}"]) from exc
    except UnicodeDecodeError as exc:
        raise RoutesError([f"{file.name} is not UTF-8: save it in this encoding"]) from exc
    except RecursionError as exc:
        raise RoutesError([f"{file.name} is not valid: it is nested too deeply"]) from exc
    # Beside TOMLDecodeError: a number of thousands of digits.
    except ValueError as exc:
        raise RoutesError([f"{file.name} is not TOML: {redacted(str(exc))}"]) from exc


def _check_raw(
    file_name: str, document: Mapping[str, Any], settings: Settings, env: Mapping[str, str], problems: Problems
) -> None:
    """Note what concerns several routes, pools or the settings: of those that have other problems, too."""
    pools = document.get("pools")
    named: dict[str, Any] = pools if isinstance(pools, dict) else {}
    for pool_id, pool in named.items():
        where = f"{file_name}, pool {shown(pool_id)}"
        problems.note_all(f"{where} {one}" for one in _pool_problems(pool if isinstance(pool, dict) else {}))
    known = [settings.pool.id, *named]
    items = document.get("routes")
    seen: set[str] = set()
    for number, item in enumerate(items if isinstance(items, list) else [], 1):
        if not isinstance(item, dict):
            continue
        where, name = f"{file_name}, {item_name(item, 'route', number)}", str(item.get("name", number)).lower()
        if name in seen:
            problems.note(f"{where} has the name of an earlier one: records know a route by its name")
        if name == SETTINGS_ROUTE:
            problems.note(f"{where} has the name of the settings' own route: call it otherwise")
        seen.add(name)
        problems.note_all(f"{where}, {one}" for one in _missing_settings("environment", item.get("environment"), env))
        problems.note_all(f"{where}, {one}" for one in _resource_problems(item.get("resources"), settings, env))
        problems.note_all(f"{where}, {one}" for one in _unknown_pool(item.get("pool"), known))
        problems.note_all(f"{where} {one}" for one in _image_problems(item, settings, named))
        problems.note_all(f"{where} {one}" for one in _folder_problems(item))


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
            found = check(kind, item) + _missing_settings("batch", item["batch"], env)
            problems.note_all(f"{file_name}, {where}, {one}" for one in found)


def _pool_problems(pool: Mapping[str, object]) -> list[str]:
    sizes = [name for name in ("nodes", "scale", "formula") if name in pool]
    problems = [f"has {' and '.join(sizes)}: one of them decides on the number of nodes"] if len(sizes) > 1 else []
    if pool.get("existing") is True and (others := sorted(pool.keys() - {"existing", "scale"})):
        problems.append(f"is existing, and has {', '.join(others)}: who made it decides on that")
    scale = pool.get("scale")
    low, high = (scale.get("min", 0), scale.get("max", 0)) if isinstance(scale, dict) else (0, 0)
    if isinstance(low, int) and isinstance(high, int) and low > high > 0:
        problems.append(f"has a scale from {low} to {high} nodes: min must not be more than max")
    return problems


def _unknown_pool(pool_id: object, known: Sequence[str]) -> list[str]:
    if not isinstance(pool_id, str) or not POOL_ID.fullmatch(pool_id):
        return []
    if pool_id.lower() in {one.lower() for one in known}:
        return []
    near = get_close_matches(pool_id, known, n=1)
    remedy = f"did you mean {near[0]}?" if near else f"add [pools.{pool_id}], with existing = true if it is not yours"
    return [f"pool is {pool_id!r}, which is neither a pool of this file nor BATCHPOOL_ID: {remedy}"]


def _image_problems(route: Mapping[str, object], settings: Settings, pools: Mapping[str, Any]) -> list[str]:
    if not route.get("image"):
        problems = [f"has {name} without an image" for name in ("image_options", "image_identity") if route.get(name)]
        if route.get("command") == "":
            problems.append("has an empty command: only an image has an entry point")
        return problems
    problems = []
    if route.get("image_identity") is True and not settings.task.identity_resource_id:
        problems.append("has image_identity, and POOL_IDENTITY_RESOURCE_ID is not set")
    pool_id = str(route.get("pool", settings.pool.id))
    found = [pool for name, pool in pools.items() if name.lower() == pool_id.lower() and isinstance(pool, dict)]
    if not any("container_images" in pool or pool.get("existing") is True for pool in found):
        problems.append(f"has an image, and its pool {pool_id} has no container_images")
    return problems


def _folder_problems(route: Mapping[str, object]) -> list[str]:
    if route.get("inputs") != Inputs.FOLDER:
        return []
    match = route.get("match")
    globs = [match] if isinstance(match, str) else match if isinstance(match, list) else []
    problems = [
        f"has inputs = folder, and {shown(glob)} ends in no marker: its last part is the marker's whole name, such as"
        " uploads/*/_READY"
        for glob in globs
        if isinstance(glob, str) and _WILDCARD.search(glob.rpartition("/")[2] or "*")
    ]
    if route.get("input_after") == InputAfter.DELETE:
        problems.append("has inputs = folder and input_after = delete: the files of a folder are never deleted")
    return problems


def _resource_problems(resources: object, settings: Settings, env: Mapping[str, str]) -> list[str]:
    problems: list[str] = []
    for number, item in enumerate(resources if isinstance(resources, list) else [], 1):
        if not isinstance(item, dict):
            continue
        where, sources = f"resource {number}", [name for name in ("url", "container", "auto_storage") if item.get(name)]
        if len(sources) != 1:
            found = " and ".join(sources) or "no source"
            problems.append(f"{where} has {found}: it must be one of url, container and auto_storage")
        if item.get("url") and not item.get("path"):
            problems.append(f"{where} has a url and no path: the node must know what to call the file")
        if item.get("url") and item.get("prefix"):
            problems.append(f"{where} has a url and a prefix: a prefix is for containers")
        if item.get("identity") is True and not settings.task.identity_resource_id:
            problems.append(f"{where} has identity, and POOL_IDENTITY_RESOURCE_ID is not set")
        problems += _missing_settings(where, item, env)
    return problems


def _missing_settings(where: str, table: object, env: Mapping[str, str]) -> list[str]:
    pairs = table.items() if isinstance(table, dict) else ()
    return [
        f"{where}, {name} names the setting {setting}, which is not set"
        for name, value in pairs
        for setting in _SETTING.findall(str(value))
        if setting not in env
    ]


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
        verbatim=_filled_in(table.batch, env),
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
        environment={name: _with_settings(value, env) for name, value in table.environment.items()},
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
        verbatim=_filled_in(table.batch, env),
        said_verbatim=table.batch,
        container=(
            ContainerImage(name=table.image, options=table.image_options, uses_identity=table.image_identity)
            if table.image
            else None
        ),
    )


def _resource(table: ResourceTable, env: Mapping[str, str]) -> Resource:
    return Resource(
        url=_with_settings(table.url, env),
        container=_with_settings(table.container, env),
        auto_storage=table.auto_storage,
        prefix=_with_settings(table.prefix, env),
        path=_with_settings(table.path, env),
        uses_identity=table.identity,
    )


def _filled_in(value: Any, env: Mapping[str, str]) -> Any:  # noqa: ANN401 - tables, lists and texts
    """Return a value with the settings that texts in it name."""
    if isinstance(value, dict):
        return {name: _filled_in(item, env) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled_in(item, env) for item in value]
    return _with_settings(value, env) if isinstance(value, str) else value


def _with_settings(text: str, env: Mapping[str, str]) -> str:
    """Return the text with the values of the settings that it names."""
    return _SETTING.sub(lambda match: env[match[1]], text)
