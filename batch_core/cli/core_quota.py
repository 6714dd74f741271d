"""Whether a Batch account may use as many cores as its pools ask for.

A quota that is too small makes no request fail: the pool waits, and says why in a resize error
(https://learn.microsoft.com/azure/batch/batch-quota-limit).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from batch_core.cli.counting import counted
from batch_core.cli.remedies import Finding
from batch_core.config.pools import Pool
from batch_core.services.azure_resources import Quotas, VmSize
from batch_core.services.batch_values import PoolStatus


@dataclass(frozen=True, kw_only=True)
class Demand:
    """The most nodes of a kind that a pool asks for; `is_settings` of the pool that the settings describe."""

    pool_id: str
    vm_size: str
    nodes: int
    is_spot: bool
    is_settings: bool

    @property
    def name(self) -> str:
        return f"{'Spot' if self.is_spot else 'dedicated'} cores of {self.pool_id}"


def demands(pool: Pool, status: PoolStatus | None, settings_pool_id: str) -> Iterator[Demand]:
    """Yield what a pool may ask for at most; nothing of a pool whose formula decides."""
    if pool.formula is not None:
        return
    # Of a pool that is neither scaled nor made by the app, only its present target is known.
    fixed = status.target if status and pool.is_existing else pool.nodes
    dedicated, spot = pool.scale.split(pool.scale.max) if pool.scale else (fixed, 0)
    size = status.machine.vm_size if status and status.machine else pool.vm_size
    for nodes, is_spot in ((dedicated, False), (spot, True)):
        if nodes:
            yield Demand(
                pool_id=pool.id, vm_size=size, nodes=nodes, is_spot=is_spot, is_settings=pool.id == settings_pool_id
            )


def judge_quotas(quotas: Quotas, sizes: Sequence[VmSize], wanted: Sequence[Demand]) -> list[Finding]:
    """Judge each demand by itself: pools of an account share its quotas."""
    by_name = {size.name.lower(): size for size in sizes}
    return [_judge(quotas, by_name, demand) for demand in wanted]


def _judge(quotas: Quotas, sizes: Mapping[str, VmSize], demand: Demand) -> Finding:
    size = sizes.get(demand.vm_size.lower())
    if size is None:
        detail = f"Batch has no VM size {demand.vm_size} in this region"
        return Finding(
            name=demand.name, is_ok=False, detail=detail, remedy="make the pool again, of a size that it has"
        )
    quota = quotas.low_priority_core_quota if demand.is_spot else quotas.dedicated(size.family_name)
    if quota is None or size.cores is None:
        why = "the account has no such quota of its own" if quota is None else f"the cores of {size.name} are not known"
        return Finding(name=demand.name, is_ok=None, detail=f"not judged: {why}")
    room = quota // size.cores
    asked = f"{counted(demand.nodes, 'node')} of {size.name} have {demand.nodes * size.cores} cores"
    detail = f"{asked}; the account may use {quota}"
    if room >= demand.nodes:
        return Finding(name=demand.name, is_ok=True, detail=detail)
    return _too_few(quotas, size, demand, f"{detail}: room for {counted(room, 'node') if room else 'none'}", room)


def _too_few(quotas: Quotas, size: VmSize, demand: Demand, detail: str, room: int) -> Finding:
    more = "ask for more cores (in the portal: Batch account, Quotas)"
    dedicated = quotas.dedicated(size.family_name) or 0
    remedy, command = more, None
    if not demand.is_settings:
        remedy = f"{more}, or set `scale` in routes.toml to less"
    elif demand.is_spot and not room and dedicated >= (size.cores or 0):
        remedy = f"{more}, or use dedicated nodes, of which it may use {dedicated} cores, at their price"
        command = "azd env set BATCHDROP_SPOT false && azd up"
    elif room:
        remedy = f"{more}, or have fewer nodes"
        command = f"azd env set BATCHDROP_MAX_NODES {room} && azd up"
    return Finding(name=demand.name, is_ok=False, detail=detail, remedy=remedy, command=command)
