"""The tags by which registries without a list of referrers find what belongs to a manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from store.model.digests import Digest

_SUFFIXES: Final = (".sig", ".att", ".sbom")
"""The ends of cosign's tags for signatures, attestations and SBOMs."""


def attached_tags(subject: Digest) -> tuple[str, ...]:
    """Return the tags that cosign gives to what belongs to a manifest.

    Args:
        subject: The digest of the manifest or index.
    """
    return tuple(f"{subject.algorithm}-{subject.hex}{suffix}" for suffix in _SUFFIXES)
