"""Functions that read ``manifest.json`` and its configs into claims (docker-archive.md §6)."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Final, final

from store.errors import (
    InvalidArchive,
    InvalidDigest,
    InvalidDocument,
    InvalidReference,
    MissingMember,
    StoreError,
    TooLarge,
    printable,
)
from store.formats.archives.claims import ArchiveClaim, BrokenImage, ImageClaim
from store.formats.archives.docker_manifest import parse_manifest
from store.formats.archives.faults import FAULTS, kept
from store.formats.image.config import HistoryDigests, ImageConfig
from store.formats.image.label_budget import LabelBudget
from store.model.digests import DiffID, Digest, ImageID
from store.model.references import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from store.formats.archives.docker_manifest import ArchiveImage
    from store.model.limits import Limits

MANIFEST: Final = "manifest.json"
DOCKER_DEPTH: Final = 125
"""The most layers of an image that Docker loads (docker-archive.md §1)."""


def claim(
    read: Callable[[str], bytes],
    limits: Limits,
    *,
    no_images: Collection[str] = (),
    unfit: Collection[str] = (),
    labels: LabelBudget | None = None,
) -> ArchiveClaim:
    """Return the images that ``manifest.json`` lists, with their configs, as claims.

    Args:
        read: Returns the bytes at a path in the archive. Errors from this function are raised
            unchanged.
        limits: Ceilings for the documents.
        no_images: Paths of configs that belong to artifacts; their entries are skipped.
        unfit: Paths of configs that also belong to artifacts with another number of layers; an
            entry with such a number is skipped.
        labels: Counts the labels together with those of other documents; None if the archive has
            no other documents.

    Returns:
        The claims. An image whose config is absent or not valid, or does not fit its entry, is
        among the broken images. The parents are not checked yet (see `check_parents`).

    Raises:
        InvalidDocument: ``manifest.json`` is not valid.
        MissingMember: ``manifest.json`` is not in the archive.
        TooLarge: ``manifest.json`` exceeds a ceiling of ``limits``.
    """
    manifest = read(MANIFEST)
    entries = [
        entry
        for entry in parse_manifest(manifest, limits)
        if not entry.config or posixpath.normpath(entry.config) not in no_images
    ]
    labels = labels or LabelBudget(limits)
    configs: dict[str, ImageConfig | StoreError] = {}
    for position, entry in enumerate(entries):
        if entry.config not in configs:
            try:
                configs[entry.config] = config = ImageConfig.parse(
                    _config(position, entry, read),
                    limits,
                    document=f"config {printable(entry.config)}",
                )
                labels.add_config(config)
            except TooLarge:
                # Each further config may cost as much.
                raise
            except FAULTS as exc:
                configs[entry.config] = kept(exc)
    in_archive = {config.image_id for config in configs.values() if isinstance(config, ImageConfig)}
    notes: list[str] = []
    images: list[ImageClaim] = []
    broken: list[BrokenImage] = []
    for entry in entries:
        found = configs[entry.config]
        if not isinstance(found, ImageConfig):
            broken.append(BrokenImage(found, entry.repo_tags, entry.config))
            continue
        is_unfit = posixpath.normpath(entry.config) in unfit
        if is_unfit and len(entry.layers) != len(found.diff_ids):
            continue
        try:
            images.append(_image(entry, found, in_archive, notes))
        except TooLarge:
            # Each further config may cost as much.
            raise
        except FAULTS as exc:
            broken.append(BrokenImage(kept(exc), entry.repo_tags, entry.config, found))
    return ArchiveClaim(
        Digest.of(manifest), tuple(images), tuple(dict.fromkeys(notes)), broken=tuple(broken)
    )


def _config(position: int, entry: ArchiveImage, read: Callable[[str], bytes]) -> bytes:
    if not entry.config:
        raise InvalidDocument(
            f"image {position} has no Config",
            document=MANIFEST,
            hint=(
                "save the image again; if imgpkg wrote the archive, let imgpkg copy its images to a"
                " registry"
            ),
        )
    try:
        return read(entry.config)
    except MissingMember as exc:
        name = entry.repo_tags[0] if entry.repo_tags else "an image without a name"
        raise MissingMember(
            f"the config of {printable(name)} is not in the archive",
            member=entry.config,
            hint="copy the archive again, or save the image again: this archive is incomplete",
        ) from exc


def _image(
    entry: ArchiveImage,
    config: ImageConfig,
    in_archive: Collection[ImageID],
    notes: list[str],
) -> ImageClaim:
    if len(entry.layers) != len(config.diff_ids):
        raise InvalidDocument(
            f"layers length mismatch for {config.image_id}: expected {len(entry.layers)}, got"
            f" {len(config.diff_ids)}",
            document=MANIFEST,
            hint=(
                "save the image again: manifest.json and the config disagree about the number of"
                " layers"
            ),
        )
    if len(config.diff_ids) > DOCKER_DEPTH:
        notes.append(
            f"{config.image_id} has {len(config.diff_ids)} layers; Docker loads at most"
            f" {DOCKER_DEPTH}"
        )
    tags, unusable = usable_tags(entry.repo_tags)
    return ImageClaim(
        config=config,
        layers=entry.layers,
        tags=tags,
        parent=_parent(entry, config, in_archive),
        sources=_foreign(entry),
        unusable=unusable,
    )


def usable_tags(texts: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the texts that are references with a tag, and the texts that are not."""
    usable: list[str] = []
    unusable: list[str] = []
    for text in texts:
        try:
            usable.append(checked_tag(text))
        except (InvalidReference, InvalidDigest):
            unusable.append(text)
    return tuple(usable), tuple(unusable)


def checked_tag(text: str) -> str:
    """Return ``text`` if it is a reference with a tag or a digest.

    Docker refuses a reference without a tag. ``ctr images export`` writes the names of images that
    were pulled by digest.

    Raises:
        InvalidReference: The text is not a valid reference, or has neither a tag nor a digest.
    """
    if Reference.parse(text).is_name_only:
        raise InvalidReference(
            f"invalid tag {printable(text)!r}",
            text=text,
            hint="give each name in RepoTags a tag, for example app:1.4",
        )
    return text


@final
class _Histories:
    """The histories of configs. Each config is parsed for its history only once.

    ``manifest.json`` may list a config thousands of times, each time with another parent.
    """

    def __init__(self) -> None:
        self._known: dict[ImageID, HistoryDigests] = {}

    def of(self, config: ImageConfig) -> HistoryDigests:
        found = self._known.get(config.image_id)
        if found is None:
            found = self._known[config.image_id] = HistoryDigests.of(config)
        return found


def _parent(
    entry: ArchiveImage, config: ImageConfig, in_archive: Collection[ImageID]
) -> ImageID | None:
    # Docker accepts only another image of the same archive as a parent, and silently ignores any
    # other value.
    try:
        parent = ImageID.parse(entry.parent) if entry.parent else None
    except InvalidDigest:
        return None
    if parent is None or parent == config.image_id or parent not in in_archive:
        return None
    return parent


def check_parents(images: Sequence[ImageClaim]) -> None:
    """Check that each image of ``manifest.json`` can have been built on its parent.

    Args:
        images: The chosen images. Each has no parent, or a parent that is also chosen.

    Raises:
        InvalidDocument: The history of an image does not extend that of its parent.
        InvalidArchive: The parents form a cycle.
    """
    parents = {image.config.image_id: image.parent for image in images if image.parent is not None}
    configs = {image.config.image_id: image.config for image in images}
    histories = _Histories()
    for image in images:
        parent = image.parent
        if parent is not None and not histories.of(configs[parent]).may_precede(
            histories.of(image.config)
        ):
            raise InvalidDocument(
                f"image {parent} is not a valid parent for {image.config.image_id}",
                document=MANIFEST,
                hint=(
                    "import the images from separate archives: the history of a child must be the"
                    " parent's history plus one entry"
                ),
            )
    refuse_cycles(parents)


def refuse_cycles(parents: Mapping[ImageID, ImageID]) -> None:
    """Check that no image is its own ancestor.

    Args:
        parents: The parent of each image that has one.

    Raises:
        InvalidArchive: The parents form a cycle.
    """
    finished: set[ImageID] = set()
    for start in parents:
        path: list[ImageID] = []
        on_path: set[ImageID] = set()
        current: ImageID | None = start
        while current is not None and current not in finished:
            if current in on_path:
                raise InvalidArchive(f"the parent links of {current} form a cycle", member=MANIFEST)
            path.append(current)
            on_path.add(current)
            current = parents.get(current)
        finished.update(path)


def _foreign(entry: ArchiveImage) -> dict[DiffID, bytes]:
    # Docker 25 and newer describe every layer in LayerSources; only one with URLs is foreign.
    foreign: dict[DiffID, bytes] = {}
    for text, source in entry.layer_sources.items():
        if source.urls:
            try:
                foreign[DiffID.parse(text)] = source.encode()
            except InvalidDigest as exc:
                raise InvalidDocument(f"LayerSources: {exc.message}", document=MANIFEST) from exc
    return foreign


def display_name(image: ImageClaim) -> str:
    """Return an image's name for messages: its first tag, or its ID."""
    return image.tags[0] if image.tags else str(image.config.image_id)


def member_name(path: str) -> str:
    """Return a path from ``manifest.json`` as messages show it: spelled like a member's name."""
    return posixpath.normpath("/" + path).lstrip("/")


def missing(
    images: Sequence[ImageClaim], available: Callable[[DiffID], bool]
) -> list[tuple[str, int, DiffID]]:
    """Return every layer that is not ``available``, as (image, position, diff ID)."""
    return [
        (display_name(image), position, diff)
        for image in images
        for position, diff in enumerate(image.config.diff_ids)
        if not available(diff)
    ]
