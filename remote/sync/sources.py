"""What a sync file lists, whichever tool it was written for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, final

from remote.sync.filters.tag_filter import Globs

if TYPE_CHECKING:
    from pathlib import Path

    from remote.sync.filters.tag_filter import TagFilter
    from store.model.digests import Digest
    from store.model.platforms import Platform
    from store.model.references import Repository


@final
@dataclass(frozen=True, slots=True)
class Access:
    """How a registry is reached, as far as a sync file says.

    Attributes:
        username: The user; empty if the file names none.
        password: The password of the user.
        tls_verify: Whether the certificate must be trusted; None if the file does not say.
        plain_http: Whether HTTP without TLS is used.
        cert_dir: The folder with certificates; None for the usual ones.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    tls_verify: bool | None = None
    plain_http: bool = False
    cert_dir: Path | None = None


REMOTE: Final = "docker://"
"""The beginning of the name of a place in a registry."""

USUAL = Access()
"""Credentials and certificates are searched in the usual places."""


@final
@dataclass(frozen=True, slots=True)
class Parts:
    """What of each image is taken.

    Attributes:
        platforms: The images to take from an index; empty for the one that suits this machine.
        all_platforms: Whether to take everything that an index lists.
        has_referrers: Whether to take signatures, attestations and SBOMs as well.
    """

    platforms: tuple[Platform, ...] = ()
    all_platforms: bool = False
    has_referrers: bool = False

    @property
    def fingerprint(self) -> str:
        """A short text that is different for different parts."""
        text = f"{sorted(map(str, self.platforms))} {self.all_platforms} {self.has_referrers}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@final
@dataclass(frozen=True, slots=True)
class Place:
    """A repository that receives images.

    Attributes:
        repository: Its name.
        is_remote: Whether it is in a registry, and not in the store.
    """

    repository: Repository
    is_remote: bool = False

    def __str__(self) -> str:
        return f"{REMOTE}{self.repository}" if self.is_remote else str(self.repository)


@final
@dataclass(frozen=True, slots=True)
class Source:
    """One repository in a registry, and the images of it that are kept.

    Attributes:
        repository: The repository.
        place: The repository that receives the images.
        file: The name of the file, for messages.
        line: The line of the file.
        tags: The tags that the file names.
        digests: The digests that the file names.
        filter: The tags that are taken from the list of the registry; None for no list.
        renamed: The tag that the one named image gets; None for its own tag.
        parts: What of each image is taken; None if the file does not say.
        immutable: The tags that never move.
        is_signed: Whether only images with a signature are taken.
        prunes: Whether tags that are no longer listed are removed.
        access: How the registry is reached.
        place_access: How the registry of ``place`` is reached.
    """

    repository: Repository
    place: Place
    file: str
    line: int
    tags: tuple[str, ...] = ()
    digests: tuple[Digest, ...] = ()
    filter: TagFilter | None = None
    renamed: str | None = None
    parts: Parts | None = None
    immutable: Globs = field(default_factory=Globs)
    is_signed: bool = False
    prunes: bool = False
    access: Access = USUAL
    place_access: Access = USUAL


@final
@dataclass(frozen=True, slots=True)
class SyncFile:
    """A sync file.

    Attributes:
        name: The name of the sync. What a sync remembers belongs to its name.
        sources: What it lists.
        prunes: Whether tags of sources that the file no longer has are removed.
        notes: Facts that the user should know, one sentence each.
    """

    name: str
    sources: tuple[Source, ...]
    prunes: bool = False
    notes: tuple[str, ...] = ()
