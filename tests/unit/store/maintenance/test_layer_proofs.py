"""Proofs that pushed blobs are the layers of configs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.maintenance.layer_proofs import Claim, Fault, LayerProver, Proof
from store.model.contents import Codec
from store.model.digests import DiffID, Digest
from tests.support.images import A, B, image
from tests.support.pushes import import_archive
from tests.support.registry_pushes import push_blob, squeezed

if TYPE_CHECKING:
    from store import Store
    from store.registry.registry import Registry


def claim(blob: bytes, diff: bytes, algorithm: str = "sha256") -> Claim:
    return Claim(Digest.of(blob), DiffID(Digest.of(diff, algorithm)))


def proven(store: Store, one: Claim) -> Proof | Fault:
    return LayerProver(store).prove(one, lambda: None)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize(("blob", "codec"), [(A, Codec.IDENTITY), (squeezed(A), Codec.GZIP)])
def test_a_blob_that_decodes_to_the_diff_is_proven(
    blob: bytes, codec: Codec, algorithm: str, store: Store, registry: Registry
) -> None:
    push_blob(registry, blob)
    one = claim(blob, A, algorithm)
    assert proven(store, one) == Proof(one, codec, len(A), seekable=False)


@pytest.mark.parametrize(
    ("blob", "diff", "reason"),
    [
        (squeezed(A), B, f"decodes to {Digest.of(A)}, but the config has {Digest.of(B)}"),
        (squeezed(A), squeezed(A), f"decodes to {Digest.of(A)}"),
        (squeezed(A)[:-6], A, "does not decode: "),
        (b"no tar", b"no tar", "is not a layer: not a tar archive"),
        (squeezed(squeezed(A)), squeezed(A), "is not a layer: not a tar archive"),
    ],
    ids=["another", "compressed-diff", "cut", "no-tar", "twice"],
)
def test_a_blob_that_is_another_layer_or_none_has_a_fault(
    blob: bytes, diff: bytes, reason: str, store: Store, registry: Registry
) -> None:
    push_blob(registry, blob)
    found = proven(store, claim(blob, diff))
    assert isinstance(found, Fault)
    assert found.reason.startswith(reason)
    assert not found.is_too_large


def test_a_plain_layer_that_is_stored_compressed_is_read(store: Store) -> None:
    import_archive(store, image(A, tags=("app:1",)).bytes())
    assert isinstance(proven(store, claim(A, A)), Proof)
    found = proven(store, claim(A, B))
    assert isinstance(found, Fault)
    assert found.reason.startswith(f"decodes to {Digest.of(A)}")


def test_a_known_fault_is_not_proven_again(store: Store, registry: Registry) -> None:
    prover = LayerProver(store)
    push_blob(registry, squeezed(A))
    wrong, right = claim(squeezed(A), B), claim(squeezed(A), A)
    assert prover.known_fault(wrong) is None
    assert prover.prove(wrong, lambda: None) == prover.known_fault(wrong)
    assert prover.known_fault(right) is None
    assert isinstance(prover.prove(right, lambda: None), Proof)


def test_an_unknown_blob_has_a_fault(store: Store) -> None:
    found = proven(store, claim(A, A))
    assert isinstance(found, Fault)
    assert "not in the store" in found.reason
