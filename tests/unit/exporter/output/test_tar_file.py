"""Archives written to a file: the same bytes and errors as for archives written to a stream."""

from __future__ import annotations

import io
import os
import random
import resource
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import exporter
from exporter.output import tar_file
from store import Compression, ImportOptions, Store, errors
from store.files import page_cache
from store.model.limits import MIB
from tests.support.images import A, Archive, B, config, layer
from tests.support.layouts import Layout, gzip, zstd

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CHANCE = random.Random(7)
LARGE = layer("large", bytes(5 * MIB) + CHANCE.randbytes(4 * MIB + 77))
"""A layer that is stored as three frames; the last frame is shorter than the others."""

MIDDLING = layer("middling", CHANCE.randbytes(MIB))


@pytest.fixture(params=["zstd", "none"])
def filled(store: Store, request: pytest.FixtureRequest) -> Store:
    """Import images with layers in every encoding: many frames, one frame, gzip, zstd, plain."""
    options = ImportOptions(Compression.parse(request.param))
    layers = {"a": A, "large": LARGE, "middling": MIDDLING}
    made = Archive()
    for name, data in layers.items():
        made.file(name, data)
    made.file("c", config(A, LARGE, MIDDLING, A)).manifest(
        {"Config": "c", "RepoTags": ["all:1"], "Layers": ["a", "large", "middling", "a"]}
    )
    store.import_archive(io.BytesIO(made.bytes()), options)
    layout = Layout()
    layout.root(layout.image(gzip(B), zstd(layer("z", b"zeta"))), "docker.io/library/all:2")
    store.import_archive(io.BytesIO(layout.tar()), options)
    return store


def streamed(store: Store, *names: str) -> bytes:
    out = io.BytesIO()
    with exporter.open_save(store, names) as export:
        export.write(out)
    return out.getvalue()


def test_a_file_has_the_bytes_of_the_stream(filled: Store, tmp_path: Path) -> None:
    path = tmp_path / "out.tar"
    with exporter.open_save(filled, ["all"]) as export, exporter.atomic_file(path) as file:
        assert tar_file.descriptor_of(file) is not None
        export.write(file)
        assert os.lseek(file.fileno(), 0, os.SEEK_CUR) == export.size_bytes
    assert path.read_bytes() == streamed(filled, "all")


def test_bytes_before_the_position_of_the_file_stay(filled: Store, tmp_path: Path) -> None:
    path = tmp_path / "out.tar"
    with path.open("wb", buffering=0) as file, exporter.open_save(filled, ["all:1"]) as export:
        file.write(b"before")
        export.write(file)
        file.write(b"after")
    assert path.read_bytes() == b"before" + streamed(filled, "all:1") + b"after"


def test_a_file_opened_to_append_is_streamed(filled: Store, tmp_path: Path) -> None:
    path = tmp_path / "out.tar"
    with path.open("ab", buffering=0) as file, exporter.open_save(filled, ["all:1"]) as export:
        assert tar_file.descriptor_of(file) is None
        export.write(file)
    assert path.read_bytes() == streamed(filled, "all:1")
    assert tar_file.descriptor_of(io.BytesIO()) is None
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as pipe:
        assert tar_file.descriptor_of(pipe) is None
    os.close(reader)


def test_the_bytes_are_the_same_without_copy_file_range(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> int:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    path = tmp_path / "out.tar"
    with exporter.open_save(filled, ["all"]) as export, exporter.atomic_file(path) as file:
        export.write(file)
    assert path.read_bytes() == streamed(filled, "all")


def test_an_early_end_from_the_kernel_is_not_trusted(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "copy_file_range", lambda *_arguments: 0)
    path = tmp_path / "out.tar"
    with exporter.open_save(filled, ["all"]) as export, exporter.atomic_file(path) as file:
        export.write(file)
    assert path.read_bytes() == streamed(filled, "all")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("harm", [flip, cut, empty])
@pytest.mark.parametrize("name", ["all:1", "all:2"])
def test_damage_leaves_no_file_and_is_recorded(
    filled: Store, tmp_path: Path, harm: Callable[[Path], None], name: str
) -> None:
    for one in filled.inspect(name).layers:
        path = filled.blobs.path(one.encodings[0].digest if one.encodings else one.diff_id.digest)
        kept = path.read_bytes()
        harm(path)
        out = tmp_path / "out.tar"
        with (
            pytest.raises(errors.DamagedContent) as caught,
            exporter.open_save(filled, [name]) as export,
            exporter.atomic_file(out) as file,
        ):
            export.write(file)
        assert str(caught.value.digest)[7:] == path.name
        assert list(tmp_path.glob("*out*")) == []
        with (
            pytest.raises(errors.DamagedContent, match="found the damage"),
            exporter.open_save(filled, [name]) as export,
            exporter.atomic_file(out) as file,
        ):
            export.write(file)
        path.write_bytes(kept)
        assert [finding.kind for finding in filled.fsck()] != []
        break


def test_a_missing_file_is_reported_as_missing(filled: Store, tmp_path: Path) -> None:
    one = filled.inspect("all:1").layers[1]
    filled.blobs.path(one.encodings[0].digest if one.encodings else one.diff_id.digest).unlink()
    with (
        pytest.raises(errors.ContentMissing),
        exporter.open_save(filled, ["all:1"]) as export,
        exporter.atomic_file(tmp_path / "out.tar") as file,
    ):
        export.write(file)
    assert list(tmp_path.glob("*out*")) == []


def test_an_image_may_have_more_layers_than_open_files_are_allowed(
    store: Store, tmp_path: Path
) -> None:
    layers = [layer(f"f{number}", CHANCE.randbytes(20)) for number in range(150)]
    made = Archive()
    for number, data in enumerate(layers):
        made.file(str(number), data)
    made.file("c", config(*layers)).manifest(
        {"Config": "c", "RepoTags": ["many:1"], "Layers": [str(number) for number in range(150)]}
    )
    store.import_archive(io.BytesIO(made.bytes()), ImportOptions(Compression(None)))
    path = tmp_path / "out.tar"
    with exporter.open_save(store, ["many:1"]) as export, exporter.atomic_file(path) as file:
        export.write(file)
    assert path.read_bytes() == streamed(store, "many:1")


def test_a_lack_of_space_is_reported_before_the_first_byte(filled: Store, tmp_path: Path) -> None:
    out = tmp_path / "out.tar"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "storectl",
            "--root",
            str(filled.root),
            "save",
            "-o",
            str(out),
            "all:1",
        ],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, MIB)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 7, done.stderr
    assert "File too large" in done.stderr
    assert list(tmp_path.glob("*out*")) == []


def test_a_file_system_without_reservation_can_be_written(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb", buffering=0) as file:
        page_cache.reserve(file.fileno(), 0, 1000)
        assert os.fstat(file.fileno()).st_size == 1000
        page_cache.reserve(file.fileno(), 0, 0)
    reader, writer = os.pipe()
    page_cache.reserve(writer, 0, 1000)
    os.close(reader)
    os.close(writer)


class Recorder:
    """A `Progress` that counts the parts that run at once."""

    def __init__(self) -> None:
        self.sizes: dict[str, int | None] = {}
        self.done: dict[str, int] = {}
        self.running: set[str] = set()
        self.most = 0

    def total(self, size_bytes: int | None) -> None:
        del size_bytes

    def start(self, key: str, label: str, size_bytes: int | None) -> None:
        del label
        assert key not in self.sizes
        self.sizes[key] = size_bytes
        self.running.add(key)
        self.most = max(self.most, len(self.running))

    def advance(self, key: str, size_bytes: int) -> None:
        assert key in self.running
        self.done[key] = self.done.get(key, 0) + size_bytes

    def finish(self, key: str) -> None:
        self.running.remove(key)


@pytest.mark.parametrize("format_", list(exporter.Format))
def test_every_part_is_finished_and_few_run_at_once(
    store: Store, tmp_path: Path, format_: exporter.Format
) -> None:
    made = Archive()
    items = []
    for number in range(100):
        one = layer(f"f{number}", b"x" * number)
        made.file(f"l{number}", one).file(f"c{number}", config(one))
        items.append(
            {"Config": f"c{number}", "RepoTags": [f"app:{number}"], "Layers": [f"l{number}"]}
        )
    made.manifest(*items)
    store.import_archive(io.BytesIO(made.bytes()))
    seen = Recorder()
    options = exporter.SaveOptions(format=format_)
    with (
        exporter.open_save(store, ["app"], options=options) as export,
        exporter.atomic_file(tmp_path / "out.tar") as file,
    ):
        export.write(file, seen)
    assert len(seen.sizes) >= 100
    assert seen.done == seen.sizes
    assert not seen.running
    # A part runs while a thread writes it, and there is a thread for each core.
    assert seen.most <= max(2, os.cpu_count() or 1) + 1
