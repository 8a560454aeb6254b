from __future__ import annotations

import logging

import pytest

from store.errors import DamagedContent, StorageFull
from store.model.digests import Digest
from store.registry.damage import tolerating_failed_notes

DIGEST = Digest.of(b"some bytes")


def test_a_note_that_cannot_be_written_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def write() -> None:
        raise StorageFull("disk \x1b[2J full")

    with caplog.at_level(logging.WARNING), tolerating_failed_notes():
        write()
    assert caplog.messages == ["disk \\x1b[2J full"]


def test_other_errors_are_not_tolerated() -> None:
    with pytest.raises(DamagedContent), tolerating_failed_notes():
        raise DamagedContent("damaged", digest=DIGEST)
