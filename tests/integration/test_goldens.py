"""Real archives of Docker Engine 20.10 go in and come out again (docs/formats/docker-archive.md §12; tests/golden/README.md)."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import exporter
from scripts.compare_golden import names, without_link_times
from store import Compression, ImportOptions, Store

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = Path(__file__).parent.parent / "golden"
ARCHIVES = sorted(GOLDEN.glob("*.tar"))
WITH_LINKS = {"duplicate-layers.tar", "parent-and-tags.tar", "timestamps.tar"}


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.stem)
@pytest.mark.parametrize("compression", ["none", "zstd", "zstd:9"])
@pytest.mark.parametrize("stream", [False, True], ids=["file", "pipe"])
def test_saves_the_bytes_docker_wrote(archive: Path, compression: str, *, stream: bool, store: Store, tmp_path: Path) -> None:
    options = ImportOptions(Compression.parse(compression))
    store.import_archive(io.BytesIO(archive.read_bytes()) if stream else archive, options)
    saved = tmp_path / archive.name
    with exporter.open_save(store, names(archive)) as export, exporter.atomic_file(saved) as file:
        export.write(file)
    assert saved.stat().st_size == export.size_bytes
    if archive.name in WITH_LINKS:
        # Docker stamps these directories with the time of the save.
        assert without_link_times(saved) == without_link_times(archive)
    else:
        assert saved.read_bytes() == archive.read_bytes()
    assert saved.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.stem)
def test_importing_again_changes_nothing_and_says_so(archive: Path, store: Store) -> None:
    first = store.import_archive(archive)
    again = store.import_archive(archive)
    assert first.changed
    assert not again.changed
    assert again.lines == first.lines
    assert again.read_bytes == 0


def test_all_stores_save_the_same_bytes_whatever_the_order_of_imports(tmp_path: Path) -> None:
    outputs = []
    wanted = [name for archive in ARCHIVES for name in names(archive)]
    for turn, order in enumerate((ARCHIVES, ARCHIVES[::-1])):
        with Store.open(tmp_path / str(turn), create=True) as store:
            for archive in order:
                store.import_archive(archive)
            out = io.BytesIO()
            with exporter.open_save(store, wanted) as export:
                export.write(out)
            outputs.append(out.getvalue())
    assert outputs[0] == outputs[1]


def test_the_saved_archive_imports_again(store: Store, tmp_path: Path, save: Callable[..., bytes]) -> None:
    for archive in ARCHIVES:
        store.import_archive(archive)
    wanted = [name for archive in ARCHIVES for name in names(archive)]
    data = save(*wanted)
    with Store.open(tmp_path / "other", create=True) as other:
        report = other.import_archive(io.BytesIO(data))
        assert {image.image_id for image in other.images()} == {image.image_id for image in store.images()}
        assert report.changed
        assert not list(other.fsck())
