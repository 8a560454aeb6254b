"""What of an image is sent. This module loads no database, because most copies need none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from exporter.options import Format, SaveOptions

if TYPE_CHECKING:
    from exporter.options import Layers
    from store.model.platforms import Platform


@final
@dataclass(frozen=True, slots=True)
class Choice:
    """What of an image is sent.

    Attributes:
        platforms: The platforms to send of an index; empty for all. Without ``sparse``, there is
            at most one.
        sparse: Whether to send an index even if some of its images are not sent.
        referrers: Whether to send signatures, attestations and other referrers as well.
        layers: The encoding to give to layers of the store, or None to keep their encoding.
    """

    platforms: tuple[Platform, ...] = ()
    sparse: bool = False
    referrers: bool = False
    layers: Layers | None = None

    @property
    def save_options(self) -> SaveOptions:
        """The options of a save that selects the same content."""
        return SaveOptions(
            Format.OCI,
            platforms=self.platforms,
            sparse=self.sparse,
            referrers=self.referrers,
            layers=self.layers,
        )
