"""The formats of archives and the options of a save."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import TYPE_CHECKING, Self, final

from store.errors import InvalidInput, printable
from store.model.platforms import DEFAULT, Platform, PlatformChoice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from store.model.references import Repository

    MayRead = Callable[[Repository], bool]
    """Returns whether a client may read a repository."""


class Format(StrEnum):
    """The formats of archives that can be written.

    The command line and the mirror offer every member. For each member, ``exporter.planning`` has a
    module with the same name.
    """

    LEGACY = "legacy"
    DOCKER = "docker"
    OCI = "oci"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the format named ``text``.

        Raises:
            InvalidInput: No format has this name.
        """
        try:
            return cls(text)
        except ValueError:
            raise InvalidInput(
                f"invalid format {printable(repr(text))}: no such format",
                hint=f"give one of {', '.join(cls)}",
            ) from None

    @property
    def keeps_manifests(self) -> bool:
        """Whether the archive holds manifests, indexes and layers byte for byte as stored."""
        return self is not Format.LEGACY

    @property
    def can_be_folder(self) -> bool:
        """Whether the archive can be a folder instead of a file."""
        return self is Format.OCI


class LegacyLoss(Enum):
    """What to do if the format legacy would lose a manifest, a platform or an artifact."""

    ACCEPT = auto()
    """Save what the format can hold, with a note."""
    AVOID = auto()
    """Save in the format docker instead, which loses nothing."""
    REFUSE = auto()
    """Save nothing."""


class Layers(StrEnum):
    """The encodings that layers can be given in a saved archive."""

    GZIP = "gzip"
    ZSTD = "zstd"
    PLAIN = "plain"


@final
@dataclass(frozen=True, slots=True)
class SaveOptions:
    """How images are saved.

    Attributes:
        format: The archive's format, as a `Format` or as its name.
        platforms: The platforms to save of an index. If empty, every platform is saved, or the best
            image for ``machine`` in a format that holds one image of an index.
        machine: The platform to choose for if ``platforms`` is empty and the format holds one image
            of an index. If no image is for it, the index's first image is saved.
        sparse: Whether to save an index even if some of its images are not in the archive.
        referrers: Whether to include signatures, attestations and other referrers.
        layers: The encoding to give to layers, or None to keep their stored encoding.
        legacy_loss: What to do if ``format`` is legacy and would lose a part of what was named.
        may_read: Returns whether the client may read a repository. An image ID or a digest then
            stands only for content that the client may read. None if it stands for all stored
            content. A name always stands for the content of its repository.

    Raises:
        InvalidInput: ``format`` is a string that names no format.
    """

    format: Format = Format.LEGACY
    platforms: tuple[Platform, ...] = ()
    machine: Platform = DEFAULT
    sparse: bool = False
    referrers: bool = False
    layers: Layers | None = None
    may_read: MayRead | None = None
    legacy_loss: LegacyLoss = LegacyLoss.ACCEPT

    def __post_init__(self) -> None:
        # A plain "oci" would equal Format.OCI but lack its properties.
        object.__setattr__(self, "format", Format.parse(self.format))

    def choose(self, offers: Iterable[Platform | None]) -> int | None:
        """Return the position of the image to save if the format holds one image of an index.

        Args:
            offers: The platform of every image to choose from; None for an unknown platform.

        Returns:
            The position in ``offers``, or None if no image fits.
        """
        return PlatformChoice(self.platforms, self.machine).choose(offers)

    def wants(self, platform: Platform | None) -> bool:
        """Return whether to save an image for ``platform``; None stands for an unknown platform."""
        return not self.platforms or (
            platform is not None and any(one.matches(platform) for one in self.platforms)
        )
