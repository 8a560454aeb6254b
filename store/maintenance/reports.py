"""The result types of garbage collections and checks.

The types have a module of their own because defining a dataclass takes nearly a millisecond.
Imports and saves need none of the types, so they do not load this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
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
        freed_bytes: The size of all removed files.
        orphan_files: The number of removed files that had no row.
        dead_operations: The number of operations cleaned up after their processes had ended.
        dry_run: Whether this was a dry run, which deletes nothing.
    """

    images: tuple[ImageID, ...]
    manifests: int
    layers: int
    blobs: tuple[Digest, ...]
    freed_bytes: int
    orphan_files: int
    dead_operations: int
    dry_run: bool


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
    """

    severity: Severity
    kind: str
    subject: str
    message: str
    images: tuple[str, ...] = ()
    hint: str | None = None
    remedy: Remedy | None = None
