"""Which staged files the store still lacks when an import is published."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from store.formats.archives.claims import ArchiveClaim
from store.importing.archive import ReadArchive
from store.importing.needed_files import still_needed
from store.model.digests import DiffID, Digest
from tests.support.images import A, B, image

if TYPE_CHECKING:
    from store import Store
    from store.importing.staging import Stager


def test_a_layer_that_is_stored_by_now_is_not_needed(store: Store, stager: Stager) -> None:
    held = stager.layer(iter((A,)), "a", lambda _: None)
    new = stager.layer(iter((B,)), "b", lambda _: None)
    blob = stager.blob(iter((b"sbom",)), "sbom", lambda _: None)
    archive = ReadArchive(
        ArchiveClaim(Digest.of(b""), ()),
        layers={DiffID(Digest.of(A)): held, DiffID(Digest.of(B)): new},
        others={Digest.of(b"sbom"): blob},
    )
    store.import_archive(io.BytesIO(image(A, tags=("app:1",)).bytes()))
    with store.read() as connection:
        assert still_needed(connection, archive) == [(new, True), (blob, False)]
