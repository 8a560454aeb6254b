"""From what somebody typed to one image: full ID, name (``latest`` unless said otherwise), short ID, in Docker's order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from store.catalog import images, manifests, references
from store.errors import AmbiguousName, ImageNotFound, InvalidDigest, InvalidReference, printable
from store.model.digests import Digest, ImageID
from store.model.references import Reference

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from store.catalog.references import TagTarget
    from store.db.types import ContentKey

_FULL: Final = re.compile(r"[0-9a-f]{64}")
_PREFIX: Final = re.compile(r"(?:sha256:)?(?P<hex>[0-9a-f]{1,64})")
_SHOWN: Final = 5


@final
@dataclass(frozen=True, slots=True)
class ResolvedImage:
    """One image, and the tag that was used to name it (None when an ID or a digest was)."""

    key: ContentKey
    image_id: ImageID
    target: TagTarget | None


@final
@dataclass(frozen=True, slots=True)
class NamedManifest:
    """One manifest or index, the tag that was used to name it (None when an ID or a digest was), and the image it stands for (None for an artifact)."""

    key: ContentKey
    digest: Digest
    target: TagTarget | None
    image: ContentKey | None


def full_id(text: str) -> Digest | None:
    """``text`` as a full image ID, bare or with its algorithm; None when it is none."""
    if _FULL.fullmatch(text):
        return Digest("sha256", text)
    try:
        return Digest.parse(text)
    except InvalidDigest:
        return None


def by_prefix(connection: Connection, text: str) -> ImageID | None:
    """The one image whose ID begins with ``text``; None when there is none.

    Raises AmbiguousName (a full match never is).
    """
    match = _PREFIX.fullmatch(text)
    if match is None:
        return None
    found = images.with_prefix(connection, "sha256", match["hex"], _SHOWN + 1)
    if len(found) > 1:
        shown = ", ".join(image.digest.short for image in found[:_SHOWN]) + (
            ", …" if len(found) > _SHOWN else ""
        )
        raise AmbiguousName(
            f"ambiguous digest string {text!r}: it begins the IDs of {shown}",
            matches=[str(image) for image in found],
            hint="type more digits",
        )
    return found[0] if found else None


def one_image(connection: Connection, text: str) -> ResolvedImage:
    """The image that ``text`` names. Raises ImageNotFound, AmbiguousName, InvalidReference."""
    digest = full_id(text)
    if digest is not None:
        return _with_key(connection, ImageID(digest), text)
    try:
        name = Reference.parse(text).with_default_tag()
    except (InvalidReference, InvalidDigest):
        found = by_prefix(connection, text)
        if found is None:
            raise
        return _with_key(connection, found, text)
    if name.digest is not None:
        manifest = references.holds(connection, name.repository, name.digest)
        key = None if manifest is None else references.image_of(connection, manifest)
        if key is None:
            raise not_found(text)
        return ResolvedImage(key, images.id_of(connection, key), None)
    target = references.get(connection, name)
    if target is not None and target.image is not None and target.image_id is not None:
        return ResolvedImage(target.image, target.image_id, target)
    found = by_prefix(connection, text)
    if found is None:
        raise not_found(text)
    return _with_key(connection, found, text)


def one_manifest(connection: Connection, text: str) -> NamedManifest:
    """The manifest or index that ``text`` names, of an image the one that stands for it.

    Raises ImageNotFound, AmbiguousName, InvalidReference.
    """
    digest = full_id(text)
    if digest is not None and (key := manifests.key_of(connection, digest)) is not None:
        return NamedManifest(key, digest, None, references.image_of(connection, key))
    if digest is None:
        name = _reference(text)
        target = (
            None if name is None or name.digest is not None else references.get(connection, name)
        )
        if target is not None:
            return NamedManifest(target.manifest, target.digest, target, target.image)
        if (
            name is not None
            and name.digest is not None
            and (key := references.holds(connection, name.repository, name.digest)) is not None
        ):
            return NamedManifest(key, name.digest, None, references.image_of(connection, key))
    image = one_image(connection, text)
    known = manifests.roots_of(connection, image.key)
    chosen = min(known, key=lambda one: (not one[1], str(one[0])))[0]
    key = manifests.key_of(connection, chosen)
    if key is None:
        raise not_found(text)
    return NamedManifest(key, chosen, None, image.key)


def _reference(text: str) -> Reference | None:
    try:
        return Reference.parse(text).with_default_tag()
    except (InvalidReference, InvalidDigest):
        return None


def not_found(text: str) -> ImageNotFound:
    """The error for a name nobody knows."""
    return ImageNotFound(
        f"No such image: {printable(text)}", hint="`storectl images` lists what is here"
    )


def _with_key(connection: Connection, image_id: ImageID, text: str) -> ResolvedImage:
    key = images.key_of(connection, image_id)
    if key is None:
        raise not_found(text)
    return ResolvedImage(key, image_id, None)
