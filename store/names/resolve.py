"""Look-up of images and manifests by the names that users type.

A name is a full digest, a tag, a digest reference (``name@digest``), a bare repository name or the
beginning of an image ID. The forms are tried in Docker's order. All names that users type are read
here, and `resolve_image` decides which of its images the name of an index stands for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias, final

from store.catalog import images, manifests, references
from store.catalog.images import images_of_index
from store.errors import (
    AmbiguousName,
    ImageNotFound,
    InvalidDigest,
    InvalidInput,
    InvalidReference,
    ReferenceNotFound,
    printable,
)
from store.model.contents import DiffState
from store.model.digests import Digest, ImageID
from store.model.platforms import DEFAULT_CHOICE
from store.model.references import Reference
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from sqlalchemy import Connection

    from store.catalog.references import TagTarget
    from store.db.types import ContentKey
    from store.model.platforms import Platform, PlatformChoice

_FULL: Final = re.compile(r"[0-9a-f]{64}")
_PREFIX: Final = re.compile(r"(?:sha256:)?(?P<hex>[0-9a-f]{1,64})")
_MAX_SHOWN: Final = 5
"""The most matches of an ambiguous ID that a message lists."""

_PREFERENCE: Final = (DiffState.VERIFIED, DiffState.UNVERIFIED, DiffState.MISMATCH)
"""The states of the manifests of one image, the preferred state first."""

_ID_NAMESPACE: Final = "sha256"
"""A repository with this name cannot have tags: ``sha256:…`` is an image ID."""


_NONE: Final[Mapping[Reference, TagTarget]] = MappingProxyType({})
"""No known tags."""


# --- results --------------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class ResolvedImage:
    """One image that a text names.

    Attributes:
        key: The key of the image's row.
        image_id: The image's ID.
        target: The tag that the text named; None if the text was an ID or a digest.
    """

    key: ContentKey
    image_id: ImageID
    target: TagTarget | None


@final
@dataclass(frozen=True, slots=True)
class ResolvedManifest:
    """One manifest or index that a text names.

    Attributes:
        key: The key of the manifest's row.
        digest: The manifest's digest.
        reference: The text as a tag or digest reference; None if the text is a bare digest or an
            image ID.
        target: The tag that the text named; None if the text was an ID or a digest.
        image: The image that the manifest describes, or that the index stands for; None for an
            artifact, and for an index without an image.
    """

    key: ContentKey
    digest: Digest
    reference: Reference | None
    target: TagTarget | None
    image: ContentKey | None


@final
@dataclass(frozen=True, slots=True)
class ResolvedRepository:
    """All tags of one repository, named by a text without a tag.

    Attributes:
        name: The repository, as a reference without a tag.
        targets: The repository's tags in byte order, or the first of them; never empty.
    """

    name: Reference
    targets: tuple[TagTarget, ...]


Resolved: TypeAlias = ResolvedImage | ResolvedManifest | ResolvedRepository


# --- text to one or several -----------------------------------------------------------------------


def tags_of(connection: Connection, texts: Iterable[str]) -> dict[Reference, TagTarget]:
    """Return the targets of all tags among texts, by few statements, for `resolve`.

    Args:
        connection: A read or write unit.
        texts: Names of any form; other forms, and tags that do not exist, are left out.
    """
    named = (_reference(text) for text in texts if parse_full_id(text) is None)
    return references.get_all(
        connection, [name for name in named if name is not None and name.digest is None]
    )


def resolve(
    connection: Connection,
    text: str,
    *,
    max_tags: int | None = None,
    known: Mapping[Reference, TagTarget] | None = None,
) -> Resolved:
    """Return the image, manifest or repository that ``text`` names for ``docker save``.

    A name without a tag stands for all tags of its repository. If the repository has no tags, the
    text stands for the image whose ID begins with the text. A full digest names the image with this
    ID, or else the manifest with this digest.

    Args:
        connection: A read or write unit.
        text: An image ID or its beginning, a manifest's digest, a tag, a digest reference or a
            repository name.
        max_tags: The most tags of a repository to return; None for all.
        known: The result of `tags_of` in the same unit, for a text among many.

    Raises:
        AmbiguousName: The text begins the IDs of several images.
        ImageNotFound: No image or manifest has this ID.
        InvalidReference: The text is neither an ID nor a reference.
        ReferenceNotFound: The tag or digest reference does not exist.
    """
    digest = parse_full_id(text)
    if digest is not None:
        key = manifests.key_of(connection, digest)
        if key is None or images.key_of(connection, ImageID(digest)) is not None:
            return _image(connection, ImageID(digest), text)
        return ResolvedManifest(key, digest, None, None, references.image_of(connection, key))
    try:
        name = Reference.parse(text)
    except InvalidDigest as exc:
        raise InvalidReference(f"invalid reference format: {exc.message}", text=text) from exc
    if name.digest is None and name.repository.familiar == _ID_NAMESPACE:
        return _image_by_prefix(connection, text)
    if name.is_name_only:
        targets = references.in_repository(connection, name.repository, limit=max_tags)
        return ResolvedRepository(name, targets) if targets else _image_by_prefix(connection, text)
    found = _manifest_by_reference(connection, name, known or {})
    if found is None:
        raise reference_not_found(name.familiar)
    return found


def resolve_image(
    connection: Connection, text: str, choice: PlatformChoice = DEFAULT_CHOICE
) -> ResolvedImage:
    """Return the one image that ``text`` names; a name without a tag means ``latest``.

    The name of an index stands for one of its images (see `PlatformChoice`).

    Args:
        connection: A read or write unit.
        text: An image ID or its beginning, a manifest's digest, a tag or a digest reference.
        choice: The platform to choose for.

    Raises:
        AmbiguousName: The text begins the IDs of several images.
        ImageNotFound: No image has this name or ID.
        InvalidInput: The name has no image for the wanted platforms.
        InvalidReference: The text is neither an ID nor a reference.
    """
    digest = parse_full_id(text)
    if digest is not None:
        return _image_by_digest(connection, digest, text, choice)
    try:
        name = Reference.parse(text).with_default_tag()
    except (InvalidReference, InvalidDigest):
        found = _by_prefix(connection, text)
        if found is None:
            raise
        return _fitting(connection, _image(connection, found, text), text, choice)
    if name.digest is not None:
        manifest = references.holds(connection, name.repository, name.digest)
        if manifest is None:
            raise image_not_found(text)
        return image_of_manifest(connection, manifest, text, choice)
    target = references.get(connection, name)
    if target is None or target.image is None:
        return _fitting(connection, _image_by_prefix(connection, text), text, choice)
    if choice == DEFAULT_CHOICE and target.image_id is not None:
        return ResolvedImage(target.image, target.image_id, target)
    return replace(image_of_manifest(connection, target.manifest, text, choice), target=target)


def image_of_manifest(
    connection: Connection,
    manifest: ContentKey,
    name: str,
    choice: PlatformChoice = DEFAULT_CHOICE,
) -> ResolvedImage:
    """Return the image that a manifest describes, or that an index stands for.

    Args:
        connection: A read or write unit.
        manifest: Row number of the manifest or index.
        name: The name that the user gave, for messages.
        choice: The platform to choose for.

    Raises:
        ImageNotFound: The manifest is an artifact, or the index has no stored image.
        InvalidInput: No image is for the wanted platforms.
    """
    if not manifests.is_index(connection, manifest):
        key = references.image_of(connection, manifest)
        if key is None:
            raise image_not_found(name)
        return _fitting(
            connection, ResolvedImage(key, images.id_of(connection, key), None), name, choice
        )
    offers = images_of_index(connection, manifest)
    position = choice.choose(offer.platform for offer in offers)
    if position is not None:
        return ResolvedImage(offers[position].image, offers[position].image_id, None)
    if not offers:
        raise image_not_found(name)
    raise _no_image_for(name, choice.wanted, (offer.platform for offer in offers))


def resolve_manifest(connection: Connection, text: str) -> ResolvedManifest:
    """Return the one manifest or index that ``text`` names; a name without a tag means ``latest``.

    If the text names an image, the result is the manifest that stands for it (see
    `manifest_of_image`).

    Args:
        connection: A read or write unit.
        text: A manifest's digest, an image ID or its beginning, a tag or a digest reference.

    Raises:
        AmbiguousName: The text begins the IDs of several images.
        ImageNotFound: No image or manifest has this name or ID.
        InvalidReference: The text is neither an ID nor a reference.
    """
    digest = parse_full_id(text)
    if digest is not None:
        key = manifests.key_of(connection, digest)
        if key is not None:
            return ResolvedManifest(key, digest, None, None, references.image_of(connection, key))
    else:
        name = _reference(text)
        found = None if name is None else _manifest_by_reference(connection, name)
        if found is not None:
            return found
    return manifest_of_image(connection, resolve_image(connection, text))


def manifest_of_image(
    connection: Connection,
    image: ResolvedImage,
    usable: Callable[[Iterable[Digest]], AbstractSet[Digest]] | None = None,
) -> ResolvedManifest:
    """Return the manifest that stands for an image.

    Anybody may push a manifest that lists any layers for a known config. So manifests with verified
    layers are preferred, and then manifests whose layers are not known to be wrong. Of these,
    manifests that have a name, or that are kept without a name, are preferred to manifests that are
    only part of an index. Of several manifests, the one with the smallest digest is returned.

    Args:
        connection: A read or write unit.
        image: The image, as `resolve_image` returns it.
        usable: Returns the manifests that may be chosen; None for all.

    Raises:
        ImageNotFound: The image has no manifest that may be chosen.
    """
    known = manifests.roots_of(connection, image.key)
    if usable is not None:
        chosen = usable([digest for digest, _, _ in known])
        known = [root for root in known if root[0] in chosen]
    if not known:
        raise image_not_found(str(image.image_id))
    digest, _, _ = min(
        known, key=lambda root: (_PREFERENCE.index(root[2]), not root[1], str(root[0]))
    )
    key = manifests.key_of(connection, digest)
    if key is None:
        raise image_not_found(str(image.image_id))
    return ResolvedManifest(key, digest, None, None, image.key)


# --- platforms ------------------------------------------------------------------------------------


def _fitting(
    connection: Connection, image: ResolvedImage, name: str, choice: PlatformChoice
) -> ResolvedImage:
    """Return ``image`` if it is for a wanted platform.

    Raises:
        InvalidInput: The image is for another platform.
    """
    if choice.wanted:
        platform = images.platform_of(connection, image.key)
        if not choice.fits(platform):
            raise _no_image_for(name, choice.wanted, (platform,))
    return image


def _no_image_for(
    name: str, wanted: Iterable[Platform], offers: Iterable[Platform]
) -> InvalidInput:
    stored = ", ".join(sorted({str(platform) for platform in offers}))
    return InvalidInput(
        f"{printable(name)} has no image for {' or '.join(map(str, wanted))} in the store",
        hint=f"choose from the stored platforms: {stored}",
        remedy=Remedy.CHOOSE_PLATFORM,
    )


# --- parts ----------------------------------------------------------------------------------------


def parse_full_id(text: str) -> Digest | None:
    """Return a full ID, with or without its algorithm, as a digest; None for any other text."""
    if _FULL.fullmatch(text):
        return Digest("sha256", text)
    try:
        return Digest.parse(text)
    except InvalidDigest:
        return None


def image_not_found(text: str) -> ImageNotFound:
    """Return the error for a text that names no image."""
    return ImageNotFound(f"No such image: {printable(text)}", remedy=Remedy.LIST_IMAGES)


def reference_not_found(name: str) -> ReferenceNotFound:
    """Return the error for a tag or a digest reference that does not exist."""
    return ReferenceNotFound(f"{name}: reference does not exist", remedy=Remedy.LIST_IMAGES)


def _reference(text: str) -> Reference | None:
    try:
        return Reference.parse(text).with_default_tag()
    except (InvalidReference, InvalidDigest):
        return None


def _manifest_by_reference(
    connection: Connection, name: Reference, known: Mapping[Reference, TagTarget] = _NONE
) -> ResolvedManifest | None:
    """Return the manifest that a reference names, or None; a digest takes precedence over a tag."""
    if name.digest is not None:
        key = references.holds(connection, name.repository, name.digest)
        if key is None:
            return None
        image = references.image_of(connection, key)
        return ResolvedManifest(key, name.digest, name, None, image)
    target = known.get(name) or references.get(connection, name)
    if target is None:
        return None
    return ResolvedManifest(target.manifest, target.digest, target.reference, target, target.image)


def _image_by_digest(
    connection: Connection, digest: Digest, text: str, choice: PlatformChoice
) -> ResolvedImage:
    """Return the image with this ID, or else the image of the manifest with this digest."""
    manifest = manifests.key_of(connection, digest)
    if manifest is None or images.key_of(connection, ImageID(digest)) is not None:
        return _fitting(connection, _image(connection, ImageID(digest), text), text, choice)
    return image_of_manifest(connection, manifest, text, choice)


def _image_by_prefix(connection: Connection, text: str) -> ResolvedImage:
    found = _by_prefix(connection, text)
    if found is None:
        raise image_not_found(text)
    return _image(connection, found, text)


def _by_prefix(connection: Connection, text: str) -> ImageID | None:
    """Return the one image whose ID begins with ``text``, or None.

    Raises:
        AmbiguousName: Several IDs begin with ``text``.
    """
    match = _PREFIX.fullmatch(text)
    if match is None:
        return None
    found = images.with_prefix(connection, "sha256", match["hex"], _MAX_SHOWN + 1)
    if len(found) > 1:
        shown = ", ".join(image.digest.short for image in found[:_MAX_SHOWN]) + (
            ", …" if len(found) > _MAX_SHOWN else ""
        )
        raise AmbiguousName(
            f"ambiguous digest string {text!r}: these IDs begin with it: {shown}",
            matches=[str(image) for image in found],
            hint="give more digits of the ID",
        )
    return found[0] if found else None


def _image(connection: Connection, image_id: ImageID, text: str) -> ResolvedImage:
    key = images.key_of(connection, image_id)
    if key is None:
        raise image_not_found(text)
    return ResolvedImage(key, image_id, None)
