"""v1 layer IDs and their documents: the names and the JSON of a legacy archive's folders.

See docker-archive.md §2 and §9.

Sources: moby v20.10 and v28, ``image/v1/imagev1.go`` and ``image/tarexport/save.go``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar, final

from store.formats.golang.json_writing import quote, short_escapes, write_object
from store.formats.golang.times import EPOCH
from store.formats.image.docker_28_config import V1_IMAGE_28, V1Image28
from store.formats.image.docker_config import V1_IMAGE, V1Image

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from store.formats.golang.structs import Struct
    from store.formats.image.config import ImageConfig
    from store.model.digests import ChainID

Image = TypeVar("Image", bound=V1Image)


@final
@dataclass(frozen=True, slots=True)
class V1Layer:
    """A layer as a legacy archive describes it.

    Attributes:
        v1_id: The name of the layer's folder: 64 hexadecimal digits.
        json: The exact bytes of the file ``json`` in the folder.
    """

    v1_id: str
    json: bytes


def v1_layers(config: ImageConfig, chain_ids: Sequence[ChainID]) -> tuple[V1Layer, ...]:
    """Describe every layer of an image as Docker 20.10 does, base first.

    Only the top layer's document repeats the config; the others are the same for every image with
    the same layers and the same ``os``.

    Args:
        config: The image's config.
        chain_ids: The chain ID of every layer, base first, as `ChainID.each` returns them.

    Raises:
        ValueError: ``chain_ids`` and the config have different numbers of layers.
    """
    if len(chain_ids) != len(config.diff_ids):
        raise ValueError(f"{len(chain_ids)} chain IDs for {len(config.diff_ids)} layers")
    return _layers(V1_IMAGE, config.v1, V1Image(created=EPOCH), chain_ids, bytes)


def v1_layers_28(image: V1Image28, chain_ids: Sequence[ChainID]) -> tuple[V1Layer, ...]:
    """Describe every layer of an image as Docker 28 does, base first.

    Args:
        image: The image's config as Docker 28 reads it.
        chain_ids: The chain ID of every layer, base first.
    """
    return _layers(V1_IMAGE_28, image, V1Image28(created=EPOCH), chain_ids, short_escapes)


def _layers(
    struct: Struct[Image],
    top: Image,
    base: Image,
    chain_ids: Sequence[ChainID],
    written: Callable[[bytes], bytes],
) -> tuple[V1Layer, ...]:
    """Return an image's layers: the top layer described by ``top``, all others by ``base``.

    ``written`` turns JSON into the form that the engine's Go version writes.
    """
    layers: list[V1Layer] = []
    hashed_base = dict(struct.members(base))
    for position, chain_id in enumerate(chain_ids):
        is_top = position == len(chain_ids) - 1
        image = top if is_top else base
        hashed = dict(struct.members(top) if is_top else hashed_base)
        hashed["layer_id"] = quote(str(chain_id))
        parent = layers[-1].v1_id if layers else ""
        if parent:
            hashed["parent"] = quote(f"sha256:{parent}")
        v1_id = hashlib.sha256(written(write_object(hashed)), usedforsecurity=False).hexdigest()
        # The stored document differs from the hashed one: struct order, `id`, no `layer_id`, a
        # bare `parent`, and `os` on every layer.
        layers.append(
            V1Layer(
                v1_id, written(struct.write(replace(image, id=v1_id, parent=parent, os=top.os)))
            )
        )
    return tuple(layers)
