"""One emulator while it runs: the service that answers now, and a new one after a reset."""

from collections.abc import Callable

from batch_emulator.errors import BatchError, ErrorCode
from batch_emulator.location import Location
from batch_emulator.service import BatchService, Reset


class Emulator:
    """Owns the one service that answers; a reset closes it and opens another on an empty location."""

    def __init__(self, location: Location, open_service: Callable[[Reset], BatchService]) -> None:
        """Open the service, in the event loop. Raises StoreError."""
        self._location = location
        self._open = open_service
        self._service: BatchService | None = open_service(self.reset)

    @property
    def service(self) -> BatchService:
        """The service that answers. Raises ServerBusy during a reset."""
        if self._service is None:
            raise BatchError(ErrorCode.SERVER_BUSY)
        return self._service

    def has(self, service: BatchService) -> bool:
        """Return whether a service is the current one; a reset may have replaced it during a request."""
        return self._service is service

    async def reset(self) -> None:
        """Start over with an empty state, after every process of the old service has ended."""
        service, self._service = self.service, None
        await service.close()
        self._location.wipe()
        service.controls.restore()
        self._service = self._open(self.reset)

    async def close(self) -> None:
        """Close the service; during a reset there is none."""
        if self._service is not None:
            await self._service.close()
