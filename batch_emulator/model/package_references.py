"""References to application packages, of pools and of tasks."""

from typing import Final

from batch_emulator.errors import invalid_property
from batch_emulator.model.schema import filled_text, list_of, record
from batch_emulator.values.documents import Document

#: "There is a maximum of 10 Package references on any given Pool" (SDK documentation).
_MOST: Final = 10


def _application_id(name: str, value: object) -> str:
    """Read an application's id, which the service keeps in lower case, or the whole resource id as it is.

    Recording: `should_add_a_task_with_an_application_package_reference`.
    """
    given = filled_text(name, value)
    return given if "/" in given else given.lower()


_references = list_of(record({"applicationId": _application_id, "version": filled_text}, frozenset({"applicationId"})))


def package_references(name: str, value: object) -> list[Document]:
    references: list[Document] = _references(name, value)
    if len(references) > _MOST:
        raise invalid_property(name, len(references), f"At most {_MOST} packages can be referenced")
    return references


def references_of(document: Document) -> list[Document]:
    """Return the references among the stored properties of a pool or a task."""
    found: list[Document] = document.get("applicationPackageReferences", [])
    return found
