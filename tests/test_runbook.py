"""The runbook of docs/operations.md is about the reasons that the app gives: about these, and about all of them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/operations.md").read_text()
RUNBOOK = PAGE.partition("## Runbook")[2].partition("\n## ")[0]
#: The rows below each head of a table, as their cells.
TABLES = [
    [re.findall(r"(?:^|\| )(.+?) (?=\|)", row.removeprefix("| ")) for row in table.strip().split("\n")]
    for table in re.findall(r"(?:^\|.+\|\n)+", RUNBOOK, re.MULTILINE)
]
ROWS = [row for head, _, *rows in TABLES for row in rows if head[0] == "a reason that has"]
PHRASES = [phrase for row in ROWS for phrase in re.findall(r"`([^`]+)`", row[0])]
CODE = "\n".join(file.read_text() for file in sorted((ROOT / "batch_core").rglob("*.py")))

#: What Batch and Storage say themselves, or what begins with a name.
OTHERS = {
    *("failed (HTTP 429", "503", "failed (HTTP 403", "failed (HTTP 404, TableNotFound", "routes.toml"),
    *("ActiveJobAndScheduleQuotaReached", "CommandProgramNotFound", "CommandLaunchFailed"),
    *("BlobAccessDenied", "BlobNotFound", "BlobDownloadTimedOut", "BlobDownloadMiscError"),
    *("DiskFull", "ApplicationPackageError", "ContainerInvalidImage", "FileUpload", "TaskEnded"),
}

#: The modules in which reasons are written.
WRITERS = [
    *("assignment", "cancel", "collect", "hand_over", "live", "obstacle", "obstructed", "outcome", "pool_trouble"),
    *("reconcile", "retry", "submit", "waiting", "state/pauses", "services/input_container"),
]
#: What is written there and is no reason: it answers a caller, names what the app was doing, or is a part of a reason.
NO_REASON = {
    "task … is …: it can be retried when it has ended",
    "task … has ended already (…)",
    "task … was modified concurrently: try again",
    "blob … is still being copied: it can be submitted when it is whole",
    # Of an error: before what the service says of it.
    *("adding the task", "listing the folder of blob …", "looking at container …", "looking for blob …"),
    *("reading the properties of blob …", "reading what is paused"),
    # In the log, before why something is left for the next tick.
    *("Not all of the job is collected", "How far the job is collected is not noted"),
    *("Not all of the tasks are collected", "The trouble is not on the record"),
    # Behind a reason that has a row.
    *("`batchdrop setup` makes it", "…: that counts when no earlier submission can be in flight any more"),
    # A query, and Batch's own words.
    *("PartitionKey eq @pauses", "maximum execution time"),
}


def _texts(path: Path) -> Iterator[str]:
    """Yield the sentences of a module, with … for what is put in: no docstrings, and nothing that is logged."""
    tree = ast.parse(path.read_text())
    skipped: set[int] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant() as docstring):
                skipped.add(id(docstring))
            case ast.Call(func=ast.Attribute(value=ast.Name(id="logger"))):
                skipped |= {id(inner) for inner in ast.walk(node)}
            case ast.JoinedStr(values=values):
                skipped |= {id(inner) for value in values for inner in ast.walk(value)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(one.value) if isinstance(one, ast.Constant) else "…" for one in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        else:
            continue
        if " " in text and len(re.findall("[A-Za-z]+", text)) >= _FEWEST_WORDS:
            yield text


#: What has fewer is a name, a state, a part of a sentence.
_FEWEST_WORDS = 3
SENTENCES = sorted({text for name in WRITERS for text in _texts(ROOT / f"batch_core/{name}.py")})


@pytest.mark.parametrize("phrase", PHRASES)
def test_each_reason_is_one_of_the_apps(phrase):
    assert phrase in CODE or phrase in OTHERS


@pytest.mark.parametrize("sentence", SENTENCES)
def test_each_of_the_apps_reasons_has_a_row(sentence):
    assert any(phrase in sentence for phrase in PHRASES) != (sentence in NO_REASON)


def test_what_is_no_reason_is_still_written():
    assert set(SENTENCES) >= NO_REASON
    assert len(SENTENCES) - len(NO_REASON) > 50


def test_every_row_says_what_to_do():
    assert len(ROWS) > 70
    assert all(len(row) == 3 and all(map(str.strip, row)) for row in ROWS)


def test_a_reason_has_one_row():
    assert sorted(set(PHRASES)) == sorted(PHRASES)


def test_commands_of_batch_have_their_ids():
    """They are to be copied: the ids are written in capitals."""
    block = re.search(r"```bash\n(az batch account login.+?)```", RUNBOOK, re.DOTALL)[1]
    assert all(re.search(r"-(?:id|n|list) [A-Z]+", line) for line in block.splitlines())
    named = set(re.findall(r"`(az batch [a-z]+(?: file| scheduling)? [a-z]+)`", RUNBOOK))
    assert named <= set(re.findall(r"^(az batch [a-z]+(?: file)? [a-z]+)", block, re.MULTILINE)) | {
        "az batch account list"
    }
