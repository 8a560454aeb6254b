"""A check of pushed images, made before a save decodes their layers for the first time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from store.catalog.checking import verification
from store.errors import DiffMismatch
from store.model.contents import DiffState
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.selection.document_reader import Check
    from store import Store
    from store.model.digests import Digest, ImageID


def verify(
    store: Store, manifests: Iterable[Digest], images: Iterable[ImageID], check: Check
) -> None:
    """Check that stored layers have the diff IDs in the configs of their images.

    Keep no transaction open: decoding takes long.

    Args:
        store: The store that holds the images, and that records the result.
        manifests: Manifests of images; the layers that each of them lists are checked.
        images: Images without a named manifest; the layers of one of their manifests are checked.
        check: Called before each image; an exception that it raises ends the check.

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
    for image, state in listed.values():
        if state is DiffState.MISMATCH:
            _refuse(image)
    for image in images:
        check()
        state = states.get(image.digest, DiffState.VERIFIED)
        if state is DiffState.UNVERIFIED:
            state = store.verify_image(image)
        if state is DiffState.MISMATCH:
            _refuse(image)


def _refuse(image: ImageID) -> NoReturn:
    raise DiffMismatch(
        f"cannot decode the layers of {image}: they do not decode to the diff IDs in its config, or"
        " exceed a limit",
        image_id=image,
        hint="pull or save the image with its blobs as they are: it was pushed in this state",
        remedy=Remedy.SAVE_AS_OCI_OR_DOCKER,
    )
