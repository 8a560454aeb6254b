"""Images that were pushed, and whose layers nobody has decoded yet: looked into when a save first needs their diffs."""

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
    """Make sure that the layers of ``images`` have their diff IDs, as far as they are here.

    No transaction may be open: it takes its time.

    Raises DiffMismatch, and ReadOnlyStore where the answer could not be remembered.
    """
    with store.read() as connection:
        states = verification.diff_states(connection, [image.digest for image in images])
    for digest, state in states.items():
        found = store.verify_image(ImageID(digest)) if state is DiffState.UNVERIFIED else state
        if found is DiffState.MISMATCH:
            raise DiffMismatch(
                f"the layers of {digest} are not those that its config names",
                image_id=ImageID(digest),
                hint="it was pushed so: its blobs can be pulled and saved as they are, but not decoded",
                remedy=Remedy.SAVE_AS_OCI_OR_DOCKER,
            )
