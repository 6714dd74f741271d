"""Everything that the emulator's own interface sets: it outlives the service that a reset ends."""

from dataclasses import dataclass, field

from batch_emulator.faults.quotas import Limits, Quotas, read_limits
from batch_emulator.faults.registry import Faults


@dataclass(kw_only=True, eq=False)
class Controls:
    """Fault rules and quotas, as they are and as they were at the start."""

    faults: Faults
    quotas: Quotas = field(default_factory=Quotas)
    #: What the file named at the start holds.
    initial: object = None

    def restore(self) -> None:
        """Put in force what was at the start, and nothing else. Raises Invalid."""
        self.faults.clear()
        self.quotas.set(Limits())
        if self.initial is not None:
            self._read(self.initial)

    def _read(self, document: object) -> None:
        if isinstance(document, dict) and "quotas" in document:
            self.quotas.set(read_limits(document["quotas"]))
            document = {"faults": [], **{key: value for key, value in document.items() if key != "quotas"}}
        self.faults.add(document)
