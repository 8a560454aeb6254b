"""Layers of images without a manifest: listed by path in the archive, by diff ID in a config."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from store.errors import (
    DigestMismatch,
    MissingLayers,
    MissingMember,
    StoreError,
    TooLarge,
    printable,
)
from store.formats.archives import docker
from store.formats.archives.faults import FAULTS, kept
from store.formats.compression.settings import FRAME_BYTES
from store.model.digests import DiffID

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from store.formats.archives.claims import ArchiveClaim, ImageClaim
    from store.formats.archives.docker_v1 import V1Directory
    from store.importing.archive import ArchiveInput
    from store.importing.members.members import Members
    from store.importing.staging import Staged


def stage_image_layers(claim: ArchiveClaim, source: ArchiveInput) -> dict[DiffID, Staged]:
    """Stage the layers that the images of a claim need and that the store does not have.

    Images that a manifest of the archive describes are left out: `ManifestBlobs` stages the layers
    of such images.

    Returns:
        The staged layers by diff ID.

    Raises:
        DigestMismatch: A member does not decode to its diff ID.
        MissingLayers: The archive and the store lack a layer.
        InvalidInput: A member cannot be read or is not a layer.
    """
    members, stager = source.members, source.stager
    images = [image for image in claim.images if not image.described]
    held = source.holdings.diffs({diff for image in images for diff in image.config.diff_ids})
    needed = [path for diff, path in _first_copies(images).items() if diff not in held]
    if source.room is not None:
        source.room.require(members, [path for path in needed if path])
    members.prefetch(_largest_first(members, needed))
    staged: dict[DiffID, Staged] = {}
    absent: set[DiffID] = set()
    # Each chain has a number. The key is the number of the chain below, with the diff on top.
    chains: dict[tuple[int, DiffID], int] = {}
    for image in images:
        chain = 0
        for position, (diff, path) in enumerate(
            zip(image.config.diff_ids, image.layers, strict=True)
        ):
            is_known_chain = (chain, diff) in chains
            chain = chains.setdefault((chain, diff), len(chains) + 1)
            # As in Docker, two kinds of layers are neither opened nor checked: layers that the
            # store has, and layers of a chain that an earlier image of the archive has. A diff
            # that occurs again in a different chain may be missing there, but a file at its path
            # must be that layer.
            if diff in held or (is_known_chain and diff in staged):
                # The path is still resolved: Docker refuses a path that leaves the archive, or a
                # loop of links, before it looks up the layer.
                members.exists(path or "")
                continue
            try:
                layer = _layer(members, path)
            except MissingMember:
                if diff not in staged:
                    absent.add(diff)
                continue
            if not stager.has_diff(layer, diff.digest):
                raise DigestMismatch(
                    f"invalid diffID for layer {position} of"
                    f" {printable(docker.display_name(image))} (member {printable(path or '')!r})",
                    want=diff,
                    got=layer.diff.digest,
                    hint=(
                        "save the image again: the archive is damaged, or the layer belongs to a"
                        " different image"
                    ),
                )
            staged.setdefault(diff, layer)
            absent.discard(diff)
    if absent:
        raise MissingLayers(docker.missing(images, lambda diff: diff in staged or diff in held))
    return staged


def _first_copies(images: Iterable[ImageClaim]) -> dict[DiffID, str | None]:
    """Return the path of each layer; one of several copies of a layer is read."""
    first: dict[DiffID, str | None] = {}
    for image in images:
        for diff, path in zip(image.config.diff_ids, image.layers, strict=True):
            first.setdefault(diff, path)
    return first


def stage_v1_layers(
    directories: Sequence[V1Directory], members: Members, faults: dict[str, StoreError]
) -> dict[str, tuple[DiffID, Staged]]:
    """Stage every layer of an archive from Docker before 1.10; the archive lists no diff IDs.

    Args:
        directories: The image directories.
        members: The archive's files.
        faults: Receives the error of each directory whose layer cannot be read.

    Returns:
        The diff ID and the staged layer of each directory, by the directory's name.
    """
    staged: dict[str, tuple[DiffID, Staged]] = {}
    for directory in directories:
        try:
            layer = members.layer(directory.layer).checked()
        except TooLarge:
            # Each further layer may cost as much.
            raise
        except FAULTS as exc:
            faults[directory.name] = kept(exc)
        else:
            staged[directory.name] = (DiffID(layer.diff.digest), layer)
    return staged


def _layer(members: Members, path: str | None) -> Staged:
    """Return the layer at a path. It need not be a tar: its digest says whether it is right.

    Raises:
        MissingMember: There is none, or the archive states no path: `pack` writes empty ones for
            layers that the reader must have already.
        InvalidInput: The member cannot be read or does not decode.
    """
    if not path:
        raise MissingMember("the archive states no path for the layer")
    layer = members.layer(path)
    return layer if layer.is_decoded else layer.checked()


def _largest_first(members: Members, paths: Iterable[str | None]) -> list[str]:
    """Return the paths of the layers that are larger than one frame, the largest first.

    A path that cannot be resolved is left out: its error is raised when the layer is read.
    """
    sizes: dict[str, int] = {}
    for path in paths:
        with suppress(StoreError):
            sizes[path or ""] = members.size(path or "")
    return sorted(
        (path for path, size in sizes.items() if size > FRAME_BYTES),
        key=lambda path: sizes[path],
        reverse=True,
    )
