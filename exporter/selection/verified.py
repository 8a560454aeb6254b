"""A check of pushed images, made before a save decodes their layers for the first time."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from store.catalog.checking import verification
from store.errors import DiffMismatch, ReadOnlyStore, printable
from store.model.contents import DiffState
from store.model.remedies import Note, Remedy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from exporter.selection.document_reader import Check
    from store import Store
    from store.model.digests import Digest, ImageID


def verify(
    store: Store,
    manifests: Iterable[Digest],
    images: Iterable[ImageID],
    check: Check,
    names: Sequence[str] = (),
) -> None:
    """Check that stored layers have the diff IDs in the configs of their images.

    Keep no transaction open: decoding takes long.

    Args:
        store: The store that holds the images, and that records the result.
        manifests: Manifests of images; the layers that each of them lists are checked.
        images: Images without a named manifest; the layers of one of their manifests are checked.
        check: Called before each image; an exception that it raises ends the check.
        names: What the caller calls the images.

    Raises:
        DiffMismatch: A layer does not have the diff ID in its image's config.
        ReadOnlyStore: The result cannot be recorded.
    """
    wanted = list(manifests)
    with store.read() as connection:
        listed = verification.manifest_states(connection, wanted)
        states = verification.diff_states(connection, [image.digest for image in images])
    waiting = {image for image, state in listed.values() if state is DiffState.UNVERIFIED}
    if waiting:
        for image in sorted(waiting, key=str):
            check()
            store.verify_image(image)
        with store.read() as connection:
            listed = verification.manifest_states(connection, wanted)
    for manifest, (image, state) in listed.items():
        if state is DiffState.MISMATCH:
            _refuse(store, image, names, manifest)
    for image in images:
        check()
        state = states.get(image.digest, DiffState.VERIFIED)
        if state is DiffState.UNVERIFIED:
            state = store.verify_image(image)
        if state is DiffState.MISMATCH:
            _refuse(store, image, names)


def contradictions(store: Store, manifests: Mapping[Digest, str], check: Check) -> tuple[str, ...]:
    """Return a note for each manifest whose layers are not those of its config.

    Such a manifest is saved as it is. Layers that were never decoded are decoded now. Keep no
    transaction open: decoding takes long.

    Args:
        store: The store that holds the images, and that records the result.
        manifests: Manifests of images, with the name of each for the notes.
        check: Called before each image; an exception that it raises ends the check.

    Raises:
        DiffMismatch: A layer decodes to more than a limit allows, so that no import takes it.
    """
    with store.read() as connection:
        listed = verification.manifest_states(connection, manifests)
    notes: list[str] = []
    for digest, (image, state) in listed.items():
        if state is DiffState.VERIFIED:
            continue
        check()
        if state is DiffState.UNVERIFIED and not _is_doubtful(store, digest, image):
            continue
        found = store.layer_fault(digest, image)
        if found is None:
            continue
        reason, is_too_large = found
        if is_too_large:
            raise DiffMismatch(
                f"cannot save {manifests[digest]}: {reason}",
                image_id=image,
                remedy=Remedy.REBUILD_IMAGE,
            )
        notes.append(
            Note(
                f"the layers of {manifests[digest]} contradict its config: {reason}",
                Remedy.REBUILD_IMAGE,
            )
        )
    return tuple(notes)


def _is_doubtful(store: Store, manifest: Digest, image: ImageID) -> bool:
    """Verify an image; return whether one of its manifests is still not verified."""
    with suppress(ReadOnlyStore):
        store.verify_image(image)
    with store.read() as connection:
        found = verification.manifest_states(connection, (manifest,)).get(manifest)
    return found is not None and found[1] is not DiffState.VERIFIED


def _refuse(
    store: Store, image: ImageID, names: Sequence[str], manifest: Digest | None = None
) -> NoReturn:
    """Raise the error for an image whose layers are not those of its config.

    The error names what the caller has named, and the first wrong layer of its manifest: the names
    and the other manifests of an image may belong to repositories that the caller may not read.
    """
    fault = None if manifest is None else store.layer_fault(manifest, image)
    raise DiffMismatch(
        f"cannot decode the layers of {printable(names[0]) if len(names) == 1 else image}:"
        + (
            " they do not decode to the diff IDs in its config, are not tars, or exceed a limit"
            if fault is None
            else f" {fault[0]}"
        ),
        image_id=image,
        hint="pull or save the image with its blobs as they are: its registry has it in this state",
        remedy=Remedy.SAVE_AS_OCI_OR_DOCKER,
    )
