"""The spool that keeps small documents in memory and, above a limit, in a file."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from store.importing.members.spool import Spool

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("buffer_bytes", [1, 10, 1000])
def test_what_was_kept_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, buffer_bytes: int
) -> None:
    monkeypatch.setattr("store.importing.members.spool.BUFFER_BYTES", buffer_bytes)
    numbers = itertools.count()
    spool = Spool(lambda: tmp_path / str(next(numbers)))
    pieces = [bytes([number]) * (number % 7) for number in range(60)]
    offsets = [spool.append(piece) for piece in pieces]
    assert [
        spool.read(offset, len(piece)) for offset, piece in zip(offsets, pieces, strict=True)
    ] == pieces
    assert len(list(tmp_path.iterdir())) == (0 if buffer_bytes == 1000 else 1)
