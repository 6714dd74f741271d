"""What Azure Resource Manager knows: by the models of its SDKs, or by a table with its sources."""

import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

#: The model of a resource that is put, by its type; the API version is the package's own.
MODELS = {
    "Microsoft.Batch/batchAccounts": ("azure.mgmt.batch", "BatchAccountCreateParameters"),
    "Microsoft.Batch/batchAccounts/pools": ("azure.mgmt.batch", "Pool"),
    "Microsoft.Storage/storageAccounts": ("azure.mgmt.storage", "StorageAccountCreateParameters"),
    "Microsoft.Storage/storageAccounts/blobServices": ("azure.mgmt.storage", "BlobServiceProperties"),
    "Microsoft.Storage/storageAccounts/blobServices/containers": ("azure.mgmt.storage", "BlobContainer"),
    "Microsoft.Storage/storageAccounts/queueServices": ("azure.mgmt.storage", "QueueServiceProperties"),
    "Microsoft.Storage/storageAccounts/queueServices/queues": ("azure.mgmt.storage", "StorageQueue"),
    "Microsoft.Storage/storageAccounts/tableServices": ("azure.mgmt.storage", "TableServiceProperties"),
    "Microsoft.Storage/storageAccounts/tableServices/tables": ("azure.mgmt.storage", "Table"),
    "Microsoft.Web/serverfarms": ("azure.mgmt.web", "AppServicePlan"),
    "Microsoft.Web/sites": ("azure.mgmt.web", "Site"),
    "Microsoft.Web/sites/config": ("azure.mgmt.web", "StringDictionary"),
    "Microsoft.EventGrid/systemTopics": ("azure.mgmt.eventgrid", "SystemTopic"),
    "Microsoft.EventGrid/systemTopics/eventSubscriptions": ("azure.mgmt.eventgrid", "EventSubscription"),
}

#: What a class of models leaves to its subclasses, by the property that says which one it is.
SUBCLASSES = {"EventSubscriptionDestination": {"WebHook": "WebHookEventSubscriptionDestination"}}

_TEMPLATES = "https://learn.microsoft.com/azure/templates"
#: Small resources, of which an SDK of 10 MB would be read for a line or two: API version, properties, source.
TABLE = {
    "Microsoft.Resources/resourceGroups": ("2024-03-01", set(), f"{_TEMPLATES}/microsoft.resources/resourcegroups"),
    "Microsoft.ManagedIdentity/userAssignedIdentities": (
        "2024-11-30",
        set(),
        f"{_TEMPLATES}/microsoft.managedidentity/userassignedidentities",
    ),
    "Microsoft.OperationalInsights/workspaces": (
        "2025-07-01",
        {"sku", "sku.name", "retentionInDays"},
        f"{_TEMPLATES}/microsoft.operationalinsights/workspaces",
    ),
    "Microsoft.Insights/components": (
        "2020-02-02",
        {"Application_Type", "WorkspaceResourceId", "DisableLocalAuth"},
        f"{_TEMPLATES}/microsoft.insights/components",
    ),
    "Microsoft.Insights/actionGroups": (
        "2023-01-01",
        {"groupShortName", "enabled", "emailReceivers"},
        f"{_TEMPLATES}/microsoft.insights/2023-01-01/actiongroups",
    ),
    "Microsoft.Insights/scheduledQueryRules": (
        "2021-08-01",
        {
            *("displayName", "description", "severity", "enabled", "autoMitigate", "scopes", "evaluationFrequency"),
            *("windowSize", "criteria", "criteria.allOf", "actions", "actions.actionGroups"),
        },
        f"{_TEMPLATES}/microsoft.insights/2021-08-01/scheduledqueryrules",
    ),
    "Microsoft.Authorization/roleAssignments": (
        "2022-04-01",
        {"principalId", "principalType", "roleDefinitionId"},
        f"{_TEMPLATES}/microsoft.authorization/roleassignments",
    ),
}

#: The roles that are assigned, by their ids: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
ROLES = {
    "6aaa78f1-f7de-44ca-8722-c64a23943cae": "Azure Batch Data Contributor",
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": "Storage Blob Data Reader",
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Storage Queue Data Contributor",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
}


def api_version(package: str) -> str:
    """Return the API version that an SDK's client asks for by default."""
    configuration = import_module(f"{package}._configuration")
    (found,) = set(re.findall(r'"api_version", "([0-9-]+(?:-preview)?)"', _text(configuration)))
    return found


def unknown(package: str, model: str, value: Any, where: str = "") -> Iterator[str]:
    """Yield the properties of a value that the model, or one within it, has not."""
    models = import_module(f"{package}.models")
    if isinstance(value, list):
        for one in value:
            yield from unknown(package, model, one, where)
    elif isinstance(value, dict):
        kind = value.get("endpointType")
        fields = _fields(models, SUBCLASSES.get(model, {}).get(kind, model))
        for name, inner in value.items():
            path = f"{where}.{name}".lstrip(".")
            if name not in fields:
                yield f"{path} is no property of {model}"
            elif isinstance(fields[name], dict):
                yield from _unknown_among(package, fields[name], inner, path)
            elif fields[name]:
                yield from unknown(package, fields[name], inner, path)


def _unknown_among(package: str, fields: dict[str, Any], value: Any, where: str) -> Iterator[str]:
    for name, inner in value.items():
        if name not in fields:
            yield f"{where}.{name} is no property"
        elif fields[name]:
            yield from unknown(package, fields[name], inner, f"{where}.{name}")


def _fields(models: Any, model: str) -> dict[str, Any]:
    """Return the model of each property by its name on the wire; "" for a plain value or a map of free names.

    Older SDKs flatten `properties`: then these are a dict of their own.
    """
    of = getattr(models, model)
    if hasattr(of, "_attribute_map"):
        found: dict[str, Any] = {}
        for field in of._attribute_map.values():
            outer, _, inner = field["key"].partition(".")
            kind = re.sub(r"^\[(.*)\]$", r"\1", field["type"])
            kind = kind if hasattr(models, kind) and not _is_enum(models, kind) else ""
            if inner:
                found.setdefault(outer, {})[inner] = kind
            else:
                found[outer] = kind
        return found
    of({})  # a model of this kind learns its fields when the first of it is made
    annotations = {
        name: note for base in reversed(of.__mro__) for name, note in vars(base).get("__annotations__", {}).items()
    }
    return {
        field._rest_name: _model_within(models, annotations.get(name, ""))
        for name, field in of._attr_to_rest_field.items()
    }


def _model_within(models: Any, annotation: Any) -> str:
    text = str(annotation)
    if text.startswith(("dict[", "typing.Optional[dict[")) or "Dict[" in text:
        return ""
    names = [name for name in re.findall(r"_models\.(\w+)", text) if hasattr(models, name)]
    return names[0] if names and not _is_enum(models, names[0]) else ""


def _is_enum(models: Any, name: str) -> bool:
    return hasattr(getattr(models, name), "__members__")


def _text(module: Any) -> str:
    with open(module.__file__, encoding="utf-8") as file:  # noqa: PTH123
        return file.read()
