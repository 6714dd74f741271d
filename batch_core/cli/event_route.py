"""Whether events about new input files get to the app's trigger, and no others: infra/subscription.bicep."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from batch_core.cli.remedies import Finding
from batch_core.services.azure_resources import EventFilter, EventSubscription

_NAME: Final = "event subscription"
_CREATED: Final = "Microsoft.Storage.BlobCreated"
_WEBHOOK: Final = "/runtime/webhooks/blobs"
_MAKE: Final = "have it made, which `azd deploy` does as well"
#: The hook alone: https://learn.microsoft.com/azure/developer/azure-developer-cli/azd-extensibility
MAKE_COMMAND: Final = "azd hooks run postdeploy"


@dataclass(frozen=True, kw_only=True)
class EventRoute:
    """Where events are to come from, and where they are to go."""

    storage_name: str
    input_container: str
    app_host: str
    now: datetime

    def judge(self, subscriptions: Sequence[EventSubscription]) -> Finding:
        """Judge by all subscriptions to the account's events; others may be there for other purposes."""
        ours = [one for one in subscriptions if self._is_ours(one)]
        if not ours:
            detail = f"no event of storage account {self.storage_name} goes to https://{self.app_host}{_WEBHOOK}"
            return _wrong(f"{detail}: files are found by the sweep alone")
        problems = [f"{one.name} {problem}" for one in ours if (problem := self._problem(one))]
        if problems:
            return _wrong("; ".join(problems))
        names = ", ".join(one.name for one in ours)
        narrow = [
            f"{one.name} lets in {limit} only"
            for one in ours
            if (limit := self._limit(one.properties.filter or EventFilter()))
        ]
        return Finding(name=_NAME, is_ok=True, detail="; ".join([f"{names} calls the trigger", *narrow]))

    @property
    def _prefix(self) -> str:
        return f"/blobServices/default/containers/{self.input_container}/"

    def _is_ours(self, subscription: EventSubscription) -> bool:
        destination = subscription.properties.destination
        if destination is None or destination.endpoint_type != "WebHook":
            return False
        url = (destination.properties.endpoint_base_url or "").lower()
        return url.startswith(f"https://{self.app_host.lower()}{_WEBHOOK}")

    def _problem(self, subscription: EventSubscription) -> str | None:
        found = subscription.properties
        rule = found.filter or EventFilter()
        types, subject = rule.included_event_types, rule.subject_begins_with or ""
        if found.provisioning_state != "Succeeded":
            return f"is not in place: {found.provisioning_state or 'its state is not said'}"
        if found.expiration_time_utc is not None and found.expiration_time_utc <= self.now:
            return f"has expired at {found.expiration_time_utc:%Y-%m-%d %H:%M:%S} UTC"
        if types is not None and _CREATED not in types:
            return f"lets in no {_CREATED}"
        if subject.startswith(self._prefix):
            return None
        if self._prefix.startswith(subject):
            return "lets in events of other containers as well: each of them calls the app for nothing"
        return f"lets in {subject!r}, and not the container {self.input_container}"

    def _limit(self, events: EventFilter) -> str:
        subject, ending = events.subject_begins_with or "", events.subject_ends_with
        below = subject.removeprefix(f"{self._prefix}blobs/")
        limits = [
            *([f"files below {below!r}"] if below not in {"", subject} else []),
            *([f"names that end in {ending!r}"] if ending else []),
            *(["what further filters let in"] if events.advanced_filters else []),
        ]
        return " and ".join(limits)


def _wrong(detail: str) -> Finding:
    return Finding(name=_NAME, is_ok=False, detail=detail, remedy=_MAKE, command=MAKE_COMMAND)
