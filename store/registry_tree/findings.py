"""What is broken in the storage of a registry, such as what its garbage collection has removed."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from store.model.digests import Digest


class Kind(StrEnum):
    """A kind of finding."""

    TAG_WITHOUT_MANIFEST = "tag-without-manifest"
    """A tag names a manifest whose bytes are absent."""

    MISSING_MANIFEST = "missing-manifest"
    """A repository lists a manifest whose bytes are absent."""

    MISSING_CHILD = "missing-child"
    """An index lists a manifest whose bytes are absent."""

    MISSING_BLOB = "missing-blob"
    """A manifest lists a config, a layer or another blob whose bytes are absent."""

    WRONG_DIGEST = "wrong-digest"
    """A file does not have the digest in its path."""

    WRONG_SIZE = "wrong-size"
    """A file does not have the size that a manifest states."""

    INVALID_LINK = "invalid-link"
    """A link file is missing, or is not the digest that its path states."""

    INVALID_MANIFEST = "invalid-manifest"
    """A manifest cannot be read, or cannot be imported."""

    INVALID_NAME = "invalid-name"
    """A folder is not the name of a repository or a tag."""

    UNSAFE_ENTRY = "unsafe-entry"
    """A symbolic link or a special file, which is not followed."""

    UNLINKED_MANIFEST = "unlinked-manifest"
    """A tag or an index names a manifest that the repository does not list.

    The registry answers that it does not exist. Its bytes are there, so it can be imported.
    """

    DEAD_LAYER_LINK = "dead-layer-link"
    """A repository lists a layer whose bytes are absent. No manifest needs the layer."""

    OLD_NAMES = "old-names"
    """The registry keeps names in a database, so tags and manifests in the files may be old."""


_HARMLESS: Final = frozenset({Kind.UNLINKED_MANIFEST, Kind.DEAD_LAYER_LINK, Kind.OLD_NAMES})


@final
@dataclass(frozen=True, slots=True)
class Finding:
    """A broken part of a repository.

    Attributes:
        kind: What is wrong.
        repository: The name of the repository; empty for the whole storage.
        subject: The tag, digest or path that is concerned.
        text: The fact, in one line.
        digest: The digest of the absent or wrong bytes; None if it is not known.
        tags: The tags of the repository that the finding affects.
    """

    kind: Kind
    repository: str
    subject: str
    text: str
    digest: Digest | None = None
    tags: tuple[str, ...] = ()

    @property
    def is_loss(self) -> bool:
        """Whether content is lost that the repository should have."""
        return self.kind not in _HARMLESS


@final
@dataclass(slots=True)
class Findings:
    """Findings, up to a ceiling.

    Attributes:
        most: The ceiling; findings beyond it are only counted.
        found: The findings.
        losses: The number of findings that are a loss, those beyond the ceiling included.
        dropped: The number of findings beyond the ceiling.
    """

    most: int
    found: list[Finding] = field(default_factory=list)
    losses: int = 0
    dropped: int = 0

    def add(self, finding: Finding) -> None:
        """Add a finding."""
        self.losses += finding.is_loss
        if len(self.found) < self.most:
            self.found.append(finding)
        else:
            self.dropped += 1
