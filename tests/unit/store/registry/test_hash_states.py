from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from store.errors import (
    OutOfOrder,
)
from store.model.digests import Digest
from store.registry import hash_states
from store.registry.hash_states import HashStates
from tests.support.registry_pushes import (
    APP,
)

if TYPE_CHECKING:
    from store.registry.registry import Registry


def test_earlier_bytes_are_not_hashed_again_after_a_rejected_request(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id = registry.uploads.begin(APP)
    with registry.uploads.resume(APP, upload_id) as upload:
        upload.write(b"abcdef")
    with registry.uploads.resume(APP, upload_id) as upload, pytest.raises(OutOfOrder):
        upload.expect(3)
    monkeypatch.delattr(os, "pread")
    with registry.uploads.resume(APP, upload_id) as upload:
        upload.finish(Digest.of(b"abcdef"))


def state(data: bytes) -> hashlib._Hash:
    return hashlib.sha256(data)


def test_a_state_is_returned_once_and_only_at_its_offset() -> None:
    states = HashStates()
    states.save("a", 3, state(b"abc"))
    found = states.take("a", 3)
    assert found is not None
    assert found.digest() == state(b"abc").digest()
    assert states.take("a", 3) is None
    states.save("a", 3, state(b"abc"))
    assert states.take("a", 2) is None
    assert states.take("a", 3) is None


def test_an_empty_upload_needs_no_saved_state() -> None:
    found = HashStates().take("a", 0)
    assert found is not None
    assert found.digest() == state(b"").digest()


def test_the_oldest_state_is_dropped_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hash_states, "MAX_HASH_STATES", 2)
    states = HashStates()
    for name in ("a", "b", "c"):
        states.save(name, 1, state(b"x"))
    assert states.take("a", 1) is None
    assert states.take("b", 1) is not None
    assert states.take("c", 1) is not None
