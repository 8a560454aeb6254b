"""An index with an attestation and a signature, and the receivers of copies that take it."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING

from remote.pushing.choice import Choice
from remote.pushing.stored_image import open_stored
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    from remote.copying.receivers import Receiver
    from remote.pushing.report import Delivered, Survey
    from store import Store

NAME = "team/app:1"


def import_index(store: Store) -> Layout:
    """Import the index `NAME` of two platforms; its root is the first of the layout."""
    layout = Layout()
    amd64, arm64 = layout.image(gzip(A)), layout.image(gzip(A), B, platform="linux/arm64")
    index = layout.index(amd64, layout.attestation(amd64), arm64)
    layout.root(index, f"docker.io/{NAME}")
    layout.root(layout.artifact(b"signature", subject=index))
    store.import_archive(io.BytesIO(layout.tar()))
    return layout


def receive(
    store: Store, receiver: Receiver, choice: Choice | None = None, name: str = NAME
) -> Delivered:
    """Let a receiver that is not a registry receive an image of the store."""
    with open_stored(store, name, choice or Choice(), jobs=2) as image:
        return asyncio.run(receiver.receive(image))


def survey(store: Store, receiver: Receiver) -> Survey:
    """Ask a receiver what it lacks of the index."""
    with open_stored(store, NAME, Choice(), jobs=2) as image:
        return asyncio.run(receiver.survey(image))
