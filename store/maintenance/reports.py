"""The result types of garbage collections and checks.

The types have a module of their own because defining a dataclass takes nearly a millisecond.
Imports and saves need none of the types, so they do not load this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from datetime import datetime

    from store.model.digests import Digest, ImageID
    from store.model.remedies import Remedy


@final
@dataclass(frozen=True, slots=True)
class CollectionReport:
    """The result of a collection: what it deleted, or would delete.

    Attributes:
        images: The IDs of the deleted images.
        manifests: The number of deleted manifests.
        layers: The number of deleted layers.
        blobs: The digests whose files were removed.
        freed_bytes: The size of all removed files: blobs, orphans, uploads, interrupted downloads,
            and the files of dead operations.
        orphan_files: The number of removed files that had no row: files of dead operations, and
            files after their time in quarantine.
        dead_operations: The number of operations cleaned up after their processes had ended.
        dry_run: Whether this was a dry run, which deletes nothing.
        uploads: The number of removed uploads, which were idle for too long.
        downloads: The number of removed files of interrupted downloads.
        cached_tags: The number of removed tags that were pulled through from upstream registries.
        kept: What the collection keeps although no image with a name needs it.
    """

    images: tuple[ImageID, ...]
    manifests: int
    layers: int
    blobs: tuple[Digest, ...]
    freed_bytes: int
    orphan_files: int
    dead_operations: int
    dry_run: bool
    uploads: int = 0
    downloads: int = 0
    cached_tags: int = 0
    kept: tuple[Kept, ...] = ()

    @property
    def prunable_bytes(self) -> int:
        """The size of all files that a collection of untagged images would free."""
        return self.freed_bytes + sum(
            one.size_bytes for one in self.kept if one.reason is KeptReason.UNTAGGED
        )


class KeptReason(StrEnum):
    """Why a collection keeps files that no image with a name needs."""

    PUSHED = "pushed"
    """A client has pushed, mounted or looked for the blobs, and may push a manifest soon."""
    PUSHING = "pushing"
    """The same, but the user has ended the grace: somebody has just pushed to the repository."""
    UPLOAD = "upload"
    """An upload is in progress."""
    DOWNLOAD = "download"
    """A pull was interrupted. The next one does not fetch these bytes again."""
    OPERATION = "operation"
    """A running import, save or other operation uses the files."""
    QUARANTINED = "quarantined"
    """The catalogue does not know the files. They are kept apart for a week."""
    UNDO = "undo"
    """A tag could be rolled back to it: the user wants that to be possible for some time."""
    UNTAGGED = "untagged"
    """Images without a name are kept until the user removes them."""


@final
@dataclass(frozen=True, slots=True)
class Kept:
    """Files that a collection keeps for one reason.

    Attributes:
        reason: Why the files are kept.
        files: The number of files.
        size_bytes: The size of the files.
        images: The number of images that are kept; 0 if only files are.
        until: When the last of the files is free if nothing happens; None if time does not free
            them.
        repository: The full name of the repository; None if the reason is in no repository.
    """

    reason: KeptReason
    files: int
    size_bytes: int
    images: int = 0
    until: datetime | None = None
    repository: str | None = None


class Severity(StrEnum):
    """How serious a finding is: an error or a warning."""

    ERROR = "error"
    WARNING = "warning"


@final
@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of a check.

    Attributes:
        severity: Whether the finding is an error or a warning.
        kind: A word for this kind of finding, such as ``damaged``.
        subject: The digest that the finding is about.
        message: The fact, in one line.
        images: The names of affected images; IDs for images without a name.
        hint: The next step in words; None if it needs a command.
        remedy: The next step, if it needs a command; else None.
        digest: The digest that the finding is about; None if it is about no digest.
        table: The table of the catalogue whose row is wrong; None if stored bytes or a file is.
    """

    severity: Severity
    kind: str
    subject: str
    message: str
    images: tuple[str, ...] = ()
    hint: str | None = None
    remedy: Remedy | None = None
    digest: Digest | None = None
    table: str | None = None
