"""The results of collections and checks.

They have a module of their own because a dataclass takes nearly a millisecond to define, and
imports and saves need none of these.
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
    """What a collection deleted, or would delete.

    Attributes:
        images: The images.
        manifests: How many manifests.
        layers: How many layers.
        blobs: The contents whose files were removed.
        freed_bytes: The size of all removed files.
        orphan_files: How many files without a row.
        dead_operations: How many operations of processes that have ended.
        dry_run: Whether nothing was deleted.
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
    """How serious a finding is."""

    ERROR = "error"
    WARNING = "warning"


@final
@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of a check.

    Attributes:
        severity: How serious it is.
        kind: A word for this kind of finding, such as ``damaged``.
        subject: The digest that it is about.
        message: The fact, in one line.
        images: The images that it affects, by name, or by ID if they have none.
        hint: What to do, if that needs no command.
        remedy: What to do, if that needs a command.
    """

    severity: Severity
    kind: str
    subject: str
    message: str
    images: tuple[str, ...] = ()
    hint: str | None = None
    remedy: Remedy | None = None
