"""The images that Batch supports for the nodes of pools."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from azure.batch.aio import BatchClient
from azure.batch.models import BatchSupportedImage

from batch_core.checked import checked
from batch_core.sdk.paging import each_item
from batch_core.sdk.translation import translating
from batch_core.services.batch_reading import required_text

#: The list changes a few times a year.
_FRESH_FOR: Final = timedelta(hours=1)
_IMAGES_PER_PAGE: Final = 1000


@dataclass(frozen=True, kw_only=True)
class SupportedImage:
    """An image, in Batch's own words: `capabilities` are what it can do, such as DockerCompatible."""

    publisher: str
    offer: str
    sku: str
    node_agent: str
    capabilities: tuple[str, ...] = ()
    #: When Batch's support of it ends, or has ended; None: no end is announced.
    support_ends: datetime | None = None

    @property
    def name(self) -> str:
        """Its publisher, offer and SKU, with colons between them."""
        return f"{self.publisher}:{self.offer}:{self.sku}"

    @property
    def is_generation_2(self) -> bool:
        return "Generation2VMImage" in self.capabilities

    @property
    def runs_containers(self) -> bool:
        return "DockerCompatible" in self.capabilities


class SupportedImages:
    """Lists them at most once an hour."""

    def __init__(self, client: BatchClient, now: Callable[[], datetime]) -> None:
        self._client = client
        self._now = now
        self._found: Sequence[SupportedImage] = ()
        self._found_at: datetime | None = None

    async def all(self) -> Sequence[SupportedImage]:
        """Return the images; raises the `ServiceError` that fits."""
        now = self._now()
        if self._found_at is None or now - self._found_at > _FRESH_FOR:
            with translating("listing the images that Batch supports"):
                listed = self._client.list_supported_images(max_results=_IMAGES_PER_PAGE)
                self._found = [_image(image) async for image in each_item(listed)]
            self._found_at = now
        return self._found


def _image(image: BatchSupportedImage) -> SupportedImage:
    reference = image.image_reference
    values = {
        "publisher": required_text(reference.publisher),
        "offer": required_text(reference.offer),
        "sku": required_text(reference.sku),
        "node_agent": required_text(image.node_agent_sku_id),
        "capabilities": tuple(required_text(one) for one in image.capabilities or ()),
        "support_ends": image.batch_support_end_of_life,
    }
    return checked(SupportedImage, values)
