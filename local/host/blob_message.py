"""The queue message that says: run this function for this version of this blob."""

import json
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class BlobMessage:
    """One blob version to be handled; `etag` has its quotes, as in the header."""

    function: str
    container: str
    blob: str
    etag: str
    blob_type: str = "BlockBlob"

    def as_json(self) -> str:
        """Return the text of the message, the same as the real host's."""
        fields = {
            "Type": "BlobTrigger",
            "FunctionId": self.function,
            "BlobType": self.blob_type,
            "ContainerName": self.container,
            "BlobName": self.blob,
            "ETag": self.etag,
        }
        return json.dumps(fields, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "BlobMessage":
        """Read a message; raise ValueError when it is none."""
        try:
            fields = json.loads(text)
            return cls(
                function=fields["FunctionId"],
                container=fields["ContainerName"],
                blob=fields["BlobName"],
                etag=fields["ETag"] or "",
                blob_type=fields.get("BlobType") or "BlockBlob",
            )
        except (KeyError, TypeError) as exc:
            raise ValueError(f"not a blob trigger message: {text[:200]}") from exc


def quoted(etag: str) -> str:
    """Return an ETag with its quotes: listings and Event Grid leave them out."""
    return '"' + etag.strip('"') + '"'
