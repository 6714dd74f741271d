"""What there is to say of a pool's image, before Batch refuses it, gives up on it, or gets no node that boots it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Final

from batch_core.services.batch_values import PoolMachine
from batch_core.services.supported_images import SupportedImage

#: How long before the end of Batch's support it is said.
_NOTICE: Final = timedelta(days=180)

#: Sizes that boot one generation of images only; of all others nothing is said
#: (https://learn.microsoft.com/azure/virtual-machines/generation-2).
_GENERATION_1_ONLY: Final = re.compile(
    r"(basic_a\d+|standard_(a\d+m?(_v2)?|d\d+_v[23]|e\d+i?_v3))(_promo)?", re.IGNORECASE
)
_GENERATION_2_ONLY: Final = re.compile(r"standard_(dc\d+[a-z]*_v\d+|[de]\d+(-\d+)?[a-z]*_v[67])", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class ImageNote:
    """A sentence about a pool's image; in trouble is a pool that may lose its nodes for it."""

    text: str
    is_trouble: bool = False


def image_notes(machine: PoolMachine, images: Sequence[SupportedImage], now: datetime) -> list[ImageNote]:
    """Return what is wrong with the image of a pool, or will be, as Batch lists the images that it supports.

    Of an image of one's own only the node agent is known.
    """
    of_agent = [image for image in images if image.node_agent.lower() == machine.node_agent.lower()]
    if not of_agent:
        near = get_close_matches(machine.node_agent, sorted({image.node_agent for image in images}), n=1)
        return [ImageNote(text=f"Batch has no node agent {machine.node_agent!r}{_instead(near)}")]
    if machine.image is None:
        return _end_of_support(of_agent[0], now)
    image = next((image for image in images if image.name.lower() == machine.image.lower()), None)
    if image is None:
        near = get_close_matches(machine.image, [image.name for image in images], n=1)
        return [ImageNote(text=f"Batch does not list the image {machine.image}{_instead(near)}")]
    notes = _end_of_support(image, now)
    if image not in of_agent:
        agent = f"the node agent of {image.name} is {image.node_agent}, not {machine.node_agent}"
        notes.append(ImageNote(text=agent))
    if machine.runs_containers and not image.runs_containers:
        notes.append(ImageNote(text=f"the image {image.name} cannot run containers"))
    return notes + _generation(machine.vm_size, image)


def _end_of_support(image: SupportedImage, now: datetime) -> list[ImageNote]:
    ends = image.support_ends
    if ends is None or ends > now + _NOTICE:
        return []
    if ends <= now:
        text = (
            f"Batch's support of {image.node_agent} ended on {ends:%Y-%m-%d}: its nodes may be taken away at any time"
        )
        return [ImageNote(text=text, is_trouble=True)]
    return [ImageNote(text=f"Batch's support of {image.node_agent} ends on {ends:%Y-%m-%d}: choose a newer image")]


def _generation(vm_size: str, image: SupportedImage) -> list[ImageNote]:
    only = _GENERATION_1_ONLY if image.is_generation_2 else _GENERATION_2_ONLY
    if not only.fullmatch(vm_size):
        return []
    its, other = ("2", "1") if image.is_generation_2 else ("1", "2")
    text = f"machines of size {vm_size} boot images of generation {other} only, and {image.name} is of generation {its}"
    return [ImageNote(text=text)]


def _instead(near: Sequence[str]) -> str:
    return f": did you mean {near[0]}?" if near else ""
