"""The ways out of an error or a note that depend on how the program is operated.

The library states facts. A remedy names the fact; each user interface has its own words for it (the
command line, a flag or a command).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Remedy(StrEnum):
    """What would help. Each member says when it applies."""

    LIST_IMAGES = "list-images"
    """A name is not in the store: a list of the images and tags shows which names are."""

    CHECK_STORE = "check-store"
    """Stored bytes are damaged or missing: a check of the store lists the affected images."""

    COLLECT_GARBAGE = "collect-garbage"
    """Unreferenced content uses disk space: garbage collection removes it."""

    CREATE_STORE = "create-store"
    """The root holds no store: an import creates one, or another root is meant."""

    FORCE_REMOVAL = "force-removal"
    """Several names point to the image that is to be removed: force removes them all."""

    NAME_ONE_IMAGE = "name-one-image"
    """One name was given for an archive of several images: choose an image, or give a prefix."""

    NAME_BARE_TAG = "name-bare-tag"
    """An image has only a tag in the archive: a prefix or a full name completes it."""

    ACCEPT_SPARSE = "accept-sparse"
    """An index lists content that is absent, and the import was told to require all of it."""

    MOVE_TAGS = "move-tags"
    """Tags name other images already, and the import was told not to move any."""

    RAISE_LAYER_LIMIT = "raise-layer-limit"
    """A layer is larger than the limit that was set for layers."""

    RAISE_RATIO_LIMIT = "raise-ratio-limit"
    """Data decodes to more bytes than the limit that was set for its compression ratio."""

    CONVERT_SCHEMA_1 = "convert-schema-1"
    """A manifest has Docker's schema 1: another tool can convert it."""

    AVOID_GNU_SPARSE = "avoid-gnu-sparse"
    """A tar holds sparse files in GNU's own form: tar can write it in the POSIX form."""

    SAVE_AS_OCI = "save-as-oci"
    """The format asked for cannot hold the image, and only the OCI format can."""

    SAVE_AS_OCI_OR_DOCKER = "save-as-oci-or-docker"
    """The format asked for cannot hold what was named, and the formats oci and docker can."""

    SAVE_TO_FILE = "save-to-file"
    """A folder is the destination, and the format asked for is written to a file only."""

    SAVE_PART = "save-part"
    """Content of an index is absent: save the present platforms, or a sparse index."""

    SAVE_SPARSE_INDEX = "save-sparse-index"
    """Images were taken out of their index: a sparse index keeps them in it."""

    CHOOSE_PLATFORM = "choose-platform"
    """An index has no image for the platform asked for, but images for others."""

    KEEP_LAYERS = "keep-layers"
    """Other layer compression needs a new manifest, and this manifest cannot be written again."""

    RECOMPRESS_AS_GZIP = "recompress-as-gzip"
    """Some layers are compressed with zstd, which old readers do not know."""

    LISTEN_ELSEWHERE = "listen-elsewhere"
    """The server cannot listen on the address it was given."""


class Note(str):
    """A line for the person who ran an operation, with the remedy that would change its outcome."""

    __slots__ = ("remedy",)

    remedy: Remedy | None

    def __new__(cls, text: str, remedy: Remedy | None = None) -> Self:
        """Return ``text`` as a note.

        Args:
            text: The fact, in one line.
            remedy: What would change it, or None if there is nothing to do.
        """
        note = super().__new__(cls, text)
        note.remedy = remedy
        return note
