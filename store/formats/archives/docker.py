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
    printable,
)
from store.formats.archives.claims import ArchiveClaim, ImageClaim
from store.formats.archives.docker_manifest import parse_manifest
from store.formats.image.config import HistoryDigests, ImageConfig
from store.formats.image.label_budget import LabelBudget
from store.model.digests import DiffID, Digest, ImageID
from store.model.references import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

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

    Raises:
        InvalidDocument: ``manifest.json`` or a config is not valid, or the two disagree.
        InvalidArchive: The parents of images form a cycle.
        InvalidReference: A tag is not valid.
        MissingMember: A config is not in the archive.
        TooLarge: A document exceeds a ceiling of ``limits``.
    """
    data = read(MANIFEST)
    entries = [
        entry
        for entry in parse_manifest(data, limits)
        if posixpath.normpath(entry.config) not in no_images
    ]
    labels = labels or LabelBudget(limits)
    configs: dict[str, ImageConfig] = {}
    for entry in entries:
        if entry.config not in configs:
            configs[entry.config] = config = ImageConfig.parse(
                _config(entry, read), limits, document=f"config {printable(entry.config)}"
            )
            labels.add_config(config)
    in_archive = {config.image_id: config for config in configs.values()}
    notes: list[str] = []
    histories = _Histories()
    images = tuple(
        _image(entry, configs[entry.config], in_archive, histories, notes)
        for entry in entries
        if posixpath.normpath(entry.config) not in unfit
        or len(entry.layers) == len(configs[entry.config].diff_ids)
    )
    refuse_cycles(
        {image.config.image_id: image.parent for image in images if image.parent is not None}
    )
    return ArchiveClaim(Digest.of(data), images, tuple(dict.fromkeys(notes)))


def _config(entry: ArchiveImage, read: Callable[[str], bytes]) -> bytes:
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
    in_archive: Mapping[ImageID, ImageConfig],
    histories: _Histories,
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
    return ImageClaim(
        config=config,
        layers=entry.layers,
        tags=tuple(checked_tag(tag) for tag in entry.repo_tags),
        parent=_parent(entry, config, in_archive, histories),
        sources=_foreign(entry),
    )


def checked_tag(text: str) -> str:
    """Return ``text`` if it is a reference with a tag.

    Raises:
        InvalidReference: The text is not a valid reference, or has no tag. Docker refuses both.
    """
    if Reference.parse(text).tag is None:
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
    entry: ArchiveImage,
    config: ImageConfig,
    in_archive: Mapping[ImageID, ImageConfig],
    histories: _Histories,
) -> ImageID | None:
    # Docker accepts only another image of the same archive as a parent, and silently ignores any
    # other value.
    try:
        parent = ImageID.parse(entry.parent) if entry.parent else None
    except InvalidDigest:
        return None
    if parent is None or parent == config.image_id or parent not in in_archive:
        return None
    if not histories.of(in_archive[parent]).may_precede(histories.of(config)):
        raise InvalidDocument(
            f"image {parent} is not a valid parent for {config.image_id}",
            document=MANIFEST,
            hint=(
                "import the images from separate archives: the history of a child must be the"
                " parent's history plus one entry"
            ),
        )
    return parent


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
