"""What a person does about what is wrong."""

import re
from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at: whether it is right, what was seen, and what to do if it is wrong.

    `is_ok` is None of what is not judged: `is_note`, it is only named; else it is not known. `command` is for a shell,
    and does what `remedy` says.
    """

    name: str
    is_ok: bool | None
    detail: str
    remedy: str | None = None
    command: str | None = None
    is_note: bool = False

    @classmethod
    def note(cls, name: str, detail: str) -> "Finding":
        """Return what is named and not judged."""
        return cls(name=name, is_ok=None, detail=detail, is_note=True)

    @property
    def is_wrong(self) -> bool:
        return self.is_ok is False

    @property
    def is_unknown(self) -> bool:
        return self.is_ok is None and not self.is_note

    @property
    def mark(self) -> str:
        """The word for it in a list."""
        if self.is_ok is None:
            return "-" if self.is_note else "unknown"
        return "ok" if self.is_ok else "WRONG"


@dataclass(frozen=True, kw_only=True)
class Remedies:
    """What helps, where that depends on what has made the app's resources."""

    make: str
    existing_pool: str
    storage_access: str
    batch_access: str
    image: str
    quota: str
    functions: str
    no_event: str


#: Resources that `batchdrop setup` has made, or a person.
OWN: Final = Remedies(
    make="`batchdrop setup` makes what is missing",
    existing_pool=(
        "make the pool, or have `batchdrop setup` make it: set POOL_EXISTING to false, or leave out `existing` in"
        " routes.toml"
    ),
    storage_access=(
        "check the key in DATA_STORAGE; an identity needs the roles Storage Blob Data Contributor, Storage Table Data"
        " Contributor and, for events, Storage Queue Data Contributor of the account"
    ),
    batch_access=(
        "check BATCH_ACCOUNT_NAME and BATCH_ACCOUNT_KEY; an identity needs the role Azure Batch Data Contributor of the"
        " account"
    ),
    image=(
        "set POOL_IMAGE and POOL_NODE_AGENT_SKU to a pair that Batch lists, delete the pool, and run `batchdrop setup`"
    ),
    quota=(
        "ask for more cores of this VM family (in the portal: Batch account, Quotas), or set POOL_VM_SIZE or"
        " POOL_NODE_COUNT to less"
    ),
    functions=(
        "start the app: `make up` on this machine; on Azure, see that the Function App runs with these settings"
    ),
    no_event="add the event subscription of docs/operations.md; Azurite sends no events",
)
#: azd skips what has not changed: https://github.com/Azure/azure-dev/blob/main/cli/azd/docs/provision-state.md
AZD_PROVISION: Final = "azd provision --no-state"
#: Resources that Bicep has made, by `azd`.
AZD: Final = Remedies(
    make=f"`{AZD_PROVISION}` makes what is missing",
    existing_pool=f"`{AZD_PROVISION}` makes the pool; `batchdrop setup` leaves it alone",
    storage_access="you need a role of the storage account",
    batch_access="you need a role of the Batch account",
    image=(
        "write a pair that Batch lists into infra/pool.bicep, delete the pool while nothing runs, and run"
        f" `{AZD_PROVISION}`"
    ),
    quota=(
        "ask for more cores of this VM family (in the portal: Batch account, Quotas), or have fewer nodes:"
        " `azd env set BATCHDROP_MAX_NODES NUMBER`, then `azd up`"
    ),
    functions="see the app's log stream in the portal for why it does not start; `azd deploy` deploys it again",
    no_event="the event subscription is there after `azd deploy`; its deliveries are on the topic's page in the portal",
)
_START_TASK: Final = "look at the start task's output on a node, mend its command, and make the pool again"
_NODES: Final = "give the pool nodes: resize it, or set `scale` in routes.toml"
_SCANNED: Final = (
    "see that the Function App runs and reads this storage account; on the Flex Consumption plan set"
    " BLOB_TRIGGER_SOURCE to EventGrid"
)
_SETTINGS: Final = "correct them where they were read from; docs/settings.md explains each"


def _remedies(of: Remedies) -> tuple[tuple[str, str, str], ...]:
    """Return what to do by the name of a finding and its detail: the first that matches both counts."""
    return (
        (r".*", r"nothing listens", "start the local stack (`make up`), or correct the address in the settings"),
        (r"batch.*|pool.*", r"HTTP 40[13]", of.batch_access),
        (r".*", r"HTTP 40[13]", of.storage_access),
        (r"pool.*", r"it is to exist already", of.existing_pool),
        (
            r"(input|output) container|table|open work|output writing|pool.*|events|event sending",
            r"HTTP 404|does not exist|is no pool",
            of.make,
        ),
        (r"image.*|pool.*", r"does not list the image|has no node agent|the node agent of", of.image),
        (r"core quota.*|pool.*", r"(?i)quota", of.quota),
        (r"pool.*", r"start task", _START_TASK),
        (r"pool.*", r"no nodes", _NODES),
        (r"functions", r".*", of.functions),
        (r"event source", r"EventGrid", of.no_event),
        (r"event source", r".*", _SCANNED),
        (r"routes", r".*", "mend the file: `batchdrop routes check` shows every problem"),
        (r"settings", r".*", _SETTINGS),
        (r"clock", r".*", "let the machine set its clock by NTP"),
        (r"hand-over", r".*", "the reason is Batch's own: files are handed over when it is gone"),
        (r".*", r"no answer within", "see that no firewall or proxy keeps this machine from the service"),
    )


def with_remedy(finding: Finding, of: Remedies = OWN) -> Finding:
    """Return the finding with what to do about it, if it is wrong and that is known."""
    if not finding.is_wrong or finding.remedy:
        return finding
    fitting = (
        remedy
        for name, detail, remedy in _remedies(of)
        if re.fullmatch(name, finding.name) and re.search(detail, finding.detail)
    )
    return replace(finding, remedy=next(fitting, None))
