"""The bytes of a file are given from an offset to its end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from remote.copying import image_repository
from remote.copying.image_repository import FileBytes

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("offset", [0, 3, 10])
def test_the_bytes_begin_at_the_offset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offset: int
) -> None:
    monkeypatch.setattr(image_repository, "_CHUNK_BYTES", 4)
    (tmp_path / "blob").write_bytes(b"0123456789")

    async def read() -> list[bytes]:
        with (tmp_path / "blob").open("rb", buffering=0) as file:
            return [piece async for piece in FileBytes(file, offset, "blob")]

    found = asyncio.run(read())
    assert b"".join(found) == b"0123456789"[offset:]
    assert all(len(piece) <= 4 for piece in found)
