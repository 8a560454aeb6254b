"""v1 layer IDs and the documents that go with them: what a legacy archive's directories are called and describe (docker-archive.md §2; moby v20.10)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

from store.gojson import quote
from store.goshape import write_object
from store.gotime import EPOCH
from store.v1image import V1_IMAGE, V1Image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from store.documents import ImageConfig
    from store.values import ChainID


@final
@dataclass(frozen=True, slots=True)
class V1Layer:
    """One layer as a legacy archive shows it: the name of its directory, 64 hex digits, and the exact text of the file ``json`` in it."""

    v1_id: str
    json: bytes


def v1_layers(config: ImageConfig, chain_ids: Sequence[ChainID], *, null_created: bool = False) -> tuple[V1Layer, ...]:
    """Describe every layer of an image, base first.

    Only the top layer carries what the config says; the others are the same for every image with the same layers and the same ``os``.

    Args:
        config: The image's config.
        chain_ids: The chain ID at every position, as of `ChainID.each`.
        null_created: Whether an unknown time of creation is written as null, as Docker does since 25, instead of as the zero time.

    Raises:
        ValueError: ``chain_ids`` are not as many as the config's layers.
    """
    if len(chain_ids) != len(config.diff_ids):
        raise ValueError(f"{len(chain_ids)} chain IDs for {len(config.diff_ids)} layers")
    layers: list[V1Layer] = []
    base = V1Image(created=EPOCH)
    hashed_base = dict(V1_IMAGE.members(base))
    for position, chain_id in enumerate(chain_ids):
        is_top = position == len(chain_ids) - 1
        image = config.v1 if is_top else base
        hashed = dict(V1_IMAGE.members(image) if is_top else hashed_base)
        is_null = null_created and image.created.is_zero
        if is_null:
            hashed["created"] = b"null"
        hashed["layer_id"] = quote(str(chain_id))
        parent = layers[-1].v1_id if layers else ""
        if parent:
            hashed["parent"] = quote(f"sha256:{parent}")
        v1_id = hashlib.sha256(write_object(hashed), usedforsecurity=False).hexdigest()
        # What is stored differs from what was hashed: struct order, `id`, no `layer_id`, a bare `parent`, and `os` on every layer.
        stored = dict(V1_IMAGE.members(replace(image, id=v1_id, parent=parent, os=config.os)))
        if is_null:
            stored["created"] = b"null"
        layers.append(V1Layer(v1_id, b"{%s}" % b",".join(b"%s:%s" % (quote(name), text) for name, text in stored.items())))
    return tuple(layers)
