"""Every Bicep file is Bicep, and its parts fit each other."""

import json

import pytest

from tests.infra.bicep import FILES, INFRA, errors, properties, source, template, walk

NAMES = [file.name for file in FILES]
#: Deployed by themselves, by azd or by infra/scripts/deploy.py.
WHOLE = {"main.bicep", "subscription.bicep"}


@pytest.mark.parametrize("name", NAMES)
def test_every_file_is_bicep(name):
    assert list(errors(template(name).root)) == []
    assert template(name).declarations


def test_one_file_a_concern():
    modules = {one.what for one in template("main.bicep").of("module").values()}
    assert modules | WHOLE == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_used_and_every_name_is_declared_once(name):
    # Outputs have names of their own.
    declared = [one.name for one in template(name).declarations if one.kind != "output"]
    assert len(declared) == len(set(declared))
    used = [source(node) for node in walk(template(name).root) if node.type == "identifier"]
    unused = [one for one in template(name).of("parameter") if used.count(one) < 2]
    assert unused == []


def test_every_module_gets_the_parameters_that_it_asks_for_and_no_others():
    for name, module in template("main.bicep").of("module").items():
        given = set(properties(properties(module.body)["params"]))
        asked = template(module.what).of("parameter")
        assert given <= set(asked), name
        assert {one.name for one in asked.values() if not one.has_default} <= given, name


def test_every_output_of_a_module_that_is_read_is_there():
    text = (INFRA / "main.bicep").read_text()
    for name, module in template("main.bicep").of("module").items():
        read = {
            word.split(".outputs.")[1]
            for word in text.replace("!", "").replace("?", "").replace(",", " ").replace("}", " ").split()
            if word.startswith(f"{name}.outputs.")
        }
        assert read <= set(template(module.what).of("output")), name


def test_azd_gives_only_parameters_that_exist():
    file = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
    asked = template("main.bicep").of("parameter")
    assert set(file) == set(asked)
    # azd leaves out a parameter whose variable is not set: the template's own default counts then.
    assert {name for name, one in asked.items() if not one.has_default} == {"environmentName", "location"}


def test_nothing_is_made_outside_the_environments_own_group():
    """`azd down` deletes each resource group that a resource of the deployment is in."""
    main = template("main.bicep")
    scopes = {source(properties(module.body)["scope"]) for module in main.of("module").values()}
    assert scopes == {"group"}
    assert set(main.resources) == {"group"}
    for name in NAMES:
        text = template(name).path.read_text()
        assert "resourceGroup(" not in text, name
        assert "subscription(" not in text or name == "main.bicep", name
