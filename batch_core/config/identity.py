"""Which managed identity the app is: the one that its triggers' bindings use, read from the same settings.

The host's bindings and the SDK-type parameter of the blob trigger take a user-assigned identity from
`<connection>__credential` and `<connection>__clientId`
(https://learn.microsoft.com/azure/azure-functions/functions-reference#common-properties-for-identity-based-connections).
Without these the app is what DefaultAzureCredential finds: the system-assigned identity, the one that AZURE_CLIENT_ID
names, or a developer's own account.
"""

import re
from collections.abc import Mapping
from typing import Final

from batch_core.redaction import shown

MANAGED_IDENTITY: Final = "managedidentity"

#: What the SDK-type parameter (azurefunctions-extensions-bindings-blob 1.1.2, utils.py) reads in place of a connection
#: string; with one beside them, even an empty one, it fails for every blob.
_IN_PLACE_OF_A_STRING: Final = ("blobServiceUri", "serviceUri", "credential", "clientId")

_CLIENT_ID: Final = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def client_id_of(env: Mapping[str, str], connection: str) -> str:
    """Return the client id of the user-assigned identity; empty: none is named."""
    return env.get(f"{connection}__clientId", "").strip()


def identity_problems(env: Mapping[str, str], connection: str) -> list[str]:
    """Say what the bindings would read differently from the app, or not at all."""
    client_id, kind = client_id_of(env, connection), env.get(f"{connection}__credential", "").strip()
    problems = []
    if kind and kind.lower() != MANAGED_IDENTITY:
        problems.append(f"{connection}__credential is {shown(kind)}: it must be {MANAGED_IDENTITY}, or not be set")
    if client_id and not _CLIENT_ID.fullmatch(client_id):
        problems.append(
            f"{connection}__clientId is {shown(client_id)}: it must be the identity's client id, a GUID, not its name"
            " or resource id"
        )
    if client_id and not kind:
        problems.append(
            f"{connection}__credential is missing: beside {connection}__clientId it must be {MANAGED_IDENTITY}, or the"
            " trigger's binding takes the system-assigned identity"
        )
    return problems + _connection_problems(env, connection)


def _connection_problems(env: Mapping[str, str], connection: str) -> list[str]:
    problems = []
    parts = [name for name in (f"{connection}__{part}" for part in _IN_PLACE_OF_A_STRING) if env.get(name, "").strip()]
    if parts and env.get(connection, "").strip():
        problems.append(
            f"{connection} is set beside {', '.join(parts)}: the trigger's binding cannot be made of both, so remove"
            " one or the other"
        )
    # https://github.com/Azure/azure-webjobs-sdk: GetWebJobsConnectionStringSection looks for the prefixed name first.
    if others := sorted(name for name in env if name.startswith(f"AzureWebJobs{connection}__")):
        problems.append(
            f"{', '.join(others)} is set: the triggers would use it in place of {connection}, and the app does not;"
            " remove it"
        )
    return problems
