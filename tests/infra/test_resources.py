"""Resource types, API versions, properties and roles are those that Azure has."""

import re

import pytest

from tests.infra.bicep import FILES, properties, source, template, value_of
from tests.infra.management_models import MODELS, ROLES, TABLE, api_version, unknown

RESOURCES = [(file.name, one) for file in FILES for one in template(file.name).resources.values()]
#: Said of a resource itself, beside what its model says of it.
OF_BICEP = {"name", "parent", "scope", "dependsOn"}


class Anything(dict):
    """Whatever a name is worth here, it is a text: properties are compared, not values."""

    def __contains__(self, text):
        return not text.startswith(("{", "[", "'", "union(", "(")) and not text.isdigit()

    def __getitem__(self, text):
        return {} if text == "tags" else text


def ids(found):
    return [f"{name}-{one.name}" for name, one in found]


@pytest.mark.parametrize(("name", "resource"), RESOURCES, ids=ids(RESOURCES))
def test_every_type_and_api_version_is_one_that_an_sdk_or_the_table_names(name, resource):
    if resource.resource_type in MODELS:
        assert resource.api_version == api_version(MODELS[resource.resource_type][0])
    else:
        version, _, page = TABLE[resource.resource_type]
        assert resource.api_version == version
        assert page.startswith("https://learn.microsoft.com/azure/templates/microsoft.")


MADE = [(name, one) for name, one in RESOURCES if not one.is_existing]


@pytest.mark.parametrize(("name", "resource"), MADE, ids=ids(MADE))
def test_every_property_is_one_that_azure_knows(name, resource):
    body = {key: node for key, node in properties(resource.body).items() if key not in OF_BICEP}
    if resource.resource_type == "Microsoft.Web/sites/config":
        body = {}  # app settings have names of their own: test_app_settings.py
    value = {key: value_of(node, Anything()) for key, node in body.items()}
    if resource.resource_type in MODELS:
        assert list(unknown(*MODELS[resource.resource_type], value)) == []
    else:
        _, known, _ = TABLE[resource.resource_type]
        assert set(value) <= {"location", "tags", "kind", "properties"}
        assert set(paths(value.get("properties", {}))) <= known


def paths(value, where=""):
    for name, inner in value.items():
        yield where + name
        if isinstance(inner, dict):
            yield from paths(inner, f"{where}{name}.")


def test_a_property_that_azure_does_not_know_is_found():
    package, model = MODELS["Microsoft.Batch/batchAccounts/pools"]
    wrong = {"properties": {"vmsize": "x", "scaleSettings": {"fixedScale": {"targetNodes": 1}}}}
    assert list(unknown(package, model, wrong)) == [
        "properties.vmsize is no property of PoolProperties",
        "properties.scaleSettings.fixedScale.targetNodes is no property of FixedScaleSettings",
    ]
    package, model = MODELS["Microsoft.EventGrid/systemTopics/eventSubscriptions"]
    wrong = {
        "properties": {"filter": {"subjectStartsWith": "/"}, "destination": {"endpointType": "WebHook", "url": ""}}
    }
    found = list(unknown(package, model, wrong))
    assert [one.split()[0] for one in found] == ["properties.filter.subjectStartsWith", "properties.destination.url"]


def test_every_role_is_a_built_in_one_and_called_as_in_azure():
    found = {}
    for file in FILES:
        for name, one in template(file.name).of("variable").items():
            if re.fullmatch(r"'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'", source(one.value)):
                found[source(one.value).strip("'")] = name
    assert set(found) == set(ROLES)
    for guid, name in found.items():
        words = ROLES[guid].removeprefix("Azure ").removeprefix("Storage ").removeprefix("Monitoring ")
        assert name.lower() == words.replace(" ", "").lower()


def test_models_are_at_hand_for_all_that_is_not_small():
    assert set(MODELS) | set(TABLE) == {one.resource_type for _, one in RESOURCES}
