"""The one decision whether a manifest describes an image, from the manifest and its config.

Pushes, imports and saves all ask here. So the same bytes are judged alike, whichever way they came.
The decision does not look into the layers: whether they have the diff IDs of the config is the
`DiffState` of a manifest that describes an image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, final

from store.errors import InvalidDocument, TooLarge, printable
from store.formats.image.config import ImageConfig
from store.formats.image.media_types import IMAGE_CONFIGS, is_layer

if TYPE_CHECKING:
    from collections.abc import Callable

    from store.formats.image.manifests import Document, Link
    from store.model.digests import Digest
    from store.model.limits import Limits


@final
@dataclass(frozen=True, slots=True)
class NotAnImage:
    """The answer for a manifest that does not describe an image. Such a manifest is an artifact.

    Attributes:
        reason: Why it does not, as the rest of a sentence about the manifest.
        claims_image: Whether the media types of its config and layers say that it is an image. Then
            the user should know the reason.
        config: Its config, if this is the config of an image with another number of layers; else
            None.
    """

    reason: str
    claims_image: bool = True
    config: ImageConfig | None = None


ParsedConfig: TypeAlias = ImageConfig | NotAnImage
"""A config of an image, or why the bytes are not one."""


def described_image(
    document: Document, max_config_bytes: int, read: Callable[[Link], ParsedConfig]
) -> ParsedConfig:
    """Return the config of the image that a manifest describes, or why it describes no image.

    A manifest describes an image if its config and all of its layers have media types of images,
    the config is a valid config of an image, and both list the same number of layers. Signatures,
    attestations and policy bundles often borrow the media types of images.

    Args:
        document: A manifest or index.
        max_config_bytes: The size of the largest config that is read.
        read: Reads and parses a config, for example with `parse_config`. It is called at most once,
            and only for a manifest that claims to be an image.
    """
    link = document.config
    unclaimed = _unclaimed(document)
    if unclaimed is not None or link is None:
        return NotAnImage(unclaimed or "it has no config", claims_image=False)
    if link.target.size_bytes > max_config_bytes:
        return NotAnImage(
            f"its config has {link.target.size_bytes} bytes, and configs of images have at most"
            f" {max_config_bytes}"
        )
    config = read(link)
    if isinstance(config, NotAnImage):
        return config
    if len(config.diff_ids) != len(document.layers):
        return NotAnImage(
            f"the manifest has {len(document.layers)} layers, but its config {config.image_id} has"
            f" {len(config.diff_ids)}",
            config=config,
        )
    return config


def claims_image(document: Document) -> bool:
    """Return whether the media types of a manifest's config and layers say that it is an image.

    Signatures and attestations use the config type of images, but their layers have other types.

    Args:
        document: A manifest or index.
    """
    return _unclaimed(document) is None


def _unclaimed(document: Document) -> str | None:
    """Return why a document does not claim to be an image; None if it claims so."""
    link = document.config
    if link is None:
        return f"the {document.kind} has no config"
    if link.target.media_type not in IMAGE_CONFIGS:
        return f"its config has the media type {printable(link.target.media_type)!r}"
    for layer in document.layers:
        if not is_layer(layer.target.media_type):
            return (
                f"its layer {layer.position} has the media type"
                f" {printable(layer.target.media_type)!r}"
            )
    return None


def parse_config(data: bytes, limits: Limits, digest: Digest) -> ParsedConfig:
    """Return the config of an image, or why the bytes are not one.

    Args:
        data: The exact bytes of the config.
        limits: Ceilings for documents.
        digest: The digest of the bytes, already checked.
    """
    try:
        return ImageConfig.parse(data, limits, document=f"config {digest}", digest=digest)
    except (InvalidDocument, TooLarge) as exc:
        return NotAnImage(exc.message)
