"""What a person does about what is wrong."""

import re
from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at: whether it is right, what was seen, and what to do if it is wrong.

    `is_ok` is None of what is not judged: `is_note`, it is only named; else it is not known.
    """

    name: str
    is_ok: bool | None
    detail: str
    remedy: str | None = None
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


_STORAGE_ACCESS: Final = (
    "check the key in DATA_STORAGE; an identity needs the roles Storage Blob Data Owner, Storage Queue Data Contributor"
    " and Storage Table Data Contributor of the account"
)
_BATCH_ACCESS: Final = (
    "check BATCH_ACCOUNT_NAME and BATCH_ACCOUNT_KEY; an identity needs the role Azure Batch Data Contributor of the"
    " account"
)
_SETUP: Final = "`batchdrop setup` makes what is missing"
_IMAGE: Final = (
    "set POOL_IMAGE and POOL_NODE_AGENT_SKU to a pair that Batch lists, delete the pool, and run `batchdrop setup`"
)
_QUOTA: Final = (
    "ask for more cores of this VM family (in the portal: Batch account, Quotas), or set POOL_VM_SIZE or"
    " POOL_NODE_COUNT to less"
)
_START_TASK: Final = "look at the start task's output on a node, mend its command, and make the pool again"
_NODES: Final = "give the pool nodes: resize it, or set `scale` in routes.toml"
_FUNCTIONS: Final = (
    "start the app: `make up` on this machine; on Azure, see that the Function App runs with these settings"
)
_EVENTS: Final = (
    "see that the Function App runs and reads this storage account; on the Flex Consumption plan set"
    " BLOB_TRIGGER_SOURCE to EventGrid"
)
_SUBSCRIPTION: Final = "add the event subscription of docs/operations.md; Azurite sends no events"
_SETTINGS: Final = "correct them where they were read from; docs/settings.md explains each"
#: By the name of a finding and its detail, the first that matches.
_REMEDIES: Final = (
    (r".*", r"nothing listens", "start the local stack (`make up`), or correct the address in the settings"),
    (r"batch.*|pool.*", r"HTTP 40[13]", _BATCH_ACCESS),
    (r".*", r"HTTP 40[13]", _STORAGE_ACCESS),
    (
        r"(input|output) container|table|open work|output writing|pool.*|events|event sending",
        r"HTTP 404|does not exist|is no pool",
        _SETUP,
    ),
    (r"image.*|pool.*", r"does not list the image|has no node agent|the node agent of", _IMAGE),
    (r"core quota.*|pool.*", r"(?i)quota", _QUOTA),
    (r"pool.*", r"start task", _START_TASK),
    (r"pool.*", r"no nodes", _NODES),
    (r"functions", r".*", _FUNCTIONS),
    (r"event source", r"EventGrid", _SUBSCRIPTION),
    (r"event source", r".*", _EVENTS),
    (r"routes", r".*", "mend the file: `batchdrop routes check` shows every problem"),
    (r"settings", r".*", _SETTINGS),
    (r"clock", r".*", "let the machine set its clock by NTP"),
    (r"hand-over", r".*", "the reason is Batch's own: files are handed over when it is gone"),
    (r".*", r"no answer within", "see that no firewall or proxy keeps this machine from the service"),
)


def with_remedy(finding: Finding) -> Finding:
    """Return the finding with what to do about it, if it is wrong and that is known."""
    if not finding.is_wrong or finding.remedy:
        return finding
    fitting = (
        remedy
        for name, detail, remedy in _REMEDIES
        if re.fullmatch(name, finding.name) and re.search(detail, finding.detail)
    )
    return replace(finding, remedy=next(fitting, None))
