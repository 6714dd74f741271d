"""Properties of Batch's REST API that an operator gives verbatim: checked by the SDK's models, merged into a body.

https://learn.microsoft.com/rest/api/batchservice/tasks/create-task-collection and .../pools/create-pool name them.
"""

import typing
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final

import azure.batch.models
import isodate
from azure.batch.models import BatchPoolCreateOptions, BatchTaskCreateOptions

from batch_core.config.verbatim import BatchKind
from batch_core.problems import instead
from batch_core.redaction import shown

_MODELS: Final[Mapping[BatchKind, type[Any]]] = {
    BatchKind.TASK: BatchTaskCreateOptions,
    BatchKind.POOL: BatchPoolCreateOptions,
}
#: What the words of routes.toml say of tasks and pools, and which word that is; empty: the app decides on it.
_WORDS: Final[Mapping[BatchKind, Mapping[str, str]]] = {
    BatchKind.TASK: {
        "id": "",
        "commandLine": "command",
        "resourceFiles": "resources",
        "outputFiles": "outputs",
        "environmentSettings": "environment",
        "constraints": "timeout, retention or retries",
        "requiredSlots": "slots",
        "userIdentity.autoUser": "run_as or elevated",
        "containerSettings.imageName": "image",
        "containerSettings.containerRunOptions": "image_options",
        "containerSettings.registry": "image_identity",
    },
    BatchKind.POOL: {
        "id": "",
        "vmSize": "vm_size",
        "virtualMachineConfiguration.imageReference": "image",
        "virtualMachineConfiguration.nodeAgentSKUId": "node_agent",
        "virtualMachineConfiguration.containerConfiguration.type": "container_images",
        "virtualMachineConfiguration.containerConfiguration.containerImageNames": "container_images",
        "targetDedicatedNodes": "nodes or scale",
        "targetLowPriorityNodes": "scale",
        "enableAutoScale": "formula",
        "autoScaleFormula": "formula",
        "taskSlotsPerNode": "slots_per_node",
        "taskSchedulingPolicy.nodeFillType": "fill",
        "startTask.commandLine": "start_task",
        "startTask.userIdentity.autoUser": "start_task",
        "applicationPackageReferences": "packages",
        "networkConfiguration.subnetId": "subnet",
        "enableInterNodeCommunication": "inter_node",
    },
}
#: Tables that say nothing without a word beside them.
_NEEDED_WORDS: Final[Mapping[BatchKind, Mapping[str, str]]] = {
    BatchKind.TASK: {"containerSettings": "image"},
    BatchKind.POOL: {
        "startTask": "start_task",
        "virtualMachineConfiguration.containerConfiguration": "container_images",
    },
}
_RULES: Final[Mapping[type, str]] = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    timedelta: "an ISO 8601 duration such as PT20M",
    datetime: "a time such as 2026-11-30T12:00:00Z",
}


def problems(kind: BatchKind, item: Mapping[str, object]) -> list[str]:
    """Return what is wrong with the `batch` table of a route or a pool, each as the end of a sentence.

    `item` is the whole route or pool as the file says it. No value is shown but those of enumerations: others may be
    secrets.
    """
    table = item.get("batch")
    if not isinstance(table, dict):
        return []
    return list(_Check(kind, item).model(_MODELS[kind], table, ""))


def completed[T: (BatchTaskCreateOptions, BatchPoolCreateOptions)](options: T, verbatim: Mapping[str, Any]) -> T:
    """Return the body of a request with the properties that were given verbatim."""
    return type(options)(merged(options.as_dict(), verbatim)) if verbatim else options


def merged(document: Mapping[str, Any], verbatim: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body with the properties that were given verbatim: tables within tables, lists one after the other."""
    whole = dict(document)
    for name, value in verbatim.items():
        present = whole.get(name)
        if isinstance(value, Mapping) and isinstance(present, Mapping):
            whole[name] = merged(present, value)
        elif isinstance(value, list) and isinstance(present, list):
            whole[name] = present + value
        else:
            whole[name] = value
    return whole


class _Check:
    """Walks one `batch` table beside the SDK's models."""

    def __init__(self, kind: BatchKind, item: Mapping[str, object]) -> None:
        self._words = _WORDS[kind]
        self._needed = _NEEDED_WORDS[kind]
        self._item = item

    def model(self, model: type[Any], table: Mapping[str, object], path: str) -> Iterator[str]:
        """Yield what is wrong with the properties of a model."""
        properties = _properties(model)
        for name, value in table.items():
            here = f"{path}.{name}" if path else name
            if here in self._words:
                word = self._words[here]
                yield f"batch, {here} has a word of its own: {word}" if word else f"batch, {here} is for the app to say"
            elif name not in properties:
                yield f"batch, {shown(here)} means nothing to Batch: {instead(name, list(properties))}"
            else:
                yield from self._value(properties[name], value, here)
        needed = self._needed.get(path)
        if needed and needed not in self._item:
            yield f"batch, {path} says nothing without {needed}"
        if path:
            yield from self._missing(properties, table, path)

    def _missing(self, properties: Mapping[str, Any], table: Mapping[str, object], path: str) -> Iterator[str]:
        for name, hint in properties.items():
            is_required = type(None) not in typing.get_args(hint)
            if is_required and name not in table and f"{path}.{name}" not in self._words:
                yield f"batch, {path} has no {name}"

    def _value(self, hint: Any, value: object, path: str) -> Iterator[str]:  # noqa: ANN401 - any property's type
        kinds = [kind for kind in typing.get_args(hint) or (hint,) if kind is not type(None)]
        choices = [str(one.value) for kind in kinds for one in _members(kind)]
        if typing.get_origin(hint) is list:
            yield from self._list(typing.get_args(hint)[0], value, path)
        elif choices:
            if value not in choices:
                yield f"batch, {path} is {shown(str(value))}: it must be {', '.join(choices)}"
        elif kinds != [hint]:
            yield from self._value(kinds[0], value, path)
        elif _is_model(hint):
            if isinstance(value, dict):
                yield from self.model(hint, value, path)
            else:
                yield f"batch, {path} must be a table"
        elif not _fits(hint, value):
            yield f"batch, {path} is not valid: it must be {_RULES.get(hint, 'a table of texts')}"

    def _list(self, hint: Any, value: object, path: str) -> Iterator[str]:  # noqa: ANN401 - any property's type
        if not isinstance(value, list):
            yield f"batch, {path} must be a list"
            return
        for number, item in enumerate(value, 1):
            yield from self._value(hint, item, f"{path} {number}")


def _properties(model: type[Any]) -> dict[str, Any]:
    """Return the type of each property by its name on the wire: only the SDK's own tables have it."""
    model({})  # The first instance fills in the class.
    hints = typing.get_type_hints(model, localns={"_models": azure.batch.models})
    return {field._rest_name: hints[name] for name, field in model._attr_to_rest_field.items()}  # noqa: SLF001


def _is_model(kind: Any) -> bool:  # noqa: ANN401 - any property's type
    return isinstance(kind, type) and getattr(azure.batch.models, kind.__name__, None) is kind


def _members(kind: Any) -> list[Enum]:  # noqa: ANN401 - any property's type
    return list(kind) if isinstance(kind, type) and issubclass(kind, Enum) else []


def _fits(kind: Any, value: object) -> bool:  # noqa: ANN401 - any property's type
    if kind is timedelta:
        return isinstance(value, str) and _is_duration(value)
    if kind is datetime:
        return isinstance(value, str) and _is_time(value)
    if kind in {int, float}:
        return isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
    if kind in {str, bool}:
        return isinstance(value, kind)
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


def _is_duration(text: str) -> bool:
    try:
        return isinstance(isodate.parse_duration(text), timedelta)
    except (ValueError, ArithmeticError):
        return False


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
