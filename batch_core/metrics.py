"""What the app measures, as metrics of OpenTelemetry, where that is at work in this process.

    batchdrop.tasks.ended            counter     {task}   by state and route
    batchdrop.tasks.open             gauge       {task}   records that are not final
    batchdrop.tasks.oldest_waiting   gauge       s        since when a file waits that does not run
    batchdrop.tick.duration          histogram   s        by function
    batchdrop.nodes.time             counter     s        of nodes, by pool

The worker starts OpenTelemetry where PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY is true, and before it loads the app
(`worker_init_request` of azure_functions_runtime/handle_event.py). Nothing is imported here that it has not imported:
without it a measurement costs a look into a dictionary.
"""

import sys
from functools import cache
from typing import Any, Final

_API: Final = "opentelemetry.metrics"


def count(name: str, number: float, unit: str, **attributes: str) -> None:
    """Add to a counter."""
    if meter := _meter():
        _instrument(meter, "create_counter", name, unit).add(number, attributes)


def measure(name: str, value: float, unit: str, **attributes: str) -> None:
    """Set a gauge."""
    if meter := _meter():
        _instrument(meter, "create_gauge", name, unit).set(value, attributes)


def record(name: str, value: float, unit: str, **attributes: str) -> None:
    """Add to a histogram."""
    if meter := _meter():
        _instrument(meter, "create_histogram", name, unit).record(value, attributes)


def _meter() -> Any:  # noqa: ANN401 - of a package that need not be installed
    api = sys.modules.get(_API)
    return api.get_meter("batchdrop") if api else None


@cache
def _instrument(meter: Any, create: str, name: str, unit: str) -> Any:  # noqa: ANN401
    return getattr(meter, create)(f"batchdrop.{name}", unit=unit)
