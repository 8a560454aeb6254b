"""The behaviour that only the memory store has, unlike other blob stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.blobs.memory import MemoryBlobs
from store.errors import Unavailable
from store.model.digests import Digest

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = Digest.of(b"data")


def test_a_location_of_a_folder_means_nothing_here(tmp_path: Path) -> None:
    """Code that builds locations as paths, instead of asking the store, fails on a memory store."""
    blobs = MemoryBlobs()
    (tmp_path / "staged").write_bytes(b"data")
    blobs.publish([(tmp_path / "staged", blobs.location(DIGEST))])
    assert [blobs.digest(one) for one in blobs.locations()] == [DIGEST]
    assert "/" not in blobs.location(DIGEST)


def test_a_staged_file_that_cannot_be_read_is_a_store_error(tmp_path: Path) -> None:
    blobs = MemoryBlobs()
    with pytest.raises(Unavailable):
        blobs.publish([(tmp_path, blobs.location(DIGEST))])
    assert list(blobs.locations()) == []
