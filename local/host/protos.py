"""Stand-ins for the protobuf types between a Functions host and its Python worker.

azure-functions-runtime looks these names up in the module it is given as `protos` and uses them as
plain records. The originals are in
https://github.com/Azure/azure-functions-language-worker-protobuf.
"""

from enum import IntEnum
from types import SimpleNamespace


class TypedData:
    """One value on its way into or out of a function, e.g. `TypedData(string="text")`.

    Only the field given exists: the library asks for others and expects AttributeError.
    """

    def __init__(self, **field: object) -> None:
        kind, value = next(iter(field.items()), (None, None))
        self.kind = kind
        self.value = value

    def __getattr__(self, name: str) -> object:
        if name != self.kind:
            raise AttributeError(name)
        return self.value

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802  # protobuf's name
        return self.kind


class ParameterBinding(SimpleNamespace):
    """A named value: `name` and `data`, a TypedData."""

    def WhichOneof(self, _group: str) -> str:  # noqa: N802  # protobuf's name
        return "data"


class BindingInfo(SimpleNamespace):
    """A binding's type and direction, with protobuf's enum values."""

    inout = 2
    out = 1
    undefined = 0


class StatusResult(SimpleNamespace):
    """How a request ended: `status`, and `exception` when it failed."""

    Failure = 0
    Success = 1


class SameSite(IntEnum):
    """RpcHttpCookie.SameSite; its `None` can only be set as below."""

    Lax = 1
    Strict = 2
    ExplicitNone = 3


setattr(SameSite, "None", 0)


class RpcHttpCookie(SimpleNamespace):
    """A Set-Cookie header in parts; optional parts are Nullable* records or None."""

    SameSite = SameSite


class RpcHttp(SimpleNamespace):
    """An HTTP request or response."""


class RpcException(SimpleNamespace):
    """`message` and `stack_trace` of what a function raised."""


class RpcFunctionMetadata(SimpleNamespace):
    """An indexed function: `name`, `function_id`, `raw_bindings`, `retry_options`, ..."""


class RpcRetryOptions(SimpleNamespace):
    """A function's retry policy."""


class WorkerMetadata(SimpleNamespace):
    """Versions of the worker."""


class WorkerInitResponse(SimpleNamespace):
    """The answer to the first request."""


class FunctionMetadataResponse(SimpleNamespace):
    """The answer that lists the functions."""


class InvocationResponse(SimpleNamespace):
    """What a function returned or raised."""


class NullableString(SimpleNamespace):
    """A string that may be absent, in `value`."""


class NullableBool(SimpleNamespace):
    """A bool that may be absent, in `value`."""


class NullableDouble(SimpleNamespace):
    """A number that may be absent, in `value`."""


class NullableTimestamp(SimpleNamespace):
    """A Timestamp that may be absent, in `value`."""


class Timestamp(SimpleNamespace):
    """A time in whole `seconds` since 1970."""
