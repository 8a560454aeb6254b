from __future__ import annotations

import lzma
from typing import TYPE_CHECKING

import pytest
import zstandard

from store.errors import ImageNotFound
from store.maintenance.verification import Claim, Proof, Verifier, decide
from store.model.contents import Codec, DiffState
from store.model.digests import DiffID, Digest, ImageID
from tests.support import images
from tests.support.hostile_zstd import ATTACKS, seekable
from tests.support.registry_pushes import (
    APP,
    push_image,
    squeezed,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from store import Store
    from store.registry.registry import Registry


@pytest.mark.parametrize(
    "encode_layer", [squeezed, zstandard.compress, lzma.compress], ids=["gzip", "zstd", "xz"]
)
def test_pushed_layers_are_verified_and_can_then_be_read_decoded(
    encode_layer: Callable[[bytes], bytes], store: Store, registry: Registry
) -> None:
    image_id, _ = push_image(
        registry, (images.A, encode_layer(images.A)), (images.B, encode_layer(images.B))
    )
    assert store.verify_image(image_id) is DiffState.VERIFIED
    assert store.verify_image(image_id) is DiffState.VERIFIED
    diff = Digest.of(images.A)
    with store.reader() as reader:
        assert b"".join(reader.chunks(store.sources((diff,))[diff])) == images.A
    assert list(store.fsck()) == []
    assert not list((store.root / "staging").iterdir())


def test_a_damaged_layer_is_replaced_when_it_is_decoded_again(
    store: Store, registry: Registry
) -> None:
    layer_a, diff = (images.A, lzma.compress(images.A)), Digest.of(images.A)
    image_id, _ = push_image(registry, layer_a)
    assert store.verify_image(image_id) is DiffState.VERIFIED
    store.blobs.path(diff).write_bytes(b"damaged")
    assert [finding.kind for finding in store.fsck()] == ["damaged"]
    image_id, _ = push_image(registry, layer_a, (images.B, lzma.compress(images.B)), tags=("2",))
    assert store.verify_image(image_id) is DiffState.VERIFIED
    assert list(store.fsck()) == []


def test_plain_layers_need_no_verification(store: Store, registry: Registry) -> None:
    image_id, _ = push_image(registry, (images.A, images.A))
    with store.read() as connection:
        from store.catalog.checking import verification
        from store.catalog.images import key_of

        key = key_of(connection, image_id)
        assert key is not None
        assert verification.diff_state(connection, key) == "verified"


def test_a_false_diff_id_is_a_mismatch_and_the_manifest_stays(
    store: Store, registry: Registry
) -> None:
    image_id, digest = push_image(registry, (images.A, squeezed(images.A)), diffs=(images.B,))
    assert store.verify_image(image_id) is DiffState.MISMATCH
    assert registry.manifest(APP, digest).digest == digest


def test_bytes_that_do_not_decode_are_a_mismatch(store: Store, registry: Registry) -> None:
    image_id, _ = push_image(registry, (images.A, squeezed(images.A)[:-6]))
    assert store.verify_image(image_id) is DiffState.MISMATCH


def test_one_true_manifest_verifies_an_image(store: Store, registry: Registry) -> None:
    image_id, _ = push_image(registry, (images.A, squeezed(images.B)), diffs=(images.A,))
    assert store.verify_image(image_id) is DiffState.MISMATCH
    push_image(registry, (images.A, squeezed(images.A)), tags=("2",))
    assert store.verify_image(image_id) is DiffState.VERIFIED
    assert list(store.fsck()) == []


FIRST, SECOND = Digest.of(b"first"), Digest.of(b"second")
BLOB = Digest.of(b"blob")


def proof(claim: Claim) -> Proof:
    return Proof(claim, Codec.GZIP, 5, seekable=False, path=None)


@pytest.mark.parametrize(
    ("present", "tried", "holds", "want"),
    [
        ({FIRST, SECOND}, [], [], DiffState.VERIFIED),
        ({FIRST, SECOND}, [FIRST], [], DiffState.VERIFIED),
        ({FIRST}, [SECOND], [], DiffState.MISMATCH),
        ({FIRST}, [], [], DiffState.UNVERIFIED),
        ({SECOND}, [FIRST, FIRST], [FIRST], DiffState.UNVERIFIED),
    ],
)
def test_only_a_refuted_claim_about_a_missing_layer_is_a_mismatch(
    present: set[Digest], tried: list[Digest], holds: list[Digest], want: DiffState
) -> None:
    claims = [Claim(BLOB, DiffID(diff)) for diff in tried]
    proofs = [proof(Claim(BLOB, DiffID(diff))) for diff in holds]
    assert decide((FIRST, SECOND), present, claims, proofs) is want


def test_an_unknown_image_cannot_be_verified(store: Store) -> None:
    with pytest.raises(ImageNotFound):
        Verifier(store).verify(ImageID(BLOB))


@pytest.mark.parametrize("attack", [*ATTACKS, "sound"])
def test_only_a_table_that_fits_makes_a_pushed_layer_seekable(
    attack: str, store: Store, registry: Registry
) -> None:
    evil = images.A[:-9] + b"x" * 9
    blob = seekable(images.A[:99], images.A[99:]) if attack == "sound" else None
    image_id, _ = push_image(registry, (images.A, blob or ATTACKS[attack](images.A, evil)))
    assert store.verify_image(image_id) is DiffState.VERIFIED
    diff = Digest.of(images.A)
    (one,) = store.sources((diff,))[diff].encodings
    assert (one.is_ours, one.is_checked, one.seekable) == (False, True, attack == "sound")


@pytest.mark.parametrize(
    "blob",
    [
        squeezed(images.A) + squeezed(b"more"),
        squeezed(images.A) + b"trailing",
        zstandard.compress(images.A) + zstandard.compress(b"more"),
        zstandard.compress(images.A) + b"trailing",
        zstandard.compress(images.A[:-1]),
    ],
)
def test_bytes_beside_the_layer_are_a_mismatch(
    blob: bytes, store: Store, registry: Registry
) -> None:
    image_id, _ = push_image(registry, (images.A, blob))
    assert store.verify_image(image_id) is DiffState.MISMATCH
    assert not any(one.encodings for one in store.sources((Digest.of(images.A),)).values())
