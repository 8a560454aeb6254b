"""Next steps after an error or a note, named here and put into words by each user interface.

For example, the command line turns a remedy into advice with a flag or a command.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Remedy(StrEnum):
    """Next steps for the user. The text of each member says when it applies."""

    LIST_IMAGES = "list-images"
    """A name is not in the store: list the images and tags."""

    CHECK_STORE = "check-store"
    """Stored bytes are damaged or missing: check the store to list the affected images."""

    REPAIR_CONTENT = "repair-content"
    """Stored bytes are damaged or missing: repair them from an archive or another store."""

    REPAIR_ROWS = "repair-rows"
    """Rows of the catalogue are wrong: derive them again from the documents."""

    COLLECT_GARBAGE = "collect-garbage"
    """Unreferenced content uses disk space: collect garbage to remove it."""

    KEEP_UNDO = "keep-undo"
    """A collection has removed what a tag named before: collect less, to be able to go back."""

    CREATE_STORE = "create-store"
    """The root holds no store: import an archive to create a store, or give a different root."""

    REPLACE_STORE = "replace-store"
    """The catalogue is lost: restore a backup, or make the catalogue again from the documents."""

    REPLACE_SOUND_CATALOGUE = "replace-sound-catalogue"
    """The catalogue is sound, and the user wants to make it again all the same."""

    CONTINUE_RESTORE = "continue-restore"
    """The restore of a backup was interrupted: restore the same backup again."""

    RESTORE_PARTLY = "restore-partly"
    """A part of a backup is damaged: restore another one, or only the sound part."""

    FORCE_REMOVAL = "force-removal"
    """Several names point to the image to remove: force the removal of all names."""

    NAME_ONE_IMAGE = "name-one-image"
    """One name was given for an archive of several images: choose an image, or give a prefix."""

    NAME_BARE_TAG = "name-bare-tag"
    """An image has only a tag in the archive: give a prefix or a full name."""

    NAME_IMAGE = "name-image"
    """The wanted name of an image in the archive is not valid: give another name, or none."""

    RENAME_IMAGE = "rename-image"
    """A name in the archive is not valid and was left out: give the image another name."""

    ACCEPT_SPARSE = "accept-sparse"
    """An index lists content that is absent, and the import requires all of it."""

    MOVE_TAGS = "move-tags"
    """Tags already name other images, and the import must not move tags."""

    RAISE_LAYER_LIMIT = "raise-layer-limit"
    """A layer is larger than the limit that was set for layers."""

    RAISE_RATIO_LIMIT = "raise-ratio-limit"
    """Data decodes to more bytes than the limit that was set for its compression ratio."""

    CONVERT_SCHEMA_1 = "convert-schema-1"
    """A manifest has Docker's schema 1: convert it with another tool."""

    SAVE_AS_OCI = "save-as-oci"
    """The requested format cannot hold the image, and only the OCI format can."""

    SAVE_AS_OCI_OR_DOCKER = "save-as-oci-or-docker"
    """The requested format cannot hold the image or artifact, but oci and docker can."""

    SAVE_TO_FILE = "save-to-file"
    """The destination is a folder, and the requested format can only be written to a file."""

    SAVE_PART = "save-part"
    """Content of an index is absent: save the present platforms, or a sparse index."""

    SAVE_SPARSE_INDEX = "save-sparse-index"
    """Images are saved without their index: save a sparse index to keep them in it."""

    CHOOSE_PLATFORM = "choose-platform"
    """An index has no image for the requested platform, but has images for other platforms."""

    SEND_FOREIGN_LAYERS = "send-foreign-layers"
    """A foreign layer is not sent to a registry, because readers download it from elsewhere."""

    LOG_IN = "log-in"
    """A registry requires credentials, and there are none for it."""

    KEEP_LAYERS = "keep-layers"
    """Re-encoding layers needs a new manifest, and this manifest cannot be rewritten."""

    RECOMPRESS_AS_GZIP = "recompress-as-gzip"
    """Some layers are compressed with zstd, which old readers do not support."""

    REBUILD_IMAGE = "rebuild-image"
    """The layers of an image contradict its config: build it again where it was made."""

    WAIT_LONGER = "wait-longer"
    """Another process has kept a lock for too long: wait longer."""

    LISTEN_ELSEWHERE = "listen-elsewhere"
    """The server cannot listen on the address it was given."""

    OPEN_REGISTRY = "open-registry"
    """A registry without users refuses changes: add users, or let every client change images."""

    ADD_USER = "add-user"
    """A line in a file of users is invalid: set the password of the user again."""

    ALLOW_HOST = "allow-host"
    """A client uses a host name that the server does not know: allow the name."""


class Note(str):
    """A line for the user of an operation, with the remedy that would change the outcome."""

    __slots__ = ("remedy",)

    remedy: Remedy | None

    def __new__(cls, text: str, remedy: Remedy | None = None) -> Self:
        """Return ``text`` as a note.

        Args:
            text: The fact, in one line.
            remedy: The next step that would change the outcome; None if there is none.
        """
        note = super().__new__(cls, text)
        note.remedy = remedy
        return note
