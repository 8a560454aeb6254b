"""Drills: bytes are lost, and the documented command brings back everything that can be saved.

``STORECTL_DRILLS=full`` runs them with more images and more seeds.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from store import Store
from store.maintenance.reports import Severity
from store.model.digests import Digest
from store.model.progress import Silent
from store.repair.run import Repair, RepairOptions, RepairReport, Source
from tests.support import damaged_stores as made
from tests.support.images import image
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IS_FULL = os.environ.get("STORECTL_DRILLS") == "full"
IMAGES = 60 if IS_FULL else 8
SEEDS = range(10) if IS_FULL else range(2)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return made.archives(tmp_path_factory.mktemp("archives"), IMAGES)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory, sources: list[Path]) -> Path:
    root = tmp_path_factory.mktemp("pristine") / "store"
    with Store.open(root, create=True) as store:
        made.fill(store, sources)
        assert not list(store.fsck())
    return root


@pytest.fixture
def store(pristine: Path, tmp_path: Path) -> Iterator[Store]:
    """Yield a copy of the pristine store, with the real clock."""
    root = tmp_path / "store"
    shutil.copytree(pristine, root)
    with Store.open(root) as opened:
        yield opened


def repair(store: Store, *sources: Path, drop: bool = False, dry_run: bool = False) -> RepairReport:
    options = RepairOptions(
        tuple(Source(str(path), path) for path in sources), drop=drop, dry_run=dry_run
    )
    run = Repair(store, options, Silent())
    list(run.run())
    return run.report


def errors(store: Store) -> list[str]:
    return [one.message for one in store.fsck() if one.severity is Severity.ERROR]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("donor", ["archives", "store"])
def test_a_lost_tenth_comes_back_from_archives_or_from_another_store(
    store: Store, pristine: Path, sources: list[Path], donor: str, seed: int
) -> None:
    before = made.saved(store)
    lost = made.lose_a_tenth(store, seed)
    contents = len(made.files(store)), len(made.documents(store))
    report = repair(store, *(sources if donor == "archives" else [pristine]))
    assert len(report.found) >= lost
    assert report.lost == []
    # A file that another encoding has replaced waits for a collection.
    assert {one.kind for one in report.left} <= {"orphan"}
    assert errors(store) == []
    assert made.saved(store) == before
    # Nothing else was imported.
    assert len(made.documents(store)) == contents[1]
    assert len(made.files(store)) <= contents[0] + lost


def test_a_dry_run_says_what_a_repair_does_and_changes_nothing(
    store: Store, sources: list[Path]
) -> None:
    made.lose_a_tenth(store, 1)
    tried = repair(store, *sources, dry_run=True)
    assert len(errors(store)) == len([one for one in tried.found if one.severity == "error"])
    assert not list((store.root / "staging").iterdir())
    done = repair(store, *sources)
    assert {one.digest for one in tried.restored} == {one.digest for one in done.restored}
    assert tried.lost == done.lost == []
    assert tried.left == []


def test_a_layer_that_all_images_share_comes_back_in_another_encoding(
    store: Store, tmp_path: Path
) -> None:
    before = {
        name: data
        for name, data in made.saved(store).items()
        if name.startswith("docker.io/docker")
    }
    assert len(before) == IMAGES
    shared = Digest.of(made.SHARED)
    for one in made.files(store):
        if one in (shared, *encodings_of(store, shared)):
            made.lose(store, one)
    report = repair(store)
    assert {shared} <= {one.digest for one in report.lost}
    (lost,) = (one for one in report.lost if one.digest == shared)
    assert len(lost.names) >= IMAGES
    assert report.restored == []
    # A gzip of the same layer that no manifest of this store lists, beside an unknown image.
    layout = Layout()
    layout.root(layout.image(gzip(made.SHARED, 1), gzip(b"other" * 500)), "docker.io/new:1")
    donor = tmp_path / "donor.tar"
    donor.write_bytes(layout.tar())
    report = repair(store, donor)
    assert [one.digest for one in report.restored] == [shared]
    assert made.saved(store, *before) == before
    assert "docker.io/library/new:1" not in made.tags(store)
    # The gzip that the other manifests list is still lost: only its own bytes are right.
    assert [one.digest for one in report.lost] == [Digest.of(gzip(made.SHARED).data)]


def test_what_cannot_be_saved_is_removed_only_with_drop(store: Store) -> None:
    shared = Digest.of(made.SHARED)
    for one in (shared, *encodings_of(store, shared)):
        if one in made.files(store):
            made.lose(store, one)
    before = made.tags(store)
    report = repair(store)
    assert report.removed == ()
    assert made.tags(store) == before
    tried = repair(store, drop=True, dry_run=True)
    assert made.tags(store) == before
    report = repair(store, drop=True)
    assert report.removed == tried.removed
    assert report.left == []
    # The artifact has no layer of the images.
    assert made.tags(store) == ["docker.io/oci/artifact:1"]
    assert errors(store) == []
    untagged = {event.attributes["name"] for event in store.events(actions=["untag"])}
    assert len(untagged) == len(before) - 1
    deleted = {event.target for event in store.events(actions=["delete"])}
    assert {one.name for one in report.removed if one.kind == "deleted"} == deleted
    with store.read() as connection:
        log = connection.exec_driver_sql(
            "SELECT count(*) FROM reference_log WHERE operation = 'repair' AND new IS NULL"
        ).scalar()
    assert log == len(before) - 1
    store.collect()
    assert errors(store) == []


def test_an_index_keeps_its_other_platforms(store: Store) -> None:
    lost = Digest.of(gzip(made.own_layer(2001)).data)
    made.lose(store, lost)
    report = repair(store, drop=True)
    assert report.left == []
    assert "docker.io/oci/index:1" in made.tags(store)
    with store.read() as connection:
        states = connection.exec_driver_sql(
            "SELECT child.state FROM manifest_edge JOIN content AS child ON child.id = content_id"
            " WHERE role = 'child'"
        ).scalars()
        assert sorted(states) == ["absent", "present", "present"]
    assert errors(store) == []


def test_a_lost_encoding_of_content_that_is_stored_otherwise_is_dropped(
    store: Store, tmp_path: Path
) -> None:
    # The shared layer is stored as zstd of this store and as the gzip that manifests list.
    zstd = [one for one in encodings_of(store, Digest.of(made.SHARED)) if is_ours(store, one)]
    assert zstd
    made.lose(store, zstd[0])
    before = made.tags(store)
    report = repair(store)
    assert (report.lost, report.left) == ([], [])
    assert report.tidied == 1
    assert made.tags(store) == before
    assert tmp_path


def test_a_source_that_brings_wrong_bytes_changes_nothing(store: Store, tmp_path: Path) -> None:
    wanted = made.own_layer(0)
    (file,) = encodings_of(store, Digest.of(wanted))
    made.lose(store, file)
    other = tmp_path / "other.tar"
    other.write_bytes(image(made.own_layer(5), tags=("docker/0:1",)).bytes())
    before = made.tags(store)
    report = repair(store, other)
    assert [one.digest for one in report.lost] == [Digest.of(wanted)]
    assert report.restored == []
    assert made.tags(store) == before


def encodings_of(store: Store, digest: Digest) -> list[Digest]:
    with store.read() as connection:
        rows = connection.exec_driver_sql(
            "SELECT stored.digest FROM encoding JOIN content ON content.id = content_id"
            " JOIN content AS stored ON stored.id = stored_id WHERE content.digest = ?",
            (str(digest),),
        )
        return [Digest.parse(one) for (one,) in rows]


def is_ours(store: Store, digest: Digest) -> bool:
    with store.read() as connection:
        return bool(
            connection.exec_driver_sql(
                "SELECT ours FROM encoding JOIN content ON content.id = stored_id WHERE digest = ?",
                (str(digest),),
            ).scalar()
        )
