"""What a save was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, final

from store.model.platforms import DEFAULT, Platform

if TYPE_CHECKING:
    from collections.abc import Iterable

    from store.model.references import Repository


class Format(StrEnum):
    """The formats that can be written."""

    LEGACY = "legacy"
    DOCKER = "docker"
    OCI = "oci"


class Layers(StrEnum):
    """How layers are encoded anew."""

    GZIP = "gzip"
    ZSTD = "zstd"
    PLAIN = "plain"


@final
@dataclass(frozen=True, slots=True)
class SaveOptions:
    """How images are saved.

    ``platforms`` says which images of an index are wanted; without, all of them, or in a format
    that has room for one, the best for the ``machine``. With ``sparse`` an index comes along
    although not everything that it lists does. ``referrers`` brings signatures and the like.
    ``layers`` encodes layers anew. What is listed counts as here when the repository ``within``
    holds it, if there is one.
    """

    format: Format = Format.LEGACY
    platforms: tuple[Platform, ...] = ()
    machine: Platform = DEFAULT
    sparse: bool = False
    referrers: bool = False
    layers: Layers | None = None
    within: Repository | None = None

    def choose(self, offers: Iterable[Platform | None]) -> int | None:
        """The position of the one offer to take where there is room for one.

        None when none fits.
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
        """Whether what an index lists for ``platform`` is wanted."""
        return not self.platforms or (
            platform is not None and any(one.matches(platform) for one in self.platforms)
        )
