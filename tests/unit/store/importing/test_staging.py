"""What is staged, and when it is durable."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any, BinaryIO

import pytest

from store import Store
from store.formats.compression.settings import Compression
from store.importing.staging import Stager
from store.importing.workers import Pool
from store.model.limits import DEFAULT_LIMITS, MIB
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
    with (
        Store.open(tmp_path / "store", create=True) as store,
        store.operation("import") as operation,
        Pool(1) as pool,
    ):
        take = getattr(Stager(operation, pool, Compression(level), DEFAULT_LIMITS), kind)
        staged = take(
            (LAYER[at : at + MIB] for at in range(0, len(LAYER), MIB)),
            "layer.tar",
            lambda _size: None,
        )
        pool.durable()
        assert sizes == {staged.path: staged.path.stat().st_size}


def test_of_several_copies_of_a_large_layer_one_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rootfs = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(LAYER).hexdigest()}"]}
    configs = [
        json.dumps(
            {"os": "linux", "architecture": "amd64", "author": name, "rootfs": rootfs}
        ).encode()
        for name in "ab"
    ]
    manifest = [
        {"Config": f"{name}.json", "RepoTags": [f"{name}:1"], "Layers": [f"{name}/layer.tar"]}
        for name in "ab"
    ]
    members = [
        (b"a/layer.tar", LAYER),
        (b"b/layer.tar", LAYER),
        (b"a.json", configs[0]),
        (b"b.json", configs[1]),
        (b"manifest.json", json.dumps(manifest).encode()),
    ]
    read: list[str] = []
    layer = Stager.layer

    def noting(self: Stager, pieces: Any, member: str, *rest: Any, **more: Any) -> Any:  # noqa: ANN401 - passed on
        read.append(member)
        return layer(self, pieces, member, *rest, **more)

    monkeypatch.setattr(Stager, "layer", noting)
    archive = tmp_path / "archive.tar"
    archive.write_bytes(b"".join(tars.member(name, data) for name, data in members) + tars.END)
    with Store.open(tmp_path / "store", create=True) as store:
        store.import_archive(archive)
    assert read == ["a/layer.tar"]
