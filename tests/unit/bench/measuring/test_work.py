from __future__ import annotations

import gzip
import hashlib
import json
import sys
from typing import TYPE_CHECKING

from bench.measuring import work

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
from isal import igzip_lib


def test_every_member_of_a_gzip_file_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file.gz"
    path.write_bytes(gzip.compress(bytes(3 << 20)) + gzip.compress(b"x" * 100))
    decoded: list[int] = []
    real = igzip_lib.IgzipDecompressor

    class Counting:
        def __init__(self, **options: int) -> None:
            self._real = real(**options)

        def decompress(self, *arguments: object) -> bytes:
            data: bytes = self._real.decompress(*arguments)
            decoded.append(len(data))
            return data

        def __getattr__(self, name: str) -> object:
            return getattr(self._real, name)

    monkeypatch.setattr(igzip_lib, "IgzipDecompressor", Counting)
    work.inflate(path)
    assert sum(decoded) == (3 << 20) + 100


def test_the_whole_file_is_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789" * 300_000)
    hashed = hashlib.sha256()
    monkeypatch.setattr(hashlib, "sha256", lambda **_options: hashed)
    work.sha256(path)
    monkeypatch.undo()
    assert hashed.digest() == hashlib.sha256(path.read_bytes()).digest()


def test_the_program_prints_the_cost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(b"data")
    monkeypatch.setattr(sys, "argv", ["work", "sha256", str(tmp_path / "file")])
    work.main()
    assert set(json.loads(capsys.readouterr().out)) == {"wall_s", "cpu_s"}
