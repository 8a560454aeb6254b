from __future__ import annotations

from typing import TYPE_CHECKING

from store.catalog.checking import losses
from store.model.digests import Digest
from store.repair.donors import Wanted
from store.repair.local_donor import LocalDonor
from store.repair.needs import Needs
from tests.support.damaged_stores import spoil
from tests.support.images import A, B, config
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from store import Store
    from store.importing.staging import Stager


def test_a_manifest_of_docker_is_derived_from_its_config(store: Store, stager: Stager) -> None:
    put_image(store, A, B, tags=("x:1",))
    (digest,) = store.images()[0].manifests
    data = store.read_whole(digest)
    with store.reader() as reader:
        donor = LocalDonor(store, Needs(Wanted()), reader, stager, {})
        assert donor.document(digest) == data
        assert donor.document(Digest.of(config(A, B))) is None
        assert donor.diff(Digest.of(A)) is None
        spoil(store, Digest.of(config(A, B)))
        assert donor.document(digest) is None
        brought = {Digest.of(config(A, B)): config(A, B)}
        donor = LocalDonor(store, Needs(Wanted()), reader, stager, brought)
        assert donor.document(digest) == data


def test_an_encoding_of_this_store_is_made_again(store: Store, stager: Stager) -> None:
    put_image(store, A, tags=("x:1",))
    with store.read() as connection:
        (pair,) = losses.encodings_of(connection, {Digest.of(A)})
    needs = Needs(Wanted(), encodings=frozenset({pair}))
    with store.reader() as reader:
        donor = LocalDonor(store, needs, reader, stager, {})
        made = donor.blob(pair.stored)
        assert made is not None
        assert made.stored.digest == pair.stored
        assert donor.blob(Digest.of(b"?")) is None
        store.blobs.path(pair.stored).unlink()
        assert donor.blob(pair.stored) is None
