"""What Azure Resource Manager says of resources, as far as it is read here: shapes that its answers must have.

The names are those of the management SDKs' models (azure-mgmt-batch, -eventgrid, -storage, -web), in camel case on the
wire. Properties that are not read are left out, and what lacks one that is needed is no answer: msgspec raises.
"""

from datetime import datetime

import msgspec


class _Model(msgspec.Struct, rename="camel"):
    pass


class AssignedIdentity(_Model):
    """A user-assigned identity of a resource."""

    principal_id: str | None = None
    client_id: str | None = None


class ResourceIdentity(_Model):
    """The identities that a resource has: one of its own, and others by their resource ids."""

    principal_id: str | None = None
    user_assigned_identities: dict[str, AssignedIdentity] | None = None

    def principal_of(self, client_id: str) -> str | None:
        """Return the object id of the user-assigned identity of a client id; empty: of the resource's own."""
        if not client_id:
            return self.principal_id
        assigned = (self.user_assigned_identities or {}).values()
        return next((one.principal_id for one in assigned if (one.client_id or "").lower() == client_id.lower()), None)


class _SiteProperties(_Model):
    state: str
    default_host_name: str


class FunctionApp(_Model):
    """A Function App (Microsoft.Web/sites)."""

    id: str
    properties: _SiteProperties
    identity: ResourceIdentity | None = None


class AppSettings(_Model):
    """The settings of a Function App; values may be secrets."""

    properties: dict[str, str]


class Endpoints(_Model):
    """The URLs of a storage account's services."""

    blob: str | None = None
    queue: str | None = None
    table: str | None = None


class _StorageProperties(_Model):
    primary_endpoints: Endpoints


class StorageAccount(_Model):
    """A storage account (Microsoft.Storage/storageAccounts)."""

    id: str
    name: str
    properties: _StorageProperties


class FamilyQuota(_Model):
    """How many dedicated cores of a VM family a Batch account may use."""

    name: str
    core_quota: int


class Quotas(_Model):
    """How many cores a Batch account may use: Spot, dedicated, and dedicated ones by VM family.

    None: the account has no such quota, as one that makes its nodes in the user's own subscription.
    """

    low_priority_core_quota: int | None = None
    dedicated_core_quota: int | None = None
    dedicated_core_quota_per_vm_family: tuple[FamilyQuota, ...] | None = msgspec.field(
        default=None, name="dedicatedCoreQuotaPerVMFamily"
    )
    dedicated_core_quota_per_vm_family_enforced: bool | None = msgspec.field(
        default=None, name="dedicatedCoreQuotaPerVMFamilyEnforced"
    )

    def dedicated(self, family: str) -> int | None:
        """Return the quota that binds dedicated nodes of a VM family; None: there is none."""
        total = self.dedicated_core_quota
        if not self.dedicated_core_quota_per_vm_family_enforced:
            return total
        by_family = {one.name.lower(): one.core_quota for one in self.dedicated_core_quota_per_vm_family or ()}
        # Of a family that is not listed the account may use none.
        of_family = by_family.get(family.lower(), 0)
        return of_family if total is None else min(of_family, total)


class _BatchProperties(Quotas, kw_only=True):
    account_endpoint: str


class BatchAccount(_Model):
    """A Batch account (Microsoft.Batch/batchAccounts)."""

    id: str
    name: str
    location: str
    properties: _BatchProperties


class _Capability(_Model):
    name: str
    value: str


class VmSize(_Model):
    """A VM size that Batch has in a region."""

    name: str
    family_name: str = ""
    capabilities: tuple[_Capability, ...] = ()
    batch_support_end_of_life: datetime | None = None

    @property
    def cores(self) -> int | None:
        """Its cores, as quotas count them; None: it does not say."""
        said = next((one.value for one in self.capabilities if one.name == "vCPUs"), "")
        return int(said) if said.isascii() and said.isdigit() and int(said) else None


class UserIdentity(_Model):
    """A user-assigned identity (Microsoft.ManagedIdentity/userAssignedIdentities)."""

    id: str
    properties: AssignedIdentity


class _AssignmentProperties(_Model):
    role_definition_id: str
    #: Which part of the resource it is about; None: all of it.
    condition: str | None = None


class RoleAssignment(_Model):
    """A role that somebody has at a scope or above it."""

    properties: _AssignmentProperties

    @property
    def role(self) -> str:
        """The GUID of the role, in lower case."""
        return self.properties.role_definition_id.rpartition("/")[2].lower()


class _TopicProperties(_Model):
    source: str | None = None


class SystemTopic(_Model):
    """An Event Grid topic of the events of another resource (Microsoft.EventGrid/systemTopics)."""

    id: str
    name: str
    properties: _TopicProperties


class _DestinationProperties(_Model):
    #: Without the query, which holds the key.
    endpoint_base_url: str | None = None


class Destination(_Model):
    """Where the events of a subscription go."""

    endpoint_type: str | None = None
    properties: _DestinationProperties = msgspec.field(default_factory=_DestinationProperties)


class EventFilter(_Model):
    """Which events a subscription lets in."""

    subject_begins_with: str | None = None
    subject_ends_with: str | None = None
    #: None: all types.
    included_event_types: tuple[str, ...] | None = None
    advanced_filters: tuple[dict[str, object], ...] | None = None


class _SubscriptionProperties(_Model):
    provisioning_state: str | None = None
    expiration_time_utc: datetime | None = None
    destination: Destination | None = None
    filter: EventFilter | None = None


class EventSubscription(_Model):
    """A subscription to a topic's events."""

    name: str
    properties: _SubscriptionProperties
