"""What is installed follows from what is asked for: `make lock` makes one of the other."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PAIRS = [
    ("requirements.in", "requirements.txt"),
    ("requirements-dev.in", "requirements-dev.txt"),
    ("requirements-telemetry.in", "requirements-telemetry.txt"),
]


def wanted(name):
    lines = (line.partition(" #")[0].strip() for line in (ROOT / name).read_text().splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


def pins(name):
    """Return the versions of each package by its normalised name; one that differs by platform has several."""
    found = {}
    for package, version in re.findall(r"(?m)^([A-Za-z0-9._-]+)==([^ ;\\]+)", (ROOT / name).read_text()):
        found.setdefault(normalised(package), set()).add(version)
    return found


def normalised(package):
    return re.sub(r"[-_.]+", "-", package).lower()


@pytest.mark.parametrize(("source", "lock"), PAIRS)
def test_every_requirement_is_pinned_to_a_version_that_it_allows(source, lock):
    pinned = pins(lock)
    missed = [
        str(requirement)
        for requirement in wanted(source)
        if not any(requirement.specifier.contains(version) for version in pinned.get(normalised(requirement.name), ()))
    ]
    assert missed == []


@pytest.mark.parametrize(("_source", "lock"), PAIRS)
def test_every_pin_has_hashes_and_no_address(_source, lock):
    text = (ROOT / lock).read_text()
    entries = re.split(r"(?m)^(?=[A-Za-z0-9])", text)[1:]
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
    assert re.findall(r"https?://|file:|--index-url|--find-links", text.replace("--no-emit-find-links", "")) == []


def test_the_app_is_tested_with_the_versions_that_azure_installs():
    deployed, tested = pins("requirements.txt"), pins("requirements-dev.txt")
    assert {package: tested.get(package) for package in deployed} == deployed


def test_with_metrics_azure_installs_the_same_versions_and_more():
    deployed, with_metrics = pins("requirements.txt"), pins("requirements-telemetry.txt")
    assert {package: with_metrics.get(package) for package in deployed} == deployed
    assert "azure-monitor-opentelemetry" in set(with_metrics) - set(deployed)


def test_the_extra_asks_for_what_is_deployed_with_metrics():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert [Requirement(text) for text in extras["telemetry"]] == wanted("requirements-telemetry.in")


def test_every_lock_is_made_by_one_command():
    recipe = (ROOT / "Makefile").read_text().partition("\nlock: setup\n")[2].partition("\n\n")[0]
    assert recipe.splitlines() == [f"\t$(LOCK) {source} -o {lock}" for source, lock in PAIRS]
