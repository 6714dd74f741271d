"""Microsoft's Python worker library, in this process: load an app, list and invoke its functions."""

import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import azure_functions_runtime

from local.host import protos
from local.host.errors import AppLoadError, InvocationFailedError
from local.host.json_text import parse_json

logger = logging.getLogger(__name__)

_LIBRARY_LOGGER: Final = logging.getLogger("azure.functions")


@dataclass(frozen=True, kw_only=True)
class Function:
    """An indexed function and its bindings, as function.json would hold them."""

    name: str
    id: str
    bindings: tuple[Mapping[str, object], ...]

    @property
    def full_name(self) -> str:
        """The name by which receipts, queue messages and timer status know the function."""
        return f"Host.Functions.{self.name}"


async def load(folder: Path) -> list[Function]:
    """Import `function_app.py` of `folder` and index it; once per process.

    Raise AppLoadError with the traceback when it cannot be imported or indexed.
    """
    if not (folder / "function_app.py").is_file():
        raise AppLoadError(f"there is no function_app.py in {folder}")
    sys.path.insert(0, str(folder))
    os.chdir(folder)
    # On failure the library logs the traceback that the error below carries too.
    _LIBRARY_LOGGER.setLevel(logging.CRITICAL)
    await _initialize(folder)
    functions = await _indexed()
    _LIBRARY_LOGGER.setLevel(logging.WARNING)
    if not functions:
        raise AppLoadError(f"{folder / 'function_app.py'} defines no functions")
    return functions


async def invoke(
    function: Function,
    invocation_id: str,
    inputs: Mapping[str, protos.TypedData],
    trigger_metadata: Mapping[str, protos.TypedData],
) -> protos.TypedData | None:
    """Run a function and return what its `$return` binding holds; raise InvocationFailedError."""
    invocation = SimpleNamespace(
        invocation_id=invocation_id,
        function_id=function.id,
        input_data=[protos.ParameterBinding(name=n, data=data) for n, data in inputs.items()],
        trigger_metadata=trigger_metadata,
        trace_context=SimpleNamespace(trace_parent="", trace_state="", attributes={}),
        retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
    )
    response = await azure_functions_runtime.invocation_request(_request(invocation_request=invocation))
    if response.result.status != protos.StatusResult.Success:
        exception = response.result.exception
        raise InvocationFailedError(exception.message, exception.stack_trace)
    value: protos.TypedData | None = response.return_value
    return value


async def _initialize(folder: Path) -> None:
    azure_functions_runtime.start_threadpool_executor()
    init = SimpleNamespace(capabilities={}, function_app_directory=str(folder))
    response = await azure_functions_runtime.worker_init_request(_request(worker_init_request=init))
    if response.result.status != protos.StatusResult.Success:
        trace = response.result.exception.stack_trace
        raise AppLoadError(f"{folder / 'function_app.py'} cannot be loaded:\n{trace}")


async def _indexed() -> list[Function]:
    response = await azure_functions_runtime.functions_metadata_request(_request())
    return [_function(metadata) for metadata in response.function_metadata_results or ()]


def _function(metadata: Any) -> Function:  # noqa: ANN401  # a record of the untyped library
    if metadata.retry_options is not None:
        logger.warning("This host ignores the retry policy of function %s", metadata.name)
    return Function(
        name=metadata.name,
        id=metadata.function_id,
        bindings=tuple(parse_json(binding) for binding in metadata.raw_bindings),
    )


def _request(**fields: object) -> SimpleNamespace:
    return SimpleNamespace(request=SimpleNamespace(**fields), properties={"host": "127.0.0.1", "protos": protos})
