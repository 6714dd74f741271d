"""What is wrong in `routes.toml` between words, tables and settings, each of which is right by itself.

It is looked for in the document as TOML gives it, so that a file with other problems has these reported, too: any value
may be of any type.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, TypeIs

from batch_core.config.pools import MAX_SLOTS
from batch_core.config.route_checks import POOL_ID
from batch_core.config.routes import SETTINGS_ROUTE, InputAfter, Inputs
from batch_core.config.setting_references import unset_in
from batch_core.config.settings import Settings
from batch_core.config.tables import is_deep, item_name, shown_name
from batch_core.config.task_command import command_problem, unexpanded, wrong_variable
from batch_core.redaction import shown

_WILDCARD: Final = re.compile(r"[*?[]")


def relation_problems(document: Mapping[str, object], settings: Settings, env: Mapping[str, str]) -> Iterator[str]:
    """Yield the problems, each as the end of a sentence that begins with the file's name."""
    pools = document.get("pools")
    named: dict[str, Any] = pools if isinstance(pools, dict) else {}
    for pool_id, pool in named.items():
        found = _pool_problems(pool if isinstance(pool, dict) else {})
        yield from (f"pool {shown(pool_id)} {one}" for one in found)
    items = document.get("routes")
    routes = list(enumerate(items, 1)) if isinstance(items, list) else []
    yield from _name_problems(routes)
    for number, item in routes:
        if isinstance(item, dict):
            where = item_name(item, "route", number)
            yield from (f"{where}{one}" for one in _route_problems(item, named, settings, env))


def unset_settings(where: str, table: Mapping[str, object], env: Mapping[str, str]) -> list[str]:
    """Return a problem for each setting that a table's texts name and that is not set."""
    return [
        f"{where}, {shown_name(name)} names the setting {setting}, which is not set (a % itself is written %%)"
        for name, value in table.items()
        if not is_deep(value)
        for setting in unset_in(value, env)
    ]


def _name_problems(routes: Sequence[tuple[int, object]]) -> Iterator[str]:
    seen: set[str] = set()
    for number, item in routes:
        name = item.get("name") if isinstance(item, dict) else None
        if not isinstance(name, str):
            continue
        where = item_name(item, "route", number)
        if name.lower() in seen:
            yield f"{where} has the name of an earlier one: records know a route by its name"
        if name.lower() == SETTINGS_ROUTE:
            yield f"{where} has the name of the settings' own route: call it otherwise"
        seen.add(name.lower())


def _route_problems(
    route: Mapping[str, object], pools: Mapping[str, Any], settings: Settings, env: Mapping[str, str]
) -> Iterator[str]:
    """Yield what is wrong with a route: each begins with a comma, or with a space."""
    environment = route.get("environment")
    variables: Mapping[str, object] = environment if isinstance(environment, dict) else {}
    yield from (f", {one}" for one in unset_settings("environment", variables, env))
    yield from (f", {one}" for one in _resource_problems(route.get("resources"), settings, env))
    yield from (f", {one}" for one in _unknown_pool(route.get("pool"), [settings.pool.id, *pools]))
    yield from (f", {one}" for one in _slot_problems(route, settings, pools))
    yield from (f", {one}" for one in _command_problems(route, variables))
    yield from (f" {one}" for one in _image_problems(route, settings, pools))
    yield from (f" {one}" for one in _folder_problems(route))


def _pool_problems(pool: Mapping[str, object]) -> list[str]:
    sizes = [name for name in ("nodes", "scale", "formula") if name in pool]
    problems = [f"has {' and '.join(sizes)}: one of them decides on the number of nodes"] if len(sizes) > 1 else []
    if pool.get("existing") is True and (others := sorted(pool.keys() - {"existing", "scale"})):
        problems.append(f"is existing, and has {', '.join(map(shown_name, others))}: who made it decides on that")
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
    return [f"pool is {pool_id!r}, which is neither a pool of this file nor BATCH_POOL_ID: {remedy}"]


def _image_problems(route: Mapping[str, object], settings: Settings, pools: Mapping[str, Any]) -> list[str]:
    if not route.get("image"):
        problems = [f"has {name} without an image" for name in ("image_options", "image_identity") if route.get(name)]
        if route.get("command") == "":
            problems.append("has an empty command: only an image has an entry point")
        return problems
    problems = []
    if route.get("image_identity") is True and not settings.task.identity_resource_id:
        problems.append("has image_identity, and POOL_IDENTITY_RESOURCE_ID is not set")
    pool_id = route.get("pool", settings.pool.id)
    found = _pools_called(pool_id, pools) if isinstance(pool_id, str) else []
    if isinstance(pool_id, str) and not any("container_images" in one or one.get("existing") is True for one in found):
        problems.append(f"has an image, and its pool {shown_name(pool_id)} has no container_images")
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
        problems += unset_settings(where, item, env)
    return problems


def _slot_problems(route: Mapping[str, object], settings: Settings, pools: Mapping[str, Any]) -> list[str]:
    """Return whether a task needs more slots than any node of its pool has: Batch would never start it."""
    slots, pool_id = route.get("slots"), route.get("pool", settings.pool.id)
    if not _is_slots(slots) or not isinstance(pool_id, str):
        return []
    found = _pools_called(pool_id, pools)
    if not found and pool_id.lower() == settings.pool.id.lower():
        found = [{}]
    default = settings.pool.task_slots_per_node
    sizes = [one.get("slots_per_node", default) for one in found if one.get("existing") is not True]
    too_small = [size for size in sizes if _is_slots(size) and slots > size]
    source = "" if any("slots_per_node" in one for one in found) else " (POOL_TASK_SLOTS_PER_NODE)"
    return [f"slots is {slots}, and a node of pool {shown(pool_id)} has {size}{source}" for size in too_small]


def _is_slots(value: object) -> TypeIs[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_SLOTS


def _pools_called(pool_id: str, pools: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [pool for name, pool in pools.items() if name.lower() == pool_id.lower() and isinstance(pool, dict)]


def _command_problems(route: Mapping[str, object], environment: Mapping[str, object]) -> list[str]:
    command = route.get("command")
    if not isinstance(command, str):
        return []
    bare = None if command_problem(command) else unexpanded(command, environment)
    wrong = wrong_variable(command, is_folder=route.get("inputs") == Inputs.FOLDER)
    return [f"command {one}" for one in (bare, wrong) if one]
