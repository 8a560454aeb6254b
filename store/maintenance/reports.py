"""What the store answers when it is asked about everything.

Images in detail, what lies on disk, what was removed, what is damaged.

Frozen values, as in `store.model.contents`; apart from it because a dataclass takes nearly a
millisecond to make, and imports and saves need none of these.
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
    """What ``gc`` removed, or would remove."""

    images: tuple[ImageID, ...]
    manifests: int
    layers: int
    blobs: tuple[Digest, ...]
    freed_bytes: int
    orphan_files: int
    dead_operations: int
    dry_run: bool


class Severity(StrEnum):
    """How bad a finding of ``fsck`` is."""

    ERROR = "error"
    WARNING = "warning"


@final
@dataclass(frozen=True, slots=True)
class Finding:
    """One thing ``fsck`` found: what kind, where, which images it affects and what to do."""

    severity: Severity
    kind: str
    subject: str
    message: str
    images: tuple[str, ...] = ()
    hint: str | None = None
    remedy: Remedy | None = None
