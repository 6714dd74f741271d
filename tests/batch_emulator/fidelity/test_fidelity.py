"""The claims are sound: what they name exists, and what is printed of them is what they are."""

import ast
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import azure.batch.models
import pytest
from azure.batch import BatchClient

import batch_emulator
from batch_emulator.fidelity.__main__ import main
from batch_emulator.fidelity.document import document
from batch_emulator.fidelity.facts import Kind, Known, facts
from batch_emulator.routes import ROUTES
from tests.batch_emulator.sdk_models import _properties
from tests.batch_emulator.signed import send
from tests.batch_emulator.test_sdk_tests import _OF_THE_SERVICE

SOURCES = Path(batch_emulator.__file__).parent
TESTS = Path(__file__).parents[1]
FACTS = facts()
CLAIMS = [pytest.param(claim, id=f"{claim.area}: {claim.does[:50]}") for claim in FACTS.claims]
WITNESSED = {Known.RECORDING, Known.SDK_TEST}


@cache
def module(path):
    return ast.parse((TESTS / path).read_text(encoding="utf-8"))


@cache
def functions(path):
    found = (each for each in module(path).body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
    return {each.name: each for each in found}


def text_of(test):
    """Return the text of a test, in the fixtures that it takes from its module, and at the module's head."""
    path, _, name = test.partition("::")
    function = functions(path)[name]
    taken = [functions(path)[each.arg] for each in function.args.args if each.arg in functions(path)]
    # Unparsed, since what is written over several lines is one name.
    return "\n".join([ast.get_docstring(module(path)) or "", *map(ast.unparse, [function, *taken])])


def test_all_operations_are_worth_something_and_have_a_claim_on_their_answers():
    worth = [each.name for each in FACTS.operations if each.kind is not Kind.REFUSED]
    assert worth == [route.name for route in ROUTES]
    assert len(worth) == 72
    assert [name for name in worth if not FACTS.about(operation=name)] == []
    assert {name for claim in FACTS.claims for name in claim.operations} <= set(worth)


def test_what_is_simulated_says_how():
    assert all(bool(each.how) is (each.kind is Kind.SIMULATED) for each in FACTS.operations)


@pytest.mark.parametrize("refused", FACTS.operations_of(Kind.REFUSED), ids=lambda each: each.name)
async def test_operations_that_are_gone_are_not_found(url, refused):
    method, path = refused.address
    address = re.sub(r"\{\w+\}", "x", path)
    answer = await send(url, method, address, {"api-version": "2018-12-01.8.0"}, {} if method == "POST" else None)
    assert (answer.status, answer.body["code"]) == (404, "ResourceNotFound")
    assert refused.name not in {route.name for route in ROUTES}


def test_every_area_has_claims_and_none_stands_twice():
    assert {claim.area for claim in FACTS.claims} == set(FACTS.areas)
    assert [claim for claim, count in Counter(FACTS.claims).items() if count > 1] == []


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_claim_has_the_source_that_its_kind_asks_for(claim):
    assert bool(claim.witnesses) is (claim.known in WITNESSED)
    assert bool(claim.url) is (claim.known in {Known.DOCUMENTATION, Known.PUBLIC_REPORT})
    assert claim.url is None or re.fullmatch(r"https://[\w.-]+/\S+", claim.url)
    assert claim.test or claim.known not in WITNESSED


@pytest.mark.parametrize("claim", [each for each in CLAIMS if each.values[0].test])
def test_the_test_of_a_claim_exists(claim):
    path, _, name = claim.test.partition("::")
    assert name in functions(path)


@pytest.mark.parametrize("claim", [each for each in CLAIMS if each.values[0].known is Known.RECORDING])
def test_the_test_of_a_recording_names_it(claim):
    text = text_of(claim.test)
    assert [name for name in claim.witnesses if not re.search(rf"\b{name}\b", text)] == []


@pytest.mark.parametrize("claim", [each for each in CLAIMS if each.values[0].known is Known.SDK_TEST])
def test_a_test_of_the_sdk_is_one_that_is_run_here(claim):
    assert {name.removeprefix("test_batch_") for name in claim.witnesses} <= set(_OF_THE_SERVICE)
    assert claim.test == "test_sdk_tests.py::test_the_sdks_own_test_passes"


@pytest.mark.parametrize("claim", [each for each in CLAIMS if (each.values[0].url or "").endswith("_models.py")])
def test_what_is_named_of_the_sdks_models_is_there(claim):
    model, _, name = claim.at.partition(".")
    assert not name or name in _properties(getattr(azure.batch.models._models, model))


@pytest.mark.parametrize("claim", [each for each in CLAIMS if (each.values[0].url or "").endswith("_operations.py")])
def test_what_is_named_of_the_sdks_operations_is_there(claim):
    assert callable(getattr(BatchClient, claim.at))


def test_codes_that_are_named_are_answered():
    source = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES.rglob("*.py"))
    codes = {claim.at for claim in FACTS.claims if claim.at and (claim.url or "").endswith("error-codes")}
    assert {code for code in codes if f'"{code}"' not in source} == set()


def test_the_counts_that_are_printed_are_those_of_the_claims(capsys):
    assert main([]) == 0
    printed = capsys.readouterr().out
    titles = {title: area for area, title in FACTS.areas.items()}
    rows = re.findall(r"^(\w.*?) {2,}((?:\d+ *)+)$", printed.partition("\n\n")[0], re.MULTILINE)
    assert [title for title, _ in rows] == [*titles, "all"]
    for title, numbers in rows:
        of = [len(FACTS.about(area=titles.get(title), known=known)) for known in Known]
        assert list(map(int, numbers.split())) == [*of, sum(of)]
    operations = [len(FACTS.operations_of(kind)) for kind in Kind]
    assert list(map(int, printed.splitlines()[-1].split())) == operations == [50, 22, 8]


def test_the_command_prints_the_claims_that_are_asked_for(capsys):
    assert main(["--operation", "reboot_node", "--known", "recording"]) == 0
    assert capsys.readouterr().out == (
        "recording      Operations on nodes name themselves\n"
        "               should_reboot_a_compute_node, should_disable_scheduling_on_a_compute_node\n"
        "               test_recordings.py::test_operations_on_nodes_name_themselves_and_no_version\n"
    )
    assert main(["--area", "access"]) == 0
    assert capsys.readouterr().out.count("\nsense ") == len(FACTS.about(area="access", known="sense"))
    assert main(["--operations"]) == 0
    assert "get_node_extension                            simulated: nothing is installed" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["--operation", "no_such"])


def test_the_document_is_made_of_the_claims(capsys):
    written = (SOURCES.parent / "docs" / "fidelity.md").read_text(encoding="utf-8")
    assert main(["--document"]) == 0
    assert written == document(FACTS) == capsys.readouterr().out, "python -m batch_emulator.fidelity --document"


def test_the_readme_counts_as_the_claims_do():
    readme = (SOURCES / "README.md").read_text(encoding="utf-8")
    _, _, rest = readme.partition("\n## Operations\n")
    said = list(map(int, re.findall(r"\d+(?=\s+of\s+them|\s+are\s+refused)", rest.partition("\n## ")[0])))
    assert said == [len(FACTS.operations_of(kind)) for kind in Kind]


def test_who_reads_its_lines_may_stop():
    command = f'"{sys.executable}" -m batch_emulator.fidelity --document | true'
    root = Path(batch_emulator.__file__).parents[1]
    done = subprocess.run(["/bin/sh", "-c", command], cwd=root, capture_output=True, text=True, check=True)
    assert done.stderr == ""
