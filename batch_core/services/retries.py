"""How often a call is tried again: alike for the three SDKs, each of which has a policy of its own."""

from typing import Any, Final

from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.core.pipeline import PipelineResponse
from azure.core.pipeline.policies import AsyncRetryPolicy
from azure.core.pipeline.policies._utils import parse_retry_after
from azure.data.tables.aio._policies_async import AsyncTablesRetryPolicy
from azure.storage.blob.aio import ExponentialRetry

from batch_core.services.call_limits import BACKOFF_FACTOR, LONGEST_PAUSE, TRIES

# For azure-core's policy and what the tables' SDK makes of it. Its limits for each kind of failure are as many.
RETRY_OPTIONS: Final[dict[str, Any]] = {
    "retry_total": TRIES - 1,
    "retry_connect": TRIES - 1,
    "retry_read": TRIES - 1,
    "retry_status": TRIES - 1,
    "retry_backoff_factor": BACKOFF_FACTOR,
    "retry_backoff_max": LONGEST_PAUSE,
}


class BriefRetries(AsyncRetryPolicy[Any, Any]):
    """Tries again as the SDK does, but hands a reply that asks for a long pause to the caller at once.

    The SDK would wait as long as `Retry-After` says, within the invocation.
    """

    def is_retry(self, settings: dict[str, Any], response: PipelineResponse[Any, Any]) -> bool:
        asked = self.get_retry_after(response) or 0
        return asked <= LONGEST_PAUSE and super().is_retry(settings, response)


class BriefTableRetries(BriefRetries, AsyncTablesRetryPolicy):
    """The same for tables, whose SDK has a policy of its own."""


class BriefBlobRetries(ExponentialRetry):
    """The same for blobs, whose SDK has a policy of its own, with 15 seconds as its first pause."""

    def __init__(self) -> None:
        super().__init__(retry_total=TRIES - 1, retry_connect=TRIES - 1, retry_read=TRIES - 1, retry_status=TRIES - 1)

    def get_backoff_time(self, settings: dict[str, Any]) -> float:
        """Return the pause before the next try in seconds, as azure-core's policy does: none before the second."""
        count: int = settings["count"]
        return 0 if count <= 1 else min(BACKOFF_FACTOR * 2 ** (count - 1), LONGEST_PAUSE)

    def increment(
        self,
        settings: dict[str, Any],
        request: Any,  # noqa: ANN401 - as the SDK has it
        response: Any = None,  # noqa: ANN401
        error: AzureError | None = None,
    ) -> bool:
        """Return whether to try again: as azure-core's policy not without a token, nor after a long pause."""
        headers = response.headers if response is not None else {}
        asked = parse_retry_after(headers.get("Retry-After", "0"))
        is_hopeless = isinstance(error, ClientAuthenticationError) or asked > LONGEST_PAUSE
        return not is_hopeless and bool(super().increment(settings, request, response=response, error=error))
