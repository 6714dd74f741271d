"""What the names of VM sizes say."""

import re
from typing import Final

_CORES: Final = re.compile(r"(?:standard|basic)_[a-z]+(\d{1,3})(?:-(\d{1,3}))?", re.IGNORECASE)

_TITLE: Final = re.compile(r"(standard|basic)_([a-z]+)(?=\d)", re.IGNORECASE)


def title_of(vm_size: str) -> str:
    """Return a VM size as its documentation spells it: `standard_d1_v2` is `Standard_D1_v2`.

    https://learn.microsoft.com/azure/virtual-machines/vm-naming-conventions; the name of an accelerator stays as it is.
    """
    return _TITLE.sub(lambda match: f"{match[1].capitalize()}_{match[2].upper()}", vm_size, count=1)


def cores_of(vm_size: str) -> int:
    """Return a VM size's cores by its name (`Standard_D2s_v3`: 2), 1 if it names none.

    https://learn.microsoft.com/azure/virtual-machines/vm-naming-conventions; older sizes do not follow it.
    """
    match = _CORES.match(vm_size)
    return max(1, int(match[2] or match[1])) if match else 1
