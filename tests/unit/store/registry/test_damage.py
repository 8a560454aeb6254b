from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from store.errors import DamagedContent, StorageFull
from store.model.contents import ContentState
from store.model.digests import Digest
from store.model.references import Repository
from store.registry.damage import mark_missing, tolerating_failed_notes
from store.registry.registry import Registry

if TYPE_CHECKING:
    from store import Store

DATA = b"some bytes"
DIGEST = Digest.of(DATA)


def mark(store: Store) -> frozenset[Digest]:
    with store.write("test") as connection:
        return mark_missing(connection, store.blobs, (DIGEST,))


def test_only_missing_files_are_marked_and_only_once(store: Store) -> None:
    with Registry(store).uploads.once(Repository("docker.io", "team/app")) as upload:
        upload.write(DATA)
        upload.finish(DIGEST)
    assert mark(store) == frozenset()
    assert store.sources((DIGEST,))[DIGEST].state is ContentState.PRESENT
    store.blobs.path(DIGEST).unlink()
    assert mark(store) == {DIGEST}
    assert store.sources((DIGEST,))[DIGEST].state is ContentState.DAMAGED
    assert mark(store) == frozenset()


def test_a_note_that_cannot_be_written_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def write() -> None:
        raise StorageFull("disk \x1b[2J full")

    with caplog.at_level(logging.WARNING), tolerating_failed_notes():
        write()
    assert caplog.messages == ["disk \\x1b[2J full"]


def test_other_errors_are_not_tolerated() -> None:
    with pytest.raises(DamagedContent), tolerating_failed_notes():
        raise DamagedContent("damaged", digest=DIGEST)
