"""What is said to a pool of an image that the service does not offer, or does not support any more.

The service's code for it: https://github.com/hashicorp/terraform/issues/36698.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from batch_emulator.errors import BatchError, invalid_property
from batch_emulator.model.pool_info import auto_pool
from batch_emulator.model.supported_images import supported_images
from batch_emulator.values.documents import Document
from batch_emulator.values.timestamps import from_wire

logger = logging.getLogger(__name__)

#: How many images are warned of, and how much of a name is shown: a client may send whatever it likes.
_MOST: Final = 100
_LONGEST: Final = 256

_NAMES: Final = ("publisher", "offer", "sku")


@dataclass(kw_only=True, eq=False)
class Images:
    """Warns of each such image once; `strict` refuses it, as the service does."""

    strict: bool
    now: Callable[[], datetime]
    _warned: set[str] = field(default_factory=set)

    def check_job(self, job: Document) -> None:
        """Look at the image of a job's automatic pool, if it has one. Raises InvalidPropertyValue."""
        if specification := auto_pool(job):
            self.check(specification["pool"])

    def check(self, pool: Document) -> None:
        """Look at the image that a pool's stored properties, or changes of them, name. Raises InvalidPropertyValue."""
        machine: Document | None = pool.get("virtualMachineConfiguration")
        if machine is None or (problem := self._problem(machine)) is None:
            return
        if self.strict:
            raise problem
        subject = f"{problem.details['PropertyValue']} ({machine['nodeAgentSKUId'][:_LONGEST]})"
        if subject not in self._warned and len(self._warned) < _MOST:
            self._warned.add(subject)
            logger.warning("A pool of the image %r: %s; --strict-images refuses it", subject, problem.details["Reason"])

    def _problem(self, machine: Document) -> BatchError | None:
        images, agent = supported_images(), str(machine["nodeAgentSKUId"])
        of_agent = [image for image in images if image["nodeAgentSKUId"] == agent.lower()]
        if not of_agent:
            return invalid_property("nodeAgentSKUId", agent, "The service offers no such node agent")
        reference = machine["imageReference"]
        if "publisher" not in reference:
            # Nobody but its owner knows an image of one's own.
            return self._ended("nodeAgentSKUId", agent, of_agent[0])
        name = ":".join(str(reference.get(part, "")) for part in _NAMES)
        found = next((image for image in images if _name_of(image).lower() == name.lower()), None)
        if found is None:
            return invalid_property("imageReference", name, "The service offers no such image")
        if found not in of_agent:
            reason = f"The node agent of this image is {found['nodeAgentSKUId']}, not {agent}"
            return invalid_property("imageReference", name, reason)
        return self._ended("imageReference", name, found)

    def _ended(self, prop: str, value: str, image: Document) -> BatchError | None:
        end: str | None = image.get("batchSupportEndOfLife")
        if end is None or from_wire(end) > self.now():
            return None
        return invalid_property(prop, value, f"The service's support ended on {end[:10]}")


def _name_of(image: Document) -> str:
    return ":".join(image["imageReference"][part] for part in _NAMES)
