"""Which roles the app and its nodes need, and where: what infra/roles.bicep and infra/pool.bicep assign.

The ids are those of https://learn.microsoft.com/azure/role-based-access-control/built-in-roles.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from batch_core.cli.remedies import Finding

BLOB_OWNER: Final = "Storage Blob Data Owner"
BLOB_CONTRIBUTOR: Final = "Storage Blob Data Contributor"
BLOB_READER: Final = "Storage Blob Data Reader"
QUEUE_CONTRIBUTOR: Final = "Storage Queue Data Contributor"
TABLE_CONTRIBUTOR: Final = "Storage Table Data Contributor"
BATCH_CONTRIBUTOR: Final = "Azure Batch Data Contributor"
METRICS_PUBLISHER: Final = "Monitoring Metrics Publisher"
#: Each role by its id.
ROLES: Final = {
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": BLOB_OWNER,
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": BLOB_CONTRIBUTOR,
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": BLOB_READER,
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": QUEUE_CONTRIBUTOR,
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": TABLE_CONTRIBUTOR,
    "6aaa78f1-f7de-44ca-8722-c64a23943cae": BATCH_CONTRIBUTOR,
    "3913510d-42f4-4e42-8a64-420c390055eb": METRICS_PUBLISHER,
}
#: What holds all that a role holds.
_BETTER: Final[Mapping[str, frozenset[str]]] = {
    BLOB_READER: frozenset({BLOB_CONTRIBUTOR, BLOB_OWNER}),
    BLOB_CONTRIBUTOR: frozenset({BLOB_OWNER}),
}


@dataclass(frozen=True, kw_only=True)
class Need:
    """A role that somebody needs at a resource: `name` is what a finding is called, `place` the resource in words."""

    name: str
    role: str
    principal_id: str
    scope: str
    place: str

    def judge(self, assigned: frozenset[str]) -> Finding:
        """Judge by the ids of the roles that are assigned at the resource or above it."""
        names = {ROLES[one] for one in assigned if one in ROLES}
        if fitting := names & {self.role, *_BETTER.get(self.role, ())}:
            return Finding(name=self.name, is_ok=True, detail=f"has {min(fitting)} on {self.place}")
        if others := sorted(assigned - ROLES.keys()):
            # A role of one's own may hold what is needed; only its definition says so.
            detail = f"has no {self.role} on {self.place}, but roles that may do: {', '.join(others)}"
            return Finding(name=self.name, is_ok=None, detail=detail)
        return Finding(
            name=self.name,
            is_ok=False,
            detail=f"has no {self.role} on {self.place}",
            remedy="assign the role; it counts within ten minutes",
            command=assignment(self.role, self.scope, self.principal_id),
        )


def assignment(role: str, scope: str, principal_id: str) -> str:
    """Return the command that assigns a role to the identity of an app or a pool."""
    assignee = f"--assignee-object-id {principal_id} --assignee-principal-type ServicePrincipal"
    return f'az role assignment create {assignee} --role "{role}" --scope "{scope}"'


def app_needs(principal_id: str, storage_id: str, storage_name: str, *, hosts: bool) -> Iterator[Need]:
    """Yield what the app needs of its storage account; `hosts`: the Functions host keeps its own state there, too.

    https://learn.microsoft.com/azure/azure-functions/functions-reference#connecting-to-host-storage-with-an-identity
    """
    roles = {
        "app on blobs": BLOB_OWNER if hosts else BLOB_CONTRIBUTOR,
        "app on queues": QUEUE_CONTRIBUTOR,
        "app on tables": TABLE_CONTRIBUTOR,
    }
    for name, role in roles.items():
        yield Need(
            name=name,
            role=role,
            principal_id=principal_id,
            scope=storage_id,
            place=f"storage account {storage_name}",
        )


def node_needs(principal_id: str, storage_id: str, input_container: str, output_container: str) -> Iterator[Need]:
    """Yield what the nodes need of the containers; no output container: they upload nothing."""
    wanted = [("nodes on input", BLOB_READER, input_container), ("nodes on output", BLOB_CONTRIBUTOR, output_container)]
    for name, role, container in wanted:
        if container:
            yield Need(
                name=name,
                role=role,
                principal_id=principal_id,
                scope=f"{storage_id}/blobServices/default/containers/{container}",
                place=f"container {container}",
            )
