"""The list of what refers to a manifest: an image index made for the asking (distribution-spec, "Listing Referrers")."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from store.formats.image.media_types import OCI_INDEX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from store.catalog.lists.repository_lists import Referrer

PAGE_BYTES: Final = 3 * 1024 * 1024
"""Clients take an index of 4 MiB; one more descriptor than fits is never as large as the rest."""


def index(referrers: Sequence[Referrer]) -> tuple[bytes, int]:
    """The index, and how many of ``referrers`` stand in it: as many as fit one page, but one at least."""
    size = 0
    listed: list[str] = []
    for one in referrers:
        if one.annotations is None:
            break
        text = json.dumps(_descriptor(one), separators=(",", ":"), ensure_ascii=False)
        size += len(text.encode("utf-8", "surrogatepass"))
        if listed and size > PAGE_BYTES:
            break
        listed.append(text)
    head = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX}, separators=(",", ":"))[:-1]
    return f'{head},"manifests":[{",".join(listed)}]}}'.encode("utf-8", "replace"), len(listed)


def _descriptor(one: Referrer) -> dict[str, Any]:
    descriptor: dict[str, Any] = {
        "mediaType": one.media_type,
        "digest": str(one.digest),
        "size": one.size_bytes,
    }
    if one.artifact_type:
        descriptor["artifactType"] = one.artifact_type
    if one.annotations:
        descriptor["annotations"] = dict(one.annotations)
    return descriptor
