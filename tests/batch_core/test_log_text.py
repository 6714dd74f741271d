"""Only the formatted message of a log record reaches Application Insights: it must say everything by itself."""

import ast
import logging
from collections import Counter
from pathlib import Path

import pytest

import function_app  # noqa: F401 - as a worker does, which is what quietens the SDKs
from batch_core.log_text import figures
from tests.batch_core.steps import submitted

CHECKOUT = Path(__file__).parents[2]
DEPLOYED = [CHECKOUT / "function_app.py", *sorted((CHECKOUT / "batch_core").rglob("*.py"))]
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


def log_calls(path):
    for node in ast.walk(ast.parse(path.read_text())):
        function = node.func if isinstance(node, ast.Call) else None
        if isinstance(function, ast.Attribute) and function.attr in LEVELS and "log" in ast.unparse(function.value):
            yield node


@pytest.mark.parametrize("path", DEPLOYED, ids=lambda path: path.name)
def test_nothing_is_said_in_keys_that_would_be_lost(path):
    assert [call.lineno for call in log_calls(path) if any(key.arg == "extra" for key in call.keywords)] == []


@pytest.mark.parametrize("path", DEPLOYED, ids=lambda path: path.name)
def test_every_text_names_what_it_is_about(path):
    assert [ast.unparse(call) for call in log_calls(path) if len(call.args) < 2] == []


def test_figures_can_be_read_and_queried():
    values = {"jobs": 3, "states": Counter(succeeded=9, failed=1, lost=0), "closed": ["a", "b"], "is_complete": True}
    assert figures(values) == "jobs=3 states=failed:1,succeeded:9 closed=a,b is_complete=true"
    assert figures({"done": Counter(), "closed": []}) == "done=none closed=none"


async def test_no_call_of_an_sdk_writes_records_of_its_own(app, caplog):
    with caplog.at_level(logging.INFO):
        await submitted(app)
        await app.clients.batch.get_pool(app.settings.pool.id)
    assert [record.name for record in caplog.records if record.name.startswith("azure")] == []


async def test_without_that_every_call_writes_two(app, caplog):
    with caplog.at_level(logging.INFO), caplog.at_level(logging.INFO, logger="azure.core"):
        await app.clients.batch.get_pool(app.settings.pool.id)
    assert len([record for record in caplog.records if record.name.startswith("azure.core")]) == 2


def test_what_sends_metrics_may_log_nothing_but_trouble():
    """It would note each minute that it has sent them."""
    exporter = logging.getLogger("azure.monitor.opentelemetry.exporter.export._base")
    assert exporter.getEffectiveLevel() == logging.WARNING
