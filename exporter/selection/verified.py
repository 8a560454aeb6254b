"""A check of pushed images, made before a save decodes their layers for the first time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.catalog.checking import verification
from store.errors import DiffMismatch
from store.model.contents import DiffState
from store.model.digests import ImageID
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.selection.document_reader import Check
    from store import Store


def verify(store: Store, images: Iterable[ImageID], check: Check) -> None:
    """Check that the stored layers of ``images`` have the diff IDs in the images' configs.

    Keep no transaction open: decoding takes long.

    Args:
        store: The store that holds the images, and that records the result.
        images: IDs of images.
        check: Called before each image; an exception that it raises ends the check.

    Raises:
        DiffMismatch: A layer does not have the diff ID in its image's config.
        ReadOnlyStore: The result cannot be recorded.
    """
    with store.read() as connection:
        states = verification.diff_states(connection, [image.digest for image in images])
    for digest, state in states.items():
        check()
        found = store.verify_image(ImageID(digest)) if state is DiffState.UNVERIFIED else state
        if found is DiffState.MISMATCH:
            raise DiffMismatch(
                f"cannot decode the layers of {digest}: they do not decode to the diff IDs in its"
                " config, or exceed a limit",
                image_id=ImageID(digest),
                hint="pull or save the image with its blobs as they are: it was pushed in this"
                " state",
                remedy=Remedy.SAVE_AS_OCI_OR_DOCKER,
            )
