"""The options with which the emulator starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

DEFAULT_ACCOUNT: Final = "devbatchaccount1"

#: Known to everybody, like that of the storage emulator: it protects nothing.
DEFAULT_KEY: Final = "u+OhrmOvQIdtH326o1XZ1h02bGWKaILaJ6CJz8NEVBijlorYx6aJHkUrqm4BfYFIdNA9jZ8rARIWAhR15ac0Lw=="

#: The environment variable that may hold the storage connection string, so that it need not be in
#: the list of processes.
STORAGE_VARIABLE: Final = "BATCH_EMULATOR_STORAGE"

#: The key of the Storage emulator's account, which everybody knows, too:
#: https://learn.microsoft.com/azure/storage/common/storage-connect-azurite
AZURITE_KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

#: The environment variable that may hold the account key (base64): arguments are visible in the list of processes.
KEY_VARIABLE: Final = "BATCH_EMULATOR_KEY"

#: The environment variable that may hold allowed hosts, with commas between them.
ALLOWED_HOSTS_VARIABLE: Final = "BATCH_EMULATOR_ALLOW_HOSTS"

LOOPBACK_HOSTS: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where to listen (port 0: any free one), where to keep state (None: nowhere), whom to serve."""

    host: str = "127.0.0.1"
    port: int = 10003
    location: Path | None = None
    account: str = DEFAULT_ACCOUNT
    key: str = field(default=DEFAULT_KEY, repr=False)
    #: A certificate and its private key (None: it is in the same file) to serve HTTPS with.
    cert: Path | None = None
    key_file: Path | None = None
    #: A file of fault rules that are in force from the start.
    faults: Path | None = None
    #: The connection string of the storage account for identities and auto-storage, if there is one.
    storage: str | None = field(default=None, repr=False)

    #: The directory of application packages; None for `applications` in the location.
    applications: Path | None = None
    #: Whether each request gets a line in the log.
    log_requests: bool = False
    #: Whether to end when standard input, which is a pipe, does.
    until_stdin_closes: bool = False

    #: Take api-versions that are not known, as if they were the newest, or the oldest where they are older.
    skip_api_version_check: bool = False
    #: Refuse pools of images that the service does not offer (any more) in place of warning of them.
    strict_images: bool = False
    #: The program that runs containers; empty: docker or podman, whichever answers; none: nothing does.
    container_engine: str = ""

    #: Names by which clients reach the emulator, apart from those that always mean this machine.
    allowed_hosts: frozenset[str] = frozenset()

    @property
    def shown_key(self) -> str:
        """The key if it is the well-known one; a key of the user's own is never shown."""
        return self.key if self.is_key_known else "as given"

    @property
    def is_key_known(self) -> bool:
        """Whether everybody knows the key."""
        return self.key == DEFAULT_KEY

    @property
    def is_exposed(self) -> bool:
        """Whether other machines can reach the emulator, which runs commands."""
        return self.host not in LOOPBACK_HOSTS


def read_key(file: Path | None, variables: Mapping[str, str]) -> str:
    """Return the account key: from the file, else from the environment, else the known one. Raises ValueError."""
    if file is None:
        return variables.get(KEY_VARIABLE) or DEFAULT_KEY
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise ValueError(f"--account-key-file {file}: it cannot be read as text in base64") from exc
