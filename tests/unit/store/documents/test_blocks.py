from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import zstandard

from store.db.changes import Position
from store.documents.blocks import (
    MARK_BYTES,
    BlockWriter,
    Gap,
    Mark,
    first_mark_end,
    last_mark,
    mark,
)
from tests.support.document_logs import log_frames

if TYPE_CHECKING:
    from pathlib import Path

ONE, TWO = Mark(Position(1, 2), 3), Mark(Position(4, 5), 6)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.zst"
    write = BlockWriter().block
    path.write_bytes(
        write(b"first\n") + mark(ONE) + write(b"second\n" * 2000) + write(b"third\n") + mark(TWO)
    )
    return path


def test_frames_come_in_order(log: Path) -> None:
    assert log_frames(log) == [b"first\n", ONE, b"second\n" * 2000, b"third\n", TWO]


def test_zstd_decodes_a_log(log: Path) -> None:
    text = zstandard.ZstdDecompressor().stream_reader(log.read_bytes(), read_across_frames=True)
    assert text.read() == b"first\n" + b"second\n" * 2000 + b"third\n"


@pytest.mark.parametrize("lost", [1, 20, MARK_BYTES - 1, MARK_BYTES, MARK_BYTES + 5])
def test_a_torn_end_hides_only_what_is_torn(log: Path, lost: int) -> None:
    whole = log.read_bytes()
    log.write_bytes(whole[:-lost])
    found = log_frames(log)
    assert found[:3] == [b"first\n", ONE, b"second\n" * 2000]
    assert TWO not in found
    assert all(frame.at_end for frame in found if isinstance(frame, Gap))
    with log.open("rb") as file:
        assert last_mark(file.fileno(), len(whole) - lost) == (ONE, False)


def test_every_damaged_byte_hides_at_most_its_frame(log: Path) -> None:
    whole = log.read_bytes()
    frames = log_frames(log)
    for place in range(len(whole)):
        log.write_bytes(whole[:place] + bytes([whole[place] ^ 0x40]) + whole[place + 1 :])
        found = [frame for frame in log_frames(log) if not isinstance(frame, Gap)]
        assert len(found) == len(frames) - 1, place
        assert [frame for frame in frames if frame in found] == found, place


def test_what_is_appended_behind_a_torn_end_is_found(log: Path) -> None:
    with log.open("rb+") as file:
        file.truncate(log.stat().st_size - 7)
    with log.open("ab") as file:
        file.write(b"\0" * 5000 + BlockWriter().block(b"later\n") + mark(TWO))
    found = log_frames(log)
    assert found[-2:] == [b"later\n", TWO]
    assert [frame.at_end for frame in found if isinstance(frame, Gap)] == [False]
    with log.open("rb") as file:
        assert last_mark(file.fileno(), log.stat().st_size) == (TWO, True)


def test_a_block_that_claims_too_much_is_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "log.zst"
    path.write_bytes(BlockWriter().block(b"\0" * (16 * 1024 * 1024 + 1)) + mark(ONE))
    gap, found = log_frames(path)
    assert isinstance(gap, Gap)
    assert found == ONE


def test_a_file_without_frames_has_no_mark(tmp_path: Path) -> None:
    path = tmp_path / "log.zst"
    path.write_bytes(b"something else" * 100_000)
    assert log_frames(path) == [Gap(1_400_000, at_end=True)]
    with path.open("rb") as file:
        assert last_mark(file.fileno(), 1_400_000) == (None, False)
        assert first_mark_end(file.fileno(), 1_400_000) == 0


def test_the_first_mark_ends_what_was_written_first(log: Path) -> None:
    with log.open("rb") as file:
        end = first_mark_end(file.fileno(), log.stat().st_size)
    assert end == len(BlockWriter().block(b"first\n")) + MARK_BYTES
