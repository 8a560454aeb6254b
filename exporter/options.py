"""The formats of archives and the options of a save."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Self, final

from store.errors import InvalidInput, printable
from store.model.platforms import DEFAULT, Platform

if TYPE_CHECKING:
    from collections.abc import Iterable

    from store.model.references import Repository


class Format(StrEnum):
    """The formats of archives that can be written.

    The command line and the mirror offer every member. ``exporter.planning`` has a module of the
    same name for each.
    """

    LEGACY = "legacy"
    DOCKER = "docker"
    OCI = "oci"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the format named ``text``.

        Raises:
            InvalidInput: There is no such format.
        """
        try:
            return cls(text)
        except ValueError:
            raise InvalidInput(
                f"invalid format {printable(repr(text))}: unknown",
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
        format: The archive's format; its name as text is accepted too.
        platforms: The platforms to save of an index. Empty for every platform, or, in a format that
            holds one image of an index, for the best image for ``machine``.
        machine: The platform that is saved if none is asked for and only one can be.
        sparse: Whether to save an index whose images are not all in the archive.
        referrers: Whether to save signatures, attestations and other referrers too.
        layers: The encoding to give to layers, or None to keep the stored ones.
        within: If given, content that this repository does not hold counts as missing.

    Raises:
        InvalidInput: ``format`` is a text that is not a format's name.
    """

    format: Format = Format.LEGACY
    platforms: tuple[Platform, ...] = ()
    machine: Platform = DEFAULT
    sparse: bool = False
    referrers: bool = False
    layers: Layers | None = None
    within: Repository | None = None

    def __post_init__(self) -> None:
        # A plain "oci" would equal Format.OCI but lack its properties.
        object.__setattr__(self, "format", Format.parse(self.format))

    def choose(self, offers: Iterable[Platform | None]) -> int | None:
        """Return the position of the image to save where the archive holds only one.

        Args:
            offers: The platform of every image to choose from; None for an unknown platform.

        Returns:
            The position in ``offers``, or None if no image fits.
        """
        known = list(offers)
        wanted = self.platforms or (self.machine,)
        for platform in wanted:
            ranks = [
                (rank, position)
                for position, offer in enumerate(known)
                if offer is not None and (rank := platform.runs(offer)) is not None
            ]
            if ranks:
                return min(ranks)[1]
        return None

    def wants(self, platform: Platform | None) -> bool:
        """Return whether an image for ``platform`` is to be saved; None is an unknown platform."""
        return not self.platforms or (
            platform is not None and any(one.matches(platform) for one in self.platforms)
        )
