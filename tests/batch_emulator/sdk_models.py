"""Checks replies against the model types of the SDK: names, required properties, types, enumerations."""

import types
import typing
from datetime import datetime, timedelta
from enum import Enum
from functools import cache

import azure.batch.models
import isodate
from azure.batch import BatchClient
from azure.batch._utils.model_base import Model
from azure.batch.models import BatchError

#: Where the service itself differs from the SDK's models, by recordings of the real service.
SERVICE_DIFFERS = {
    "BatchApplication.displayName": "required by the model, shown for applications that have one only",
    "BatchJobSchedulingError.category": "written ServerError; the enumeration is read without case",
    "BatchNode.endpointConfiguration": "required by the model, shown for nodes of pools with NAT pools only",
    "BatchNode.ipv6Address": "required by the model, shown for nodes of pools with IPv6 only",
    "BatchNode.lastBootTime": "required by the model, shown when a node has booted",
    "BatchNode.nodeAgentInfo": "required by the model, shown when a node has booted",
    "BatchNodePlacementConfiguration.policy": "written Zonal; the enumeration is read without case",
    "BatchOsDisk.caching": "written ReadWrite; the enumeration is read without case",
    "BatchPublicIpAddressConfiguration.provision": "written BatchManaged; the enumeration is read without case",
    "BatchTaskCreateResult.status": "written Success, Clienterror; the enumeration is read without case",
    "BatchTaskFailureInfo.category": "written UserError where the service itself ends a task",
    "BatchTaskSchedulingPolicy.nodeFillType": "written Spread, Pack; the enumeration is read without case",
    "OutputFileUploadConfiguration.uploadCondition": "written TaskCompletion; the enumeration is read without case",
    "SecurityProfile.securityType": "written confidentialvm; the enumeration is read without case",
    "UserAccount.password": "required by the model, never shown",
}

_MODELS = vars(azure.batch.models._models) | {"_models": azure.batch.models}
#: Items of a list that are looked at: more would only cost time.
_MOST_ITEMS = 25


def problems_of_reply(operation, body, *, selected):
    """Return what is wrong with the body of a successful reply; `selected` excuses what is missing."""
    model, is_list = answer_of(operation)
    if model is None:
        return [f"{operation} has no body"]
    if not is_list:
        return problems(model, _without_metadata(body), selected=selected)
    extra = [f"{operation}: {name}" for name in body if name not in {"odata.metadata", "odata.nextLink", "value"}]
    return extra + [found for item in body["value"][:_MOST_ITEMS] for found in problems(model, item, selected=selected)]


def problems_of_error(body):
    return problems(BatchError, _without_metadata(body))


def _without_metadata(body):
    return {name: value for name, value in body.items() if name != "odata.metadata"}


@cache
def answer_of(operation):
    """Return the model of an operation's JSON answer, None without one, and whether a list of it is answered."""
    function = getattr(BatchClient, operation, None) or getattr(BatchClient, f"begin_{operation}")
    answer = typing.get_type_hints(function, _MODELS)["return"]
    items = typing.get_args(answer)
    model = items[0] if items else answer
    if isinstance(model, typing.ForwardRef | str):
        model = _MODELS[str(getattr(model, "__forward_arg__", model)).rpartition(".")[2]]
    return (model, bool(items)) if _is_model(model) else (None, False)


@cache
def _properties(model):
    """Return the type and the format of each property by its name on the wire."""
    model({})  # the first instance fills in the class
    hints = typing.get_type_hints(model, _MODELS)
    return {field._rest_name: (hints[name], field._format) for name, field in model._attr_to_rest_field.items()}


def problems(model, value, *, selected=False):
    """Return how a JSON value differs from a model, each as `Model.property: what`."""
    if not isinstance(value, dict):
        return [f"{model.__name__}: {value!r} is no object"]
    properties = _properties(model)
    found = [f"unknown {name}" for name in value.keys() - properties.keys()]
    if not selected:
        found += [f"missing {name}" for name in _required(model) - value.keys()]
    known = [(name, value[name], *properties[name]) for name in value.keys() & properties.keys()]
    found += [f"{name}: {item!r}" for name, item, hint, form in known if not _fits(hint, form, item)]
    deeper = [problem for _, item, hint, _ in known for problem in _nested(hint, item)]
    return [f"{model.__name__}.{problem}" for problem in found if not _is_known(model, problem)] + deeper


def _is_known(model, problem):
    name = problem.removeprefix("unknown ").removeprefix("missing ").partition(":")[0]
    return f"{model.__name__}.{name}" in SERVICE_DIFFERS


@cache
def _required(model):
    return {name for name, (hint, _) in _properties(model).items() if type(None) not in typing.get_args(hint)}


def _choices(hint):
    return [choice for choice in typing.get_args(hint) or [hint] if choice is not type(None)]


def _is_union(hint):
    return typing.get_origin(hint) in {typing.Union, types.UnionType}


def _nested(hint, value):
    """Return the problems of the models inside a value."""
    if _is_union(hint):
        return [problem for choice in _choices(hint) for problem in _nested(choice, value)]
    if typing.get_origin(hint) is list and isinstance(value, list):
        return [problem for item in value[:_MOST_ITEMS] for problem in _nested(typing.get_args(hint)[0], item)]
    return problems(hint, value) if _is_model(hint) and isinstance(value, dict) else []


def _is_model(hint):
    return isinstance(hint, type) and issubclass(hint, Model)


def _fits(hint, form, value):
    if _is_union(hint):
        choices = _choices(hint)
        enumerations = [choice for choice in choices if isinstance(choice, type) and issubclass(choice, Enum)]
        # A text beside an enumeration only says that newer services may know more values.
        return any(_fits(choice, form, value) for choice in enumerations or choices)
    match typing.get_origin(hint):
        case types.GenericAlias | None:
            return _fits_plainly(hint, form, value)
        case origin if origin is list:
            return isinstance(value, list) and all(_fits(typing.get_args(hint)[0], form, item) for item in value)
        case origin if origin is dict:
            return isinstance(value, dict)
    return False


def _fits_plainly(hint, form, value):
    if hint is typing.Any:
        return True
    if _is_model(hint):
        return isinstance(value, dict)
    if issubclass(hint, Enum):
        return value in {member.value for member in hint}
    if hint is int and form == "str":
        return isinstance(value, str) and value.isdigit()
    return _PLAIN[hint](value)


def _reads(parse, value):
    try:
        parse(value)
    except ValueError:
        return False
    return True


_PLAIN = {
    str: lambda value: isinstance(value, str),
    bool: lambda value: isinstance(value, bool),
    int: lambda value: isinstance(value, int) and not isinstance(value, bool),
    float: lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    bytes: lambda value: isinstance(value, str),
    datetime: lambda value: isinstance(value, str) and value.endswith("Z") and _reads(datetime.fromisoformat, value),
    timedelta: lambda value: isinstance(value, str) and _reads(isodate.parse_duration, value),
}
