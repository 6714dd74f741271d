"""Holds the one service that answers, and puts a new one in its place on request."""

from collections.abc import Callable

from batch_emulator.errors import BatchError, ErrorCode
from batch_emulator.location import Location
from batch_emulator.service import BatchService


class Host:
    """The service of one emulator, for as long as the emulator runs."""

    def __init__(self, location: Location, open_service: Callable[[], BatchService]) -> None:
        """Open the service, in the event loop. Raises StoreError."""
        self._location = location
        self._open = open_service
        self._service: BatchService | None = open_service()

    @property
    def service(self) -> BatchService:
        """Raise ServerBusy while one service follows another."""
        if self._service is None:
            raise BatchError(ErrorCode.SERVER_BUSY)
        return self._service

    def has(self, service: BatchService) -> bool:
        return self._service is service

    async def reset(self) -> None:
        """Begin anew with nothing: every process of the old service has ended by then."""
        service, self._service = self.service, None
        await service.close()
        self._location.wipe()
        service.controls.restore()
        self._service = self._open()

    async def close(self) -> None:
        if self._service is not None:
            await self._service.close()
