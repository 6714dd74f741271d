"""The clouds that Azure has, distinguished by the host of a Batch account.

https://learn.microsoft.com/azure/azure-government,
https://learn.microsoft.com/azure/china/resources-developer-guide, and
`batch_resource_id` in https://github.com/Azure/azure-cli, src/azure-cli-core/azure/cli/core/cloud.py.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """A cloud: its Resource Manager, and what a token for Batch is asked for; None: what the SDK asks for by itself."""

    manager: str
    batch_scope: str | None = None


_BY_BATCH_HOST: Final = {
    ".batch.azure.com": Cloud(manager="https://management.azure.com"),
    ".batch.usgovcloudapi.net": Cloud(
        manager="https://management.usgovcloudapi.net", batch_scope="https://batch.core.usgovcloudapi.net/.default"
    ),
    ".batch.chinacloudapi.cn": Cloud(
        manager="https://management.chinacloudapi.cn", batch_scope="https://batch.chinacloudapi.cn/.default"
    ),
}


def cloud_of(batch_endpoint: str) -> Cloud | None:
    """Return the cloud that a Batch account is in; None: it is in none."""
    host = urlsplit(batch_endpoint).hostname or ""
    return next((cloud for suffix, cloud in _BY_BATCH_HOST.items() if host.endswith(suffix)), None)
