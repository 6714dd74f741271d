"""References to application packages, of pools and of tasks."""

from typing import Final

from batch_emulator.errors import invalid_property
from batch_emulator.model.schema import Document, filled_text, list_of, record

#: "There is a maximum of 10 Package references on any given Pool" (SDK documentation).
_MOST: Final = 10

_references = list_of(record({"applicationId": filled_text, "version": filled_text}, frozenset({"applicationId"})))


def package_references(name: str, value: object) -> list[Document]:
    references: list[Document] = _references(name, value)
    if len(references) > _MOST:
        raise invalid_property(name, len(references), f"At most {_MOST} packages can be referenced")
    return references


def references_of(document: Document) -> list[Document]:
    """Return the references among the stored properties of a pool or a task."""
    found: list[Document] = document.get("applicationPackageReferences", [])
    return found
