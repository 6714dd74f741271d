"""The virtual machine extensions of a node: those of its pool, and the service's own. Nothing is installed."""

import json
from typing import Final

from batch_emulator.model.schema import property_names
from batch_emulator.store.pools import PoolRow
from batch_emulator.values.documents import Document

#: What `$select` may name (SDK model BatchNodeVMExtension).
EXTENSION_PROPERTIES: Final = property_names("provisioningState vmExtension instanceView")

#: The extension that carries the node agent (recording of the real service).
_AGENT: Final[Document] = {
    "name": "batchNodeExtension",
    "publisher": "Microsoft.Azure.Extensions",
    "type": "CustomScript",
    "typeHandlerVersion": "2.1",
    "autoUpgradeMinorVersion": True,
}


def extensions_on_wire(pool: PoolRow) -> list[Document]:
    """Return the extensions of every node of a pool, the service's own last."""
    machine = json.loads(pool.document).get("virtualMachineConfiguration", {})
    return [_on_wire(extension) for extension in [*machine.get("extensions", ()), _AGENT]]


def _on_wire(extension: Document) -> Document:
    """Return an extension with its default (recording `test_batch_compute_node_extensions`)."""
    status = {
        "code": "ProvisioningState/succeeded",
        "level": "Info",
        "displayStatus": "Provisioning succeeded",
        "message": "Simulated by the emulator: nothing was installed",
    }
    return {
        "provisioningState": "Succeeded",
        "vmExtension": {"enableAutomaticUpgrade": False, **extension},
        "instanceView": {"name": extension["name"], "statuses": [status]},
    }
