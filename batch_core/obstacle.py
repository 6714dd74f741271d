"""Why a file that a listing shows cannot be read: for now, or ever."""

from enum import StrEnum
from typing import Final


class Obstacle(StrEnum):
    """What keeps nodes from reading a blob. The values are stored in records; `sentence` is for people."""

    #: Its tier is Archive: it cannot be read before it is rehydrated.
    ARCHIVED = "archived"
    #: Its tier is Archive until the rehydration that was asked for is done.
    REHYDRATING = "rehydrating"
    #: Its name has a segment `.` or `..`: every URL with it is the URL of something else.
    NAME = "name"
    #: It is encrypted with a key that is sent with each request, and that the app does not have.
    CUSTOMER_KEY = "customer_key"
    #: A copy that failed or was aborted leaves an empty blob behind.
    BROKEN_COPY = "broken_copy"
    #: A page blob that receives incremental copies is read through its snapshots only.
    INCREMENTAL_COPY = "incremental_copy"

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]

    @property
    def may_pass(self) -> bool:
        """Return whether this very version may become readable."""
        return self in {Obstacle.ARCHIVED, Obstacle.REHYDRATING}


_SENTENCES: Final = {
    # https://learn.microsoft.com/azure/storage/blobs/archive-rehydrate-overview
    Obstacle.ARCHIVED: "archived: rehydrate it (set its access tier to Hot, Cool or Cold); the task goes on by itself",
    Obstacle.REHYDRATING: "archived: it is being rehydrated, which may take 15 hours; the task goes on by itself then",
    # Storage itself resolves such segments, however they are encoded: `./key`, `%2E/key` and `.%2Fkey` are all `key`
    # (https://github.com/Azure/azure-sdk-for-rust/issues/5275).
    Obstacle.NAME: "its name has a part '.' or '..', which a URL does not keep: no node can read it; rename it",
    # https://learn.microsoft.com/azure/storage/blobs/encryption-customer-provided-keys
    Obstacle.CUSTOMER_KEY: "it is encrypted with a customer-provided key, which no node has: upload it without one",
    # https://learn.microsoft.com/rest/api/storageservices/abort-copy-blob
    Obstacle.BROKEN_COPY: "the copy into it failed or was aborted, which leaves it empty: copy it again",
    # https://learn.microsoft.com/rest/api/storageservices/incremental-copy-blob
    Obstacle.INCREMENTAL_COPY: "it is the destination of incremental copies: copy a snapshot of it to a new blob",
}
