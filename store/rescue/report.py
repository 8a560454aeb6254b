"""The result of a rescue: what was found again, and what is lost."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from datetime import datetime


class LossKind(StrEnum):
    """What is lost."""

    LOG = "log"
    """There is no document log, or a part of it is damaged. Nobody knows what was in it."""

    TAG = "tag"
    """The manifest of a tag is lost, and the tag with it."""

    MANIFEST = "manifest"
    """A manifest or index is lost."""

    IMAGE = "image"
    """Layers of an image are lost. Its tags stay, and a push or import can bring layers back."""

    FILE = "file"
    """The bytes of a file are wrong or cannot be read, and something stored needs it."""


@final
@dataclass(frozen=True, slots=True)
class Loss:
    """Something that is lost.

    Attributes:
        kind: What it is.
        subject: Its name or digest.
        reason: Why it is lost.
    """

    kind: LossKind
    subject: str
    reason: str


@final
@dataclass(frozen=True, slots=True)
class RescueReport:
    """The result of a rescue.

    Attributes:
        images: The images in the new catalogue.
        manifests: The manifests and indexes in it.
        tags: The tags in it.
        repositories: The repositories in it.
        layers: The different layers that are stored.
        files: The stored files that the new catalogue knows.
        unknown_files: The files that no document names; the next collections set them aside for a
            week, and then remove them.
        unknown_bytes: Their size.
        until: When the last change was recorded in the document log; None without a log. Later
            changes are lost.
        set_aside: The folder in the root that has the old catalogue; empty if there was none.
        losses: What is lost.
        is_dry_run: Whether the store was left as it is.
    """

    images: int
    manifests: int
    tags: int
    repositories: int
    layers: int
    files: int
    unknown_files: int
    unknown_bytes: int
    until: datetime | None
    set_aside: str
    losses: tuple[Loss, ...]
    is_dry_run: bool
