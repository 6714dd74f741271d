r"""The words of `routes.toml`, and how the file becomes routes.

    [[routes]]
    name = "thumbnails"
    match = ["photos/**/*.jpg", "photos/**/*.png"]
    command = "/bin/bash -c 'python3 thumb.py \"$INPUT_FILE\"'"

What each word may hold and what it means is said once, in the types below: problems, the JSON Schema for editors and
the table of `docs/routes.md` are made of it.
"""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final

from isodate import duration_isoformat
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.json import schema

from batch_core.config.globs import glob_problem
from batch_core.config.pools import MOST_NODES, Fill, Pool, Scale, StartTask, settings_pool
from batch_core.config.routes import SETTINGS_ROUTE, JobKind, Route, Routes, RunAs, Unmatched, settings_route
from batch_core.config.settings import Settings
from batch_core.config.tables import CHECK, IS_HIDDEN, ITEM, RULE, item_name, read_table
from batch_core.config.task_command import command_problem
from batch_core.errors import RoutesError
from batch_core.problems import Problems
from batch_core.redaction import redacted, shown

#: A file is read whole.
MAX_FILE_SIZE: Final = 1_000_000
MAX_ROUTES: Final = 200
MAX_POOLS: Final = 50
_A_NODE_COUNT: Final = f"a whole number of nodes, at most {MOST_NODES}"
_POOL_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
#: `%TOKEN%` in the value of an environment variable.
_SETTING: Final = re.compile(r"%([A-Za-z_][A-Za-z0-9_]*)%")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: Names that Batch or this app gives: https://learn.microsoft.com/azure/batch/batch-compute-node-environment-variables.
_GIVEN_VARIABLES: Final = re.compile(r"AZ_BATCH_.*|INPUT_(FILE|BLOB|CONTAINER|METADATA_.*)", re.IGNORECASE)
_LONGEST: Final = timedelta(days=180)


def _wrong_globs(match: str | list[str]) -> list[str]:
    globs = [match] if isinstance(match, str) else match
    return [f"{shown(glob)} {problem}" for glob in globs if (problem := glob_problem(glob))]


def _wrong_command(command: str) -> list[str]:
    problem = "is blank" if not command.strip() else command_problem(command)
    return [problem] if problem else []


def _wrong_duration(shortest: timedelta) -> Callable[[timedelta], list[str]]:
    def wrong(duration: timedelta) -> list[str]:
        if shortest <= duration <= _LONGEST:
            return []
        return [f"is {duration_isoformat(duration)}: it must be from {duration_isoformat(shortest)} to P180D"]

    return wrong


def _wrong_environment(environment: Mapping[str, str]) -> list[str]:
    wrong = [f"names {shown(name)}, which is no name of a variable" for name in environment if not _is_variable(name)]
    given = [f"names {name}, which Batch or the app sets" for name in environment if _GIVEN_VARIABLES.fullmatch(name)]
    return wrong + given


def _wrong_pool_ids(pools: Mapping[str, object]) -> list[str]:
    wrong = [
        f"has a pool called {shown(name)}: an id is 1 to 64 letters, digits, hyphens and underscores"
        for name in pools
        if not _POOL_ID.fullmatch(name)
    ]
    lower = [name.lower() for name in pools]
    return wrong + [f"has {name!r} twice, but for capitals" for name in set(lower) if lower.count(name) > 1]


def _is_variable(name: str) -> bool:
    return _VARIABLE.fullmatch(name) is not None


_Glob = Annotated[str, Meta(min_length=1, max_length=1024)]
_Duration = Annotated[
    timedelta, Meta(extra={RULE: "an ISO 8601 duration of days, hours, minutes and seconds, such as PT20M"})
]


class RouteTable(Struct, forbid_unknown_fields=True, kw_only=True):
    """What happens to the files whose names match."""

    name: Annotated[
        str,
        Meta(
            pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$",
            description="What records and logs call the route.",
            extra={RULE: "1 to 32 letters, digits, hyphens and underscores, a letter or digit first"},
        ),
    ]
    match: Annotated[
        _Glob | Annotated[list[_Glob], Meta(min_length=1, max_length=100)],
        Meta(
            description="Globs over the blob's name: * stays in a folder, ** crosses folders.",
            extra={RULE: "a glob such as photos/**/*.jpg, or a list of 1 to 100 of them", CHECK: _wrong_globs},
        ),
    ]
    command: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=10_000,
            description="The command line, which no shell reads unless it names one. It finds its file as INPUT_FILE.",
            extra={RULE: "a command line such as /bin/bash -c 'wc \"$INPUT_FILE\"'", CHECK: _wrong_command},
        ),
    ]
    pool: (
        Annotated[
            str,
            Meta(
                pattern="^[A-Za-z0-9_-]{1,64}$",
                description="The pool that it runs on: one of `pools`; without it, the pool that BATCH_POOL_ID names.",
                extra={RULE: "the id of a pool: 1 to 64 letters, digits, hyphens and underscores"},
            ),
        ]
        | UnsetType
    ) = UNSET
    environment: Annotated[
        dict[str, str],
        Meta(
            max_length=100,
            description="Environment variables of the command. %TOKEN% in a value stands in for the setting TOKEN.",
            extra={RULE: "a table of up to 100 names and texts", IS_HIDDEN: True, CHECK: _wrong_environment},
        ),
    ] = {}
    slots: Annotated[
        int,
        Meta(
            ge=1,
            le=256,
            description="How many task slots of a node the command takes.",
            extra={RULE: "a whole number from 1 to 256"},
        ),
    ] = 1
    priority: Annotated[
        int,
        Meta(
            ge=-1000,
            le=1000,
            description="Tasks of a higher priority start first. It is a property of the job that they share.",
            extra={RULE: "a whole number from -1000 to 1000"},
        ),
    ] = 0
    retries: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description="How often Batch runs the command again if it fails.",
            extra={RULE: "a whole number from 0 to 100"},
        ),
    ] = 0
    timeout: (
        Annotated[
            _Duration,
            Meta(
                description="A command that runs longer is stopped; without it, TASK_MAX_WALL_CLOCK_TIME counts.",
                extra={CHECK: _wrong_duration(timedelta(seconds=1))},
            ),
        ]
        | UnsetType
    ) = UNSET
    retention: (
        Annotated[
            _Duration,
            Meta(
                description="How long the node keeps the task's files; without it, TASK_RETENTION_TIME counts.",
                extra={CHECK: _wrong_duration(timedelta(minutes=1))},
            ),
        ]
        | UnsetType
    ) = UNSET
    run_as: Annotated[
        RunAs,
        Meta(
            description="task: a user of its own for each task. pool: one user for all tasks of a node.",
            extra={RULE: "task or pool"},
        ),
    ] = RunAs.TASK
    elevated: Annotated[
        bool, Meta(description="Whether that user is an administrator (root).", extra={RULE: "true or false"})
    ] = False


class ScaleTable(Struct, forbid_unknown_fields=True, kw_only=True):
    """Bounds within which the app sets the number of nodes by the task slots that open tasks need."""

    min: Annotated[
        int, Meta(ge=0, le=MOST_NODES, description="Never fewer nodes than this.", extra={RULE: _A_NODE_COUNT})
    ] = 0
    max: Annotated[
        int, Meta(ge=1, le=MOST_NODES, description="Never more nodes than this.", extra={RULE: _A_NODE_COUNT})
    ]
    spot: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="The share of Spot nodes, which are cheaper and may be taken away.",
            extra={RULE: "a share from 0 to 1"},
        ),
    ] = 0.0


class StartTaskTable(Struct, forbid_unknown_fields=True, kw_only=True):
    """What runs on each node before any task does."""

    command: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=10_000,
            description="The command line; a node takes tasks when it has succeeded.",
            extra={RULE: "a command line such as /bin/bash -c 'apt-get install -y ffmpeg'", CHECK: _wrong_command},
        ),
    ]
    elevated: Annotated[
        bool, Meta(description="Whether it runs as an administrator (root).", extra={RULE: "true or false"})
    ] = False


class PoolTable(Struct, forbid_unknown_fields=True, kw_only=True):
    """A pool that routes name: `setup` makes it, `teardown` removes it. What it leaves out is as in the settings."""

    existing: Annotated[
        bool,
        Meta(
            description="Somebody else makes, changes and removes it; of the words below only `scale` is allowed.",
            extra={RULE: "true or false"},
        ),
    ] = False
    vm_size: (
        Annotated[
            str,
            Meta(
                pattern="^[A-Za-z0-9_-]{1,64}$",
                description="The VM size of its nodes; without it, POOL_VM_SIZE.",
                extra={RULE: "a VM size such as STANDARD_D2S_V3"},
            ),
        ]
        | UnsetType
    ) = UNSET
    image: (
        Annotated[
            str,
            Meta(
                pattern=r"^[^:\s]+:[^:\s]+:[^:\s]+:[^:\s]+$",
                description="publisher:offer:sku:version; without it, POOL_IMAGE.",
                extra={RULE: "publisher:offer:sku:version, such as canonical:ubuntu-24_04-lts:server:latest"},
            ),
        ]
        | UnsetType
    ) = UNSET
    node_agent: (
        Annotated[
            str,
            Meta(
                pattern=r"^[A-Za-z0-9._-]+( [A-Za-z0-9._-]+)*$",
                max_length=200,
                description="The node agent that fits the image; without it, POOL_NODE_AGENT_SKU.",
                extra={RULE: "a node agent SKU such as batch.node.ubuntu 24.04"},
            ),
        ]
        | UnsetType
    ) = UNSET
    slots_per_node: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=256,
                description="How many task slots a node has; without it, POOL_TASK_SLOTS_PER_NODE.",
                extra={RULE: "a whole number from 1 to 256"},
            ),
        ]
        | UnsetType
    ) = UNSET
    fill: Annotated[
        Fill,
        Meta(
            description="spread: over as many nodes as there are. pack: one node is filled before the next.",
            extra={RULE: "spread or pack"},
        ),
    ] = Fill.SPREAD
    nodes: (
        Annotated[
            int,
            Meta(
                ge=0,
                le=MOST_NODES,
                description="A fixed number of dedicated nodes; without it, POOL_NODE_COUNT.",
                extra={RULE: _A_NODE_COUNT},
            ),
        ]
        | UnsetType
    ) = UNSET
    scale: (
        Annotated[
            ScaleTable,
            Meta(
                description="In place of `nodes`: the app sets the number of nodes by the work that there is.",
                extra={RULE: "a table such as { min = 0, max = 20 }"},
            ),
        ]
        | UnsetType
    ) = UNSET
    formula: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=10_000,
                description="In place of `nodes`: Batch evaluates this autoscale formula every five minutes.",
                extra={RULE: "an autoscale formula of Batch"},
            ),
        ]
        | UnsetType
    ) = UNSET
    start_task: (
        Annotated[
            StartTaskTable,
            Meta(
                description="What runs on each node before any task does.",
                extra={RULE: 'a table such as { command = "...", elevated = true }'},
            ),
        ]
        | UnsetType
    ) = UNSET
    packages: Annotated[
        list[Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,64}(:[A-Za-z0-9._-]{1,64})?$")]],
        Meta(
            max_length=100,
            description="Application packages of the Batch account, as id or id:version.",
            extra={RULE: "a list of application packages such as ffmpeg or ffmpeg:7.0"},
        ),
    ] = []
    subnet: (
        Annotated[
            str,
            Meta(
                pattern=(
                    "^(?i:/subscriptions/[^/]+/resourcegroups/[^/]+/providers/microsoft.network/virtualnetworks/"
                    "[^/]+/subnets/[^/]+)$"
                ),
                description="The ARM id of the subnet that its nodes are in.",
                extra={RULE: "the ARM id of a subnet: /subscriptions/.../virtualNetworks/.../subnets/..."},
            ),
        ]
        | UnsetType
    ) = UNSET
    inter_node: Annotated[
        bool,
        Meta(description="Whether its nodes can talk to each other, for MPI.", extra={RULE: "true or false"}),
    ] = False


class RoutesTable(Struct, forbid_unknown_fields=True, kw_only=True):
    """What happens to which file: the first route that matches a blob's name takes it."""

    routes: Annotated[
        list[RouteTable],
        Meta(
            max_length=MAX_ROUTES,
            description="The routes, in the order in which they are asked.",
            extra={RULE: f"a list of up to {MAX_ROUTES} tables, each begun by [[routes]]", ITEM: "route"},
        ),
    ] = []
    pools: Annotated[
        dict[str, PoolTable],
        Meta(
            max_length=MAX_POOLS,
            description="The pools that routes name, by their ids.",
            extra={RULE: "a table of pools, each begun by [pools.ID]", ITEM: "pool", CHECK: _wrong_pool_ids},
        ),
    ] = {}
    unmatched: Annotated[
        Unmatched,
        Meta(
            description=(
                "What happens to a file that no route matches. settings: what TASK_COMMAND_LINE says. ignore: nothing."
                " reject: a record says that it was rejected."
            ),
            extra={RULE: "settings, ignore or reject"},
        ),
    ] = Unmatched.SETTINGS


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the file, for editors."""
    return {"title": "routes.toml of batchdrop", **schema(RoutesTable)}


def read_routes(file: Path, settings: Settings, env: Mapping[str, str]) -> Routes:
    """Read the file; raises `RoutesError` with every problem, also where it cannot be read or is not TOML.

    `env` holds the settings that environment variables of routes may name.
    """
    problems = Problems()
    document = _document(file)
    table = read_table(RoutesTable, document, file.name, problems)
    _check_raw(file.name, document, settings, env, problems)
    problems.raise_as(RoutesError)
    if table is None:
        raise RoutesError([f"{file.name} is not valid"])
    pools = [_pool(pool_id, pool, settings) for pool_id, pool in table.pools.items()]
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
        problems.note_all(f"{where}, {one}" for one in _missing_settings(item.get("environment"), env))
        problems.note_all(f"{where}, {one}" for one in _unknown_pool(item.get("pool"), known))


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
    if not isinstance(pool_id, str) or not _POOL_ID.fullmatch(pool_id):
        return []
    if pool_id.lower() in {one.lower() for one in known}:
        return []
    near = get_close_matches(pool_id, known, n=1)
    remedy = f"did you mean {near[0]}?" if near else f"add [pools.{pool_id}], with existing = true if it is not yours"
    return [f"pool is {pool_id!r}, which is neither a pool of this file nor BATCH_POOL_ID: {remedy}"]


def _missing_settings(environment: object, env: Mapping[str, str]) -> list[str]:
    pairs = environment.items() if isinstance(environment, dict) else ()
    return [
        f"environment, {name} names the setting {setting}, which is not set"
        for name, value in pairs
        for setting in _SETTING.findall(str(value))
        if setting not in env
    ]


def _pool(pool_id: str, table: PoolTable, settings: Settings) -> Pool:
    default = settings_pool(settings.pool)
    start_task, scale = table.start_task, table.scale
    return Pool(
        id=pool_id,
        is_existing=table.existing,
        vm_size=default.vm_size if table.vm_size is UNSET else table.vm_size,
        image=default.image if table.image is UNSET else table.image,
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
    )


def _route(table: RouteTable, settings: Settings, env: Mapping[str, str], pools: Mapping[str, Pool]) -> Route:
    task = settings.task
    return Route(
        name=table.name,
        globs=(table.match,) if isinstance(table.match, str) else tuple(table.match),
        command_line=table.command,
        job_kind=JobKind(
            pool_id=pools[(settings.pool.id if table.pool is UNSET else table.pool).lower()].id,
            priority=table.priority,
        ),
        max_wall_clock_time=task.max_wall_clock_time if table.timeout is UNSET else table.timeout,
        retention_time=task.retention_time if table.retention is UNSET else table.retention,
        said_environment=table.environment,
        environment={
            name: _SETTING.sub(lambda match: env[match[1]], value) for name, value in table.environment.items()
        },
        task_slots=table.slots,
        retries=table.retries,
        run_as=table.run_as,
        is_elevated=table.elevated,
    )
