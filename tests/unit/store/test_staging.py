"""What is staged, and when it is durable."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

import pytest

from store import Store
from store.encoder import Compression, Pool
from store.limits import DEFAULT_LIMITS, MIB
from store.staging import Stager
from tests.support import tars

if TYPE_CHECKING:
    from pathlib import Path

LAYER = tars.member(b"file", os.urandom(9 * MIB)) + tars.END


@pytest.mark.parametrize("level", [2, None], ids=["zstd", "none"])
@pytest.mark.parametrize("kind", ["layer", "blob"])
def test_a_file_is_made_durable_when_its_last_byte_is_written_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: int | None, kind: str
) -> None:
    sizes: dict[Path, int] = {}
    sync = Pool.sync

    def noting(self: Pool, file: BinaryIO, path: Path) -> None:
        sizes[path] = os.fstat(file.fileno()).st_size
        sync(self, file, path)

    monkeypatch.setattr(Pool, "sync", noting)
    with Store.open(tmp_path / "store", create=True) as store, store.operation("import") as operation, Pool(1) as pool:
        take = getattr(Stager(operation, pool, Compression(level), DEFAULT_LIMITS), kind)
        staged = take((LAYER[at : at + MIB] for at in range(0, len(LAYER), MIB)), "layer.tar", lambda _size: None)
        pool.durable()
        assert sizes == {staged.path: staged.path.stat().st_size}
