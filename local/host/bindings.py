"""Binding JSON of indexed functions as typed triggers, `%NAME%` resolved from app settings."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from local.host.errors import BindingError
from local.host.worker import Function

_SETTING: Final = re.compile(r"%([^%]+)%")
_DEFAULT_CONNECTION: Final = "AzureWebJobsStorage"


class BlobSource(StrEnum):
    """How a blob trigger learns of new blobs."""

    SCAN = "LogsAndContainerScan"  #: the host lists the container
    EVENT_GRID = "EventGrid"  #: Event Grid posts to the host's webhook


@dataclass(frozen=True, kw_only=True)
class _Trigger:
    function: Function
    parameter: str


@dataclass(frozen=True, kw_only=True)
class HttpTrigger(_Trigger):
    """`route` without the prefix; no `methods` means any."""

    route: str
    methods: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class TimerTrigger(_Trigger):
    """`schedule` is NCRONTAB with seconds, or a period `hh:mm:ss`."""

    schedule: str
    run_on_startup: bool
    use_monitor: bool


@dataclass(frozen=True, kw_only=True)
class BlobTrigger(_Trigger):
    """`path` is `container/pattern`; `deferred` parameters get a client, not the content."""

    path: str
    connection: str
    source: BlobSource
    deferred: bool
    binary: bool


@dataclass(frozen=True, kw_only=True)
class QueueTrigger(_Trigger):
    """Messages of `queue`, in the account of the setting `connection`."""

    queue: str
    connection: str


type Trigger = HttpTrigger | TimerTrigger | BlobTrigger | QueueTrigger


def is_disabled(function: Function, settings: Mapping[str, str]) -> bool:
    """Return whether the app settings disable a function.

    https://learn.microsoft.com/azure/azure-functions/disable-function
    """
    # A dot is not allowed in a variable's name everywhere: the real host takes the other form, too.
    names = (f"AzureWebJobs.{function.name}.Disabled", f"AzureWebJobs_{function.name}_Disabled")
    return any(settings.get(name, "").strip().lower() in {"true", "1"} for name in names)


def trigger_of(function: Function, settings: Mapping[str, str]) -> Trigger:
    """Return the trigger of a function; raise BindingError, which leaves this function in error alone."""
    bindings = [_Binding(json, settings) for json in function.bindings]
    trigger, *others = sorted(bindings, key=lambda b: not b.type.endswith("trigger"))
    for other in others:
        if not (trigger.type == "httptrigger" and other.type == "http"):
            raise BindingError(f"this host has no binding of type {other.text('type')!r}")
    return trigger.as_trigger(function)


class _Binding:
    def __init__(self, json: Mapping[str, object], settings: Mapping[str, str]) -> None:
        self._json = json
        self._settings = settings
        self.type = self.text("type").lower()

    def text(self, key: str, default: str = "") -> str:
        value = str(self._json.get(key) or default)
        return _SETTING.sub(self._setting, value)

    def _setting(self, match: re.Match[str]) -> str:
        value = self._settings.get(match[1])
        if not value:
            raise BindingError(f"the app setting {match[1]!r} is not set")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        value = self._json.get(key)
        return default if value is None else bool(value)

    def as_trigger(self, function: Function) -> Trigger:
        match self.type:
            case "httptrigger":
                return self._http(function)
            case "timertrigger":
                return self._timer(function)
            case "blobtrigger":
                return self._blob(function)
            case "queuetrigger":
                return self._queue(function)
        raise BindingError(f"this host has no trigger of type {self.text('type')!r}")

    def _http(self, function: Function) -> HttpTrigger:
        methods = self._json.get("methods")
        named = methods if isinstance(methods, list) else []
        return HttpTrigger(
            function=function,
            parameter=self.text("name"),
            route=self.text("route", function.name),
            methods=frozenset(str(method).upper() for method in named),
        )

    def _timer(self, function: Function) -> TimerTrigger:
        return TimerTrigger(
            function=function,
            parameter=self.text("name"),
            schedule=self.text("schedule"),
            run_on_startup=self.flag("runOnStartup", default=False),
            use_monitor=self.flag("useMonitor", default=True),
        )

    def _blob(self, function: Function) -> BlobTrigger:
        properties = self._json.get("properties")
        deferred = isinstance(properties, dict) and bool(properties.get("SupportsDeferredBinding"))
        return BlobTrigger(
            function=function,
            parameter=self.text("name"),
            path=self.text("path"),
            connection=self.text("connection", _DEFAULT_CONNECTION),
            source=self._blob_source(),
            deferred=deferred,
            binary=self.text("dataType").lower() == "binary",
        )

    def _blob_source(self) -> BlobSource:
        value = self.text("source", BlobSource.SCAN)
        try:
            return BlobSource(value)
        except ValueError as exc:
            known = " or ".join(BlobSource)
            raise BindingError(f"the source of a blob trigger is {known}, not {value!r}") from exc

    def _queue(self, function: Function) -> QueueTrigger:
        return QueueTrigger(
            function=function,
            parameter=self.text("name"),
            queue=self.text("queueName"),
            connection=self.text("connection", _DEFAULT_CONNECTION),
        )
