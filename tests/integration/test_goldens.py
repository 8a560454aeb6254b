"""Archives of Docker Engine 20.10 and 28 are imported and saved again byte for byte.

docs/formats/docker-archive.md §9 and §12, and the README.md beside the archives, describe them.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import exporter
from scripts.compare_golden import names, without_link_times
from store import Compression, ImportOptions, Store
from tests.support.saved_archives import difference, saved_names, without_clock_times

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = Path(__file__).parent.parent / "golden"
ARCHIVES = sorted(GOLDEN.glob("*.tar"))
ARCHIVES_28 = sorted((GOLDEN / "docker-28").glob("*.tar"))
WITH_LINKS = {"duplicate-layers.tar", "parent-and-tags.tar", "timestamps.tar"}


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.stem)
@pytest.mark.parametrize("compression", ["none", "zstd", "zstd:9"])
@pytest.mark.parametrize("stream", [False, True], ids=["file", "pipe"])
def test_a_save_has_the_bytes_that_docker_wrote(
    archive: Path, compression: str, *, stream: bool, store: Store, tmp_path: Path
) -> None:
    options = ImportOptions(Compression.parse(compression))
    store.import_archive(io.BytesIO(archive.read_bytes()) if stream else archive, options)
    saved = tmp_path / archive.name
    with exporter.open_save(store, names(archive)) as export, exporter.atomic_file(saved) as file:
        export.write(file)
    assert saved.stat().st_size == export.size_bytes
    if archive.name in WITH_LINKS:
        # Docker gives these directories the time of the save.
        assert without_link_times(saved) == without_link_times(archive)
    else:
        assert saved.read_bytes() == archive.read_bytes()
    assert saved.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.stem)
def test_importing_again_changes_nothing_and_reports_it(archive: Path, store: Store) -> None:
    first = store.import_archive(archive)
    again = store.import_archive(archive)
    assert first.changed
    assert not again.changed
    assert again.lines == first.lines
    assert again.read_bytes == 0


def test_all_stores_save_the_same_bytes_in_any_order_of_imports(tmp_path: Path) -> None:
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


def test_the_saved_archive_imports_again(
    store: Store, tmp_path: Path, save: Callable[..., bytes]
) -> None:
    for archive in ARCHIVES:
        store.import_archive(archive)
    wanted = [name for archive in ARCHIVES for name in names(archive)]
    data = save(*wanted)
    with Store.open(tmp_path / "other", create=True) as other:
        report = other.import_archive(io.BytesIO(data))
        assert {image.image_id for image in other.images()} == {
            image.image_id for image in store.images()
        }
        assert report.changed
        assert not list(other.fsck())


# --- Docker 28 -------------------------------------------------------------------------------

LISTED_BY_US = "tagged-and-untagged"
"""A golden archive whose untagged image is not the first: only storectl's index lists the image."""


def saved(store: Store, archive_format: str, wanted: list[str]) -> bytes:
    out = io.BytesIO()
    with exporter.open_save(
        store, wanted, options=exporter.SaveOptions(exporter.Format(archive_format))
    ) as export:
        export.write(out)
    return out.getvalue()


def pieces_and_index(
    archive: bytes,
) -> tuple[list[tuple[bytes, bytes, bytes]], list[dict[str, Any]]]:
    """Return the members that `difference` compares, without the index, and the index alone."""
    pieces = without_clock_times(archive)
    ((position, index),) = [
        (position, piece)
        for position, piece in enumerate(pieces)
        if piece[0].startswith(b"index.json\0")
    ]
    return pieces[:position] + pieces[position + 1 :], json.loads(index[2].rstrip(b"\0"))[
        "manifests"
    ]


@pytest.mark.parametrize("stream", [False, True], ids=["file", "pipe"])
@pytest.mark.parametrize("archive", ARCHIVES_28, ids=lambda path: path.stem)
def test_a_save_has_the_bytes_that_docker_28_wrote(
    archive: Path, *, stream: bool, store: Store
) -> None:
    data = archive.read_bytes()
    store.import_archive(io.BytesIO(data) if stream else archive)
    ours = saved(store, "docker", saved_names(data))
    if archive.stem != LISTED_BY_US:
        assert difference(data, ours) is None
        return
    (their_pieces, their_index), (our_pieces, our_index) = (
        pieces_and_index(data),
        pieces_and_index(ours),
    )
    assert our_pieces == their_pieces
    assert our_index[:-1] == their_index
    assert set(our_index[-1]) == {"mediaType", "digest", "size"}


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.stem)
def test_an_archive_of_one_docker_version_becomes_that_of_the_other(
    archive: Path, tmp_path: Path
) -> None:
    newer = GOLDEN / "docker-28" / archive.name
    with Store.open(tmp_path / "newer", create=True) as store:
        store.import_archive(archive)
        assert (
            difference(newer.read_bytes(), saved(store, "docker", saved_names(newer.read_bytes())))
            is None
        )
    with Store.open(tmp_path / "older", create=True) as store:
        store.import_archive(newer)
        assert difference(archive.read_bytes(), saved(store, "legacy", names(archive))) is None
