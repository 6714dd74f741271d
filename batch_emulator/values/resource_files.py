"""What the documents of resource files have in common (SDK documentation of `ResourceFile`)."""

from typing import Final

#: The mode of a downloaded file where none is given.
DEFAULT_MODE: Final = "0770"

#: The three places that a resource file can come from; each entry names exactly one.
SOURCES: Final = ("httpUrl", "storageContainerUrl", "autoStorageContainerName")
