"""The runbook of docs/operations.md is about reasons that the app gives."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/operations.md").read_text()
RUNBOOK = PAGE.partition("## Runbook")[2].partition("\n## ")[0]
ROWS = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", RUNBOOK, re.MULTILINE)[2:]
CODE = "\n".join(file.read_text() for file in sorted((ROOT / "batch_core").rglob("*.py")))
#: What Batch and Storage say themselves, or what begins with a name.
OTHERS = {"failed (HTTP 429", "503", "failed (HTTP 403", "ActiveJobAndScheduleQuotaReached", "routes.toml"}


@pytest.mark.parametrize("reason", [phrase for row in ROWS for phrase in re.findall(r"`([^`]+)`", row[0])])
def test_each_reason_is_one_of_the_apps(reason):
    assert reason in CODE or reason in OTHERS


def test_every_row_says_what_to_do():
    assert len(ROWS) > 20
    assert all(meaning.strip() and remedy.strip() for _, meaning, remedy in ROWS)
