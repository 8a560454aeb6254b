"""The results of backups, checks of backups, and restores."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from store.backup.generation import Generation


class FaultKind(StrEnum):
    """What is wrong with a file of a store or a backup."""

    DAMAGED = "damaged"
    """All of its bytes were read, and they are wrong."""

    MISSING = "missing"
    """The file is missing."""

    UNREADABLE = "unreadable"
    """The bytes cannot be read now, so nothing is known about them."""


@final
@dataclass(frozen=True, slots=True)
class Fault:
    """A file of a store or a backup that cannot be used.

    Attributes:
        kind: What is wrong.
        subject: A digest, or the path of a file in the backup.
        reason: What was found, in words that follow the subject.
        images: The images that need it: ``repository:tag``, or the ID of an image without a tag.
        generations: The generations that need it; empty in a report about a store.
    """

    kind: FaultKind
    subject: str
    reason: str
    images: tuple[str, ...] = ()
    generations: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class BackupReport:
    """What a backup has written.

    Attributes:
        generation: The new generation.
        new_blobs: The number of blobs that were copied, and not there before.
        new_bytes: The size of these blobs.
        removed: The generations that were removed.
        freed_bytes: The size of the files that were removed with them.
        faults: Content that the store no longer has, or that cannot be read. A damaged generation
            is a fault as well: nothing was removed then.
    """

    generation: Generation
    new_blobs: int
    new_bytes: int
    removed: tuple[str, ...] = ()
    freed_bytes: int = 0
    faults: tuple[Fault, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check of a backup has read.

    Attributes:
        generations: The generations that were checked.
        blobs: The number of blobs that were read.
        blob_bytes: The size of these blobs.
        faults: The findings, by file.
    """

    generations: tuple[Generation, ...]
    blobs: int
    blob_bytes: int
    faults: tuple[Fault, ...]


@final
@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What a restore has written.

    Attributes:
        generation: The generation that was restored.
        copied_blobs: The number of blobs that were copied; an interrupted restore had copied the
            others.
        copied_bytes: The size of these blobs.
        faults: Files of the backup that are damaged, missing or unreadable.
        lost_before: Content that the store had lost before the backup.
    """

    generation: Generation
    copied_blobs: int
    copied_bytes: int
    faults: tuple[Fault, ...] = ()
    lost_before: tuple[Fault, ...] = ()
