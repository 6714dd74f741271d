"""The `resourceFiles` of tasks and start tasks: validation of what may be downloaded where."""

import posixpath
import re
from urllib.parse import urlsplit

from batch_emulator.errors import invalid_property, missing_property
from batch_emulator.model.schema import Reader, filled_text, list_of, record, text
from batch_emulator.values.documents import Document
from batch_emulator.values.paths import is_inside
from batch_emulator.values.resource_files import SOURCES

#: Reads a reference to a managed identity (SDK documentation of BatchNodeIdentityReference).
identity_reference: Reader = record({"resourceId": text})


def storage_url(name: str, value: object) -> str:
    url = text(name, value)
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        valid = False
    if not valid:
        # The value may hold a SAS token: it is not repeated.
        raise invalid_property(name, "", "An absolute http or https URL is expected")
    return url


def _path(name: str, value: object) -> str:
    if not is_inside(path := text(name, value)):
        raise invalid_property(name, path, "The path must stay inside the task's working directory")
    return path


def _mode(name: str, value: object) -> str:
    if not re.fullmatch(r"[0-7]{3,4}", mode := text(name, value)):
        raise invalid_property(name, mode, "An octal file mode such as 0770 is expected")
    return mode


_shape = record(
    {
        "httpUrl": storage_url,
        "storageContainerUrl": storage_url,
        "autoStorageContainerName": filled_text,
        "identityReference": identity_reference,
        "blobPrefix": text,
        "filePath": _path,
        "fileMode": _mode,
    }
)


def _resource_file(name: str, value: object) -> Document:
    entry: Document = _shape(name, value)
    if sum(source in entry for source in SOURCES) != 1:
        raise invalid_property(name, "", f"Exactly one of {', '.join(SOURCES)} is expected")
    if "httpUrl" in entry and "filePath" not in entry:
        raise missing_property(f"{name}.filePath")
    if "httpUrl" in entry and "blobPrefix" in entry:
        raise invalid_property(f"{name}.blobPrefix", entry["blobPrefix"], "It needs a container")
    if "httpUrl" in entry and posixpath.normpath(entry["filePath"]) == ".":
        raise invalid_property(f"{name}.filePath", entry["filePath"], "A file name is expected")
    return entry


#: Reads a list of resource files (SDK documentation of ResourceFile).
resource_files: Reader = list_of(_resource_file)
