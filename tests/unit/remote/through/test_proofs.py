"""What the registries of repositories are known to have."""

from __future__ import annotations

from remote.through.proofs import Proofs
from store.model.digests import Digest
from store.model.references import Repository

ONE, OTHER = Repository("docker.io", "team/one"), Repository("docker.io", "team/other")


def test_a_proof_is_for_one_repository() -> None:
    proofs, digest = Proofs(), Digest.of(b"blob")
    proofs.add(ONE, digest)
    assert proofs.has(ONE, digest)
    assert not proofs.has(OTHER, digest)
    assert not proofs.has(ONE, Digest.of(b"other"))


def test_the_oldest_proofs_are_forgotten() -> None:
    proofs = Proofs(2)
    digests = [Digest.of(bytes([number])) for number in range(3)]
    for digest in (*digests[:2], digests[0], digests[2]):
        proofs.add(ONE, digest)
    assert [proofs.has(ONE, digest) for digest in digests] == [True, False, True]
