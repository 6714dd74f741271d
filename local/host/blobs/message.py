"""The queue message that says: run this function for this version of this blob."""

import json
from dataclasses import dataclass

from local.host.json_text import parse_json


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
            fields = parse_json(text)
            message = cls(
                function=fields["FunctionId"],
                container=fields["ContainerName"],
                blob=fields["BlobName"],
                etag=fields["ETag"] or "",
                blob_type=fields.get("BlobType") or "BlockBlob",
            )
        except (KeyError, TypeError, AttributeError) as exc:
            raise ValueError(f"not a blob trigger message: {text[:200]}") from exc
        if not all(isinstance(value, str) for value in vars(message).values()):
            raise ValueError(f"not a blob trigger message, as a value is no text: {text[:200]}")
        return message


def quoted(etag: str) -> str:
    """Return an ETag with its quotes: listings and Event Grid leave them out."""
    return '"' + etag.strip('"') + '"'
