"""Where the tasks of a job run: an existing pool, or one that the service makes for it."""

from typing import Final

from batch_emulator.errors import invalid_property, missing_property
from batch_emulator.model.package_references import references_of
from batch_emulator.model.pools import read_pool_specification
from batch_emulator.model.schema import boolean, one_of, record, resource_id, short_text
from batch_emulator.values.documents import Document
from batch_emulator.values.states import PoolLifetime

_MAX_PREFIX: Final = 20


def _prefix(name: str, value: object) -> str:
    """Read the beginning of a pool's id: at most 20 characters, possibly none."""
    text: str = short_text(_MAX_PREFIX)(name, value)
    return text and resource_id(name, text)


_info = record(
    {
        "poolId": resource_id,
        "autoPoolSpecification": record(
            {
                "autoPoolIdPrefix": _prefix,
                "poolLifetimeOption": one_of(*PoolLifetime),
                "keepAlive": boolean,
                "pool": read_pool_specification,
            },
            frozenset({"poolLifetimeOption", "pool"}),
        ),
    }
)


def read_pool_info(name: str, value: object) -> Document:
    """Read a job's pool: "You must specify either the Pool ID or the auto Pool specification, but not both".

    Source: SDK documentation of BatchPoolInfo.
    """
    info: Document = _info(name, value)
    if "autoPoolSpecification" not in info:
        if "poolId" not in info:
            raise missing_property(f"{name}.poolId")
    elif "poolId" in info:
        raise invalid_property(f"{name}.poolId", info["poolId"], "There is an autoPoolSpecification, too")
    else:
        info["autoPoolSpecification"].setdefault("keepAlive", False)
    return info


def check_change(current: Document, new: Document) -> None:
    """Refuse to give a job another automatic pool than it has: of that, only keepAlive can change.

    Source: SDK documentation of BatchJobUpdateOptions.poolInfo.
    """
    specification = new.get("autoPoolSpecification")
    if specification is None:
        return
    kept = {**specification, "keepAlive": None}
    if kept != {**current.get("autoPoolSpecification", {}), "keepAlive": None}:
        raise invalid_property("poolInfo.autoPoolSpecification", "", "Only keepAlive can be changed")


def auto_pool_packages(job: Document) -> list[Document]:
    """Return the references to application packages of a job's automatic pool."""
    specification = auto_pool(job)
    return references_of(specification["pool"]) if specification else []


def auto_pool(job: Document) -> Document | None:
    """Return the autoPoolSpecification of a job's stored properties, None for a pool of the user's own."""
    found: Document | None = job["poolInfo"].get("autoPoolSpecification")
    return found
