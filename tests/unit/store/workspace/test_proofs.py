from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from store import Store
from store.catalog import content, encodings
from store.errors import DamagedContent, FalseEncoding
from store.model.digests import Digest
from tests.conftest import NOW
from tests.support.hostile_zstd import hidden_frame, seekable
from tests.support.registry_pushes import push_blob

if TYPE_CHECKING:
    from pathlib import Path

    from store.model.contents import Sources
    from store.registry.registry import Registry

GOOD = b"first part " * 900 + b"harmless" + b" last part" * 900
EVIL = GOOD.replace(b"harmless", b"evilevil")
DIFF = Digest.of(GOOD)
SOUND, HIDDEN = seekable(GOOD[:5000], GOOD[5000:]), hidden_frame(GOOD, EVIL)
SQUEEZED, FALSE = gzip.compress(GOOD, mtime=0), gzip.compress(EVIL, mtime=0)


def upgraded(store: Store, registry: Registry, *blobs: bytes) -> Sources:
    """Record unproven encodings, as after an upgrade of an old store; return the sources."""
    for data in blobs:
        push_blob(registry, data)
    with store.write() as connection:
        decoded, _ = content.ensure_decoded(connection, {DIFF: len(GOOD)})
        for data in blobs:
            digest = Digest.of(data)
            encodings.put_encodings(
                connection,
                [
                    encodings.NewEncoding(
                        decoded[DIFF],
                        content.put_blob(connection, digest, len(data), NOW),
                        "zstd" if data[:1] == b"\x28" else "gzip",
                        seekable=False,
                        ours=False,
                        checked=False,
                    )
                ],
            )
    return store.sources((DIFF,))[DIFF]


def proofs(store: Store) -> dict[Digest, tuple[bool, bool]]:
    return {
        one.digest: (one.is_checked, one.seekable) for one in store.sources((DIFF,))[DIFF].encodings
    }


@pytest.mark.parametrize(
    ("data", "is_seekable"), [(SOUND, True), (HIDDEN, False), (SQUEEZED, False)]
)
def test_a_check_is_recorded_and_says_whether_the_table_fits(
    data: bytes, store: Store, registry: Registry, *, is_seekable: bool
) -> None:
    old = upgraded(store, registry, data)
    assert not old.is_proven
    assert store.prover.prove(old) == store.sources((DIFF,))[DIFF]
    assert proofs(store) == {Digest.of(data): (True, is_seekable)}


def test_a_false_encoding_is_forgotten_and_the_next_one_is_taken(
    store: Store, registry: Registry
) -> None:
    old = upgraded(store, registry, FALSE, SQUEEZED + gzip.compress(b""))
    old_first = old.encodings[0].digest
    assert old_first == Digest.of(FALSE)
    proven = store.prover.prove(old)
    assert [one.digest for one in proven.encodings] == [old.encodings[1].digest]
    assert list(proofs(store)) == [old.encodings[1].digest]
    # The blob keeps its bytes and its digest, so fsck finds nothing.
    assert not list(store.fsck())


def test_content_whose_only_encoding_is_false_is_damaged(store: Store, registry: Registry) -> None:
    with pytest.raises(FalseEncoding):
        store.prover.prove(upgraded(store, registry, FALSE))
    assert store.sources((DIFF,))[DIFF].state.value == "damaged"


def test_changed_bytes_are_damage_and_no_verdict_about_their_author(
    store: Store, registry: Registry
) -> None:
    old = upgraded(store, registry, SQUEEZED)
    store.blobs.path(Digest.of(SQUEEZED)).write_bytes(FALSE)
    with pytest.raises(DamagedContent) as caught:
        store.prover.prove(old)
    assert not isinstance(caught.value, FalseEncoding)


def test_a_store_that_can_only_be_read_remembers_its_checks(
    store: Store, registry: Registry, root: Path
) -> None:
    old = upgraded(store, registry, SOUND)
    with Store.open(root, read_only=True) as other:
        proven = other.prover.prove(old)
        assert proven.encodings[0].seekable
        other.blobs.path(Digest.of(SOUND)).unlink()
        assert other.prover.prove(old) == proven
    assert not store.sources((DIFF,))[DIFF].is_proven


def test_fsck_checks_what_was_never_checked(store: Store, registry: Registry) -> None:
    upgraded(store, registry, SOUND, HIDDEN, FALSE)
    findings = [(one.kind, one.subject) for one in store.fsck()]
    assert findings == [("wrong-diff", str(Digest.of(FALSE)))]
    assert proofs(store) == {Digest.of(SOUND): (True, True), Digest.of(HIDDEN): (True, False)}
    assert not list(store.fsck())
