"""The check of pushed images whose layers were never decoded, before a save decodes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.catalog.checking import verification
from store.errors import DiffMismatch
from store.model.contents import DiffState
from store.model.digests import ImageID
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from store import Store


def verify(store: Store, images: Iterable[ImageID]) -> None:
    """Make sure that the stored layers of ``images`` have their diff IDs.

    Decoding takes long: no transaction may be open.

    Args:
        store: The store that holds the images, and records the result.
        images: IDs of images.

    Raises:
        DiffMismatch: A layer does not have the diff ID in its image's config.
        ReadOnlyStore: The result cannot be recorded.
    """
    with store.read() as connection:
        states = verification.diff_states(connection, [image.digest for image in images])
    for digest, state in states.items():
        found = store.verify_image(ImageID(digest)) if state is DiffState.UNVERIFIED else state
        if found is DiffState.MISMATCH:
            raise DiffMismatch(
                f"cannot decode the layers of {digest}: their diff IDs differ from its config",
                image_id=ImageID(digest),
                hint="it was pushed in this state: its blobs can be pulled and saved as they are",
                remedy=Remedy.SAVE_AS_OCI_OR_DOCKER,
            )
