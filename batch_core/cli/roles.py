"""Which roles the app and its nodes need, and where: what infra/roles.bicep and infra/pool.bicep assign.

The ids are those of https://learn.microsoft.com/azure/role-based-access-control/built-in-roles.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from batch_core.cli.remedies import AZD_PROVISION, Finding
from batch_core.services.azure_resources import RoleAssignment

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
#: Roles that give no data to anybody: Owner and Contributor may change an account, and read none of its files.
_WITHOUT_DATA: Final = frozenset(
    {
        "acdd72a7-3385-48ef-bd42-f606fba81ae7",  # Reader
        "18d7d88d-d35e-4fb1-a5c3-7773c20a72d9",  # User Access Administrator
        "f58310d9-a9f6-439a-9e8d-f62e7b41a168",  # Role Based Access Control Administrator
        "de139f84-1756-47ae-9be6-808fbbe84772",  # Website Contributor
    }
)
_OWNER_AND_CONTRIBUTOR: Final = frozenset(
    {"8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "b24988ac-6180-42a0-ab88-20f7382dd24c"}
)
#: What holds all that a role holds.
_BETTER: Final[Mapping[str, frozenset[str]]] = {
    BLOB_READER: frozenset({BLOB_CONTRIBUTOR, BLOB_OWNER}),
    BLOB_CONTRIBUTOR: frozenset({BLOB_OWNER}),
}


_ASSIGN: Final = "have Bicep assign it; it counts within ten minutes"


@dataclass(frozen=True, kw_only=True)
class Need:
    """A role that somebody needs at a resource: `name` is what a finding is called, `place` the resource in words."""

    name: str
    role: str
    principal_id: str
    scope: str
    place: str
    #: What assigns it: Bicep gives its assignments names of their own, and fails where another exists.
    command: str = AZD_PROVISION

    def judge(self, assignments: Sequence[RoleAssignment]) -> Finding:
        """Judge by the roles that are assigned at the resource or above it."""
        whole = {one.role for one in assignments if not one.properties.condition}
        fitting = {ROLES[one] for one in whole if one in ROLES} & {self.role, *_BETTER.get(self.role, ())}
        if fitting:
            return Finding(name=self.name, is_ok=True, detail=f"has {min(fitting)} on {self.place}")
        if others := self._doubtful(assignments):
            # A role of one's own may hold what is needed, and a condition let it in; only their definitions say so.
            detail = f"has no {self.role} on {self.place}, but roles that may do: {', '.join(others)}"
            return Finding(name=self.name, is_ok=None, detail=detail)
        detail = f"has no {self.role} on {self.place}"
        return Finding(name=self.name, is_ok=False, detail=detail, remedy=_ASSIGN, command=self.command)

    def _doubtful(self, assignments: Sequence[RoleAssignment]) -> list[str]:
        known = {*ROLES, *_WITHOUT_DATA}
        if self.role != BATCH_CONTRIBUTOR:
            known |= _OWNER_AND_CONTRIBUTOR
        conditional = {one.role for one in assignments if one.properties.condition and ROLES.get(one.role) == self.role}
        return sorted({one.role for one in assignments} - known | conditional)


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
