"""The list of a manifest's referrers as JSON (distribution-spec, "Listing Referrers")."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Protocol

from store.formats.image.media_types import OCI_INDEX

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from store.model.digests import Digest

ARTIFACT_TYPE_PARAMETER: Final = "artifactType"
FILTERS_APPLIED_HEADER: Final = "OCI-Filters-Applied"

MAX_INDEX_BYTES: Final = 3 * 1024 * 1024
"""The limit of the descriptors on one page, in bytes; clients accept an index of 4 MiB."""

_MAX_TAG_ALGORITHM: Final = 32
_MAX_TAG_HEX: Final = 64


class Referrer(Protocol):
    """A manifest that names another manifest as its subject."""

    @property
    def digest(self) -> Digest:
        """The digest of the referring manifest."""
        ...

    @property
    def size_bytes(self) -> int:
        """The size of the referring manifest."""
        ...

    @property
    def media_type(self) -> str:
        """The media type of the referring manifest."""
        ...

    @property
    def artifact_type(self) -> str:
        """The artifact type; empty if the manifest has none."""
        ...

    @property
    def annotations(self) -> Mapping[str, str] | None:
        """The annotations; None if they were not loaded because the page is already full."""
        ...


def encode_index(referrers: Sequence[Referrer]) -> tuple[bytes, int]:
    """Return the image index that lists referrers.

    Args:
        referrers: The referrers, in the order in which to list them.

    Returns:
        The index, and the number of ``referrers`` in it. The index ends before the first referrer
        whose annotations were not loaded, or with which the list would exceed `MAX_INDEX_BYTES`. A
        single referrer is listed even if it is larger than that limit.
    """
    size_bytes = 0
    listed: list[str] = []
    for one in referrers:
        if one.annotations is None:
            break
        text = json.dumps(_descriptor(one), separators=(",", ":"), ensure_ascii=False)
        size_bytes += len(text.encode("utf-8", "surrogatepass"))
        if listed and size_bytes > MAX_INDEX_BYTES:
            break
        listed.append(text)
    head = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX}, separators=(",", ":"))[:-1]
    return f'{head},"manifests":[{",".join(listed)}]}}'.encode("utf-8", "replace"), len(listed)


def fallback_tag(digest: Digest) -> str:
    """Return the tag that lists a manifest's referrers in registries without the referrers API.

    Spec: distribution-spec, "Referrers Tag Schema". The tag consists of the algorithm, cut to 32
    characters, and the hexadecimal digits, cut to 64.

    Args:
        digest: The digest of the manifest.
    """
    return f"{digest.algorithm[:_MAX_TAG_ALGORITHM]}-{digest.hex[:_MAX_TAG_HEX]}"


def _descriptor(referrer: Referrer) -> dict[str, Any]:
    descriptor: dict[str, Any] = {
        "mediaType": referrer.media_type,
        "digest": str(referrer.digest),
        "size": referrer.size_bytes,
    }
    if referrer.artifact_type:
        descriptor["artifactType"] = referrer.artifact_type
    if referrer.annotations:
        descriptor["annotations"] = dict(referrer.annotations)
    return descriptor
