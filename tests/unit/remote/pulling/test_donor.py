"""A registry that gives lost content back, to a real repair."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from remote.errors import RegistryFailed
from remote.pulling.donor import RegistrySource
from remote.pulling.options import PullOptions
from store.blobs.downloads import Downloads
from store.maintenance.reports import Severity
from store.model.digests import Digest
from store.model.progress import Silent
from store.repair.run import Repair, RepairOptions, Source, errors_left
from tests.support.faulty_registry import Answer, CutAfter, Rewrite
from tests.support.images import A, B, config, image
from tests.support.layouts import Layout, gzip, zstd
from tests.support.pulls import Pulls

if TYPE_CHECKING:
    from pathlib import Path

    from store import Store
    from store.repair.run import RepairReport
    from tests.support.pulls import Upstream

APP = "docker.io/team/app:1"
ALL = PullOptions(all_platforms=True, has_referrers=True)


def repair(
    store: Store, pulls: Pulls, upstream: Upstream, *, dry_run: bool = False
) -> RepairReport:
    name = upstream.name("team/app:1")
    source = RegistrySource("docker://app", name, pulls.repositories(name), pulls.loop)
    work = Repair(
        store, RepairOptions((Source("docker://app", source),), dry_run=dry_run), Silent()
    )
    list(work.run())
    return work.report


def is_sound(store: Store) -> bool:
    return not [one for one in store.fsck() if one.severity is Severity.ERROR]


def lose_all(store: Store) -> set[Digest]:
    digests = set(map(store.blobs.digest, store.blobs.locations()))
    for position, digest in enumerate(sorted(digests, key=str)):
        path = store.blobs.path(digest)
        if position % 2:
            path.unlink()
        else:
            path.write_bytes(bytes(path.stat().st_size))
    return digests


@pytest.fixture
def layout() -> Layout:
    layout = Layout()
    amd64 = layout.image(gzip(A), zstd(B))
    index = layout.index(amd64, layout.attestation(amd64))
    layout.root(index, APP)
    layout.root(layout.artifact(b"sbom", subject=amd64))
    return layout


def test_everything_lost_is_downloaded_again(
    upstream: Upstream, pulls: Pulls, store: Store, layout: Layout
) -> None:
    upstream.serve(layout)
    pulls.pull(upstream.name("team/app:1"), ALL)
    lost = lose_all(store)
    report = repair(store, pulls, upstream)
    assert {one.digest for one in report.restored} >= {
        digest for digest in lost if str(digest) in layout.blobs
    }
    assert (report.lost, errors_left(report)) == ([], [])
    assert is_sound(store)
    assert Downloads(store.root).interrupted() == []
    upstream.registry.clear()
    assert repair(store, pulls, upstream).restored == []
    assert upstream.registry.seen == []


def test_layers_of_an_imported_archive_are_found_through_the_named_image(
    upstream: Upstream, pulls: Pulls, store: Store, tmp_path: Path
) -> None:
    archive = tmp_path / "image.tar"
    archive.write_bytes(image(A, B).bytes())
    store.import_archive(archive)
    lose_all(store)
    served = Layout()
    served.root(served.image(gzip(A), zstd(B)), APP)
    upstream.serve(served)
    report = repair(store, pulls, upstream)
    assert {one.digest for one in report.restored} == {Digest.of(A), Digest.of(B)}
    assert is_sound(store)
    assert store.read_whole(Digest.of(config(A, B))) == config(A, B)


def test_what_the_registry_lacks_or_falsifies_is_lost(
    upstream: Upstream, pulls: Pulls, store: Store, layout: Layout
) -> None:
    upstream.serve(layout)
    pulls.pull(upstream.name("team/app:1"), ALL)
    lose_all(store)
    absent, false = Digest.of(gzip(A).data), Digest.of(zstd(B).data)
    upstream.registry.always(Answer(404), path=str(absent))
    upstream.registry.always(Rewrite(flip=True), path=str(false))
    report = repair(store, pulls, upstream)
    assert {absent, false}.isdisjoint({one.digest for one in report.restored})
    assert {one.digest for one in report.lost} >= {false}
    upstream.registry.clear()
    repair(store, pulls, upstream)
    assert is_sound(store)


def test_a_registry_that_fails_ends_the_repair_and_keeps_what_was_downloaded(
    upstream: Upstream, store: Store, layout: Layout
) -> None:
    upstream.serve(layout)
    with Pulls(store) as pulls:
        pulls.pull(upstream.name("team/app:1"), ALL)
    lose_all(store)
    blob = gzip(A).data
    upstream.registry.inject(
        CutAfter(len(blob) - 10), method="GET", path=f"/blobs/{Digest.of(blob)}"
    )
    upstream.registry.always(Answer(500), method="GET", path=f"/blobs/{Digest.of(blob)}")
    with Pulls(store, retries=0) as pulls, pytest.raises(RegistryFailed):
        repair(store, pulls, upstream)
    assert {one.size_bytes for one in Downloads(store.root).interrupted()} >= {len(blob) - 10}
    upstream.registry.clear()
    with Pulls(store) as pulls:
        repair(store, pulls, upstream)
    assert is_sound(store)


def test_a_dry_run_changes_nothing_and_keeps_the_downloads(
    upstream: Upstream, pulls: Pulls, store: Store, layout: Layout
) -> None:
    upstream.serve(layout)
    pulls.pull(upstream.name("team/app:1"), ALL)
    lose_all(store)
    report = repair(store, pulls, upstream, dry_run=True)
    assert report.restored
    assert report.lost == []
    assert {one.kind for one in store.fsck()} & {"missing", "damaged"}
    upstream.registry.clear()
    repair(store, pulls, upstream)
    assert upstream.registry.count("GET", str(Digest.of(gzip(A).data))) == 0
    assert is_sound(store)
