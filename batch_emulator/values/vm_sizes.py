"""What the names of VM sizes say."""

import re
from typing import Final

_CORES: Final = re.compile(r"(?:standard|basic)_[a-z]+(\d{1,3})(?:-(\d{1,3}))?", re.IGNORECASE)


def cores_of(vm_size: str) -> int:
    """Return a VM size's cores by its name (`Standard_D2s_v3`: 2), 1 if it names none.

    https://learn.microsoft.com/azure/virtual-machines/vm-naming-conventions; older sizes do not follow it.
    """
    match = _CORES.match(vm_size)
    return max(1, int(match[2] or match[1])) if match else 1
