"""The options of a pull."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, final

from store.importing.archive import LayerChecks
from store.model.limits import DEFAULT_LIMITS, Limits
from store.model.platforms import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from remote.registry.values import ManifestReference
    from store.model.platforms import Platform
    from store.model.references import Reference

PULL: Final = "pull"
"""The kind of the operation of a pull."""

JOBS: Final = 6
"""How many blobs are downloaded at once, unless the user says otherwise."""


@final
@dataclass(frozen=True, slots=True)
class PullOptions:
    """What to pull, and how.

    Attributes:
        platforms: The images to take from an index: for each platform the one that suits it best;
            empty for the image that suits ``machine`` best.
        all_platforms: Whether to take everything that an index lists.
        machine: The platform of this machine.
        has_referrers: Whether to take signatures, attestations and SBOMs as well.
        jobs: How many blobs are downloaded at once.
        limits: Ceilings for documents and layers.
        asked: The tags or digests that registries are asked for, by the name that an image gets,
            if that is another name.
        kind: The kind of the operation, which the log of references shows.
        checks: When layers are compared with the diff IDs in the configs of their images.
    """

    platforms: tuple[Platform, ...] = ()
    all_platforms: bool = False
    machine: Platform = DEFAULT
    has_referrers: bool = False
    jobs: int = JOBS
    limits: Limits = DEFAULT_LIMITS
    asked: Mapping[Reference, ManifestReference] = field(default_factory=dict)
    kind: str = PULL
    checks: LayerChecks = LayerChecks.LATER
