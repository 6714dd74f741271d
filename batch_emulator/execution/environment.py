"""The environment variables of a task.

https://learn.microsoft.com/azure/batch/batch-compute-node-environment-variables
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_urlsafe
from typing import Final, Self

from batch_emulator.execution.directories import NodeDirectory, RunDirectory
from batch_emulator.values.documents import Document

#: Names the directory by which a run's processes are recognised: see `leftovers`.
RUN_MARK: Final = "AZ_BATCH_TASK_WORKING_DIR"
NODE_MARK: Final = "AZ_BATCH_NODE_ROOT_DIR"


@dataclass(frozen=True, kw_only=True)
class Account:
    """What a task may know of the account that runs it."""

    name: str
    url: str
    #: The search path for programs: the emulator's own, so that what is installed is found.
    search_path: str

    @classmethod
    def at(cls, endpoint: str, name: str) -> Self:
        """Return an account of this process, reached at an endpoint without a final slash."""
        return cls(name=name, url=f"{endpoint}/", search_path=os.environ.get("PATH", os.defpath))


@dataclass(frozen=True, kw_only=True)
class Place:
    """The node that a task runs on."""

    pool_id: str
    node_id: str
    is_dedicated: bool
    directory: NodeDirectory
    #: Whether its pool says that it runs containers.
    runs_containers: bool = False
    #: The variables of the pool's application packages, once they are unpacked here.
    packages: dict[str, str] = field(default_factory=dict)


def node_environment(account: Account, place: Place, run: RunDirectory) -> dict[str, str]:
    """Return what a start task and every other task see. Nothing else of the emulator's own."""
    node = place.directory
    return {
        **place.packages,
        "PATH": account.search_path,
        "HOME": str(run.working),
        "LANG": "C.UTF-8",
        "AZ_BATCH_ACCOUNT_NAME": account.name,
        "AZ_BATCH_ACCOUNT_URL": account.url,
        "AZ_BATCH_POOL_ID": place.pool_id,
        "AZ_BATCH_NODE_ID": place.node_id,
        "AZ_BATCH_NODE_IS_DEDICATED": "true" if place.is_dedicated else "false",
        "AZ_BATCH_NODE_SHARED_DIR": str(node.shared),
        "AZ_BATCH_NODE_STARTUP_DIR": str(node.startup),
        "AZ_BATCH_NODE_MOUNTS_DIR": str(node.mounts),
        "AZ_BATCH_TASK_DIR": str(run.root),
        NODE_MARK: str(node.root),
        RUN_MARK: str(run.working),
    }


def task_environment(node: dict[str, str], job_id: str, task_id: str) -> dict[str, str]:
    """Return what a task sees beside its node's variables."""
    return {**node, "AZ_BATCH_JOB_ID": job_id, "AZ_BATCH_TASK_ID": task_id}


def preparation_environment(place: Place, job_id: str, job: Document) -> dict[str, str]:
    """Return what the tasks of a job see of its preparation task, nothing where it has none."""
    if "jobPreparationTask" not in job:
        return {}
    directory = place.directory.task(job_id, job["jobPreparationTask"]["id"])
    return {
        "AZ_BATCH_JOB_PREP_DIR": str(directory.root),
        "AZ_BATCH_JOB_PREP_WORKING_DIR": str(directory.working),
    }


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The nodes of a multi-instance task, the master first, and the directory that has one path on all of them."""

    addresses: tuple[str, ...]
    shared: Path

    def environment(self, number: int) -> dict[str, str]:
        """Return what the task sees of the others on the node of that number."""
        cores = " ".join(f"{address} 1" for address in self.addresses)
        return {
            "AZ_BATCH_HOST_LIST": ",".join(self.addresses),
            "AZ_BATCH_NODE_LIST": ";".join(self.addresses),
            "AZ_BATCH_MASTER_NODE": f"{self.addresses[0]}:6000",
            "AZ_BATCH_IS_CURRENT_NODE_MASTER": "false" if number else "true",
            "AZ_BATCH_TASK_SHARED_DIR": str(self.shared),
            "CCP_NODES": f"{len(self.addresses)} {cores}",
        }


def token_environment(task: Document) -> dict[str, str]:
    """Return the access token of a task that asks for one: it has the shape of a token, and opens nothing."""
    if not task.get("authenticationTokenSettings"):
        return {}
    return {"AZ_BATCH_AUTHENTICATION_TOKEN": token_urlsafe(64)}


def with_settings(service: dict[str, str], *settings: Iterable[Document]) -> dict[str, str]:
    """Add the user's settings, later ones first in rank; the service's own variables win."""
    given = {entry["name"]: entry.get("value", "") for entries in settings for entry in entries}
    protected = {name: value for name, value in service.items() if name.startswith("AZ_BATCH_")}
    return {**service, **given, **protected}
