"""Pulls: what is fetched, what is not, and what the store has afterwards."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from remote.errors import ManifestNotFound, RegistryFailed
from remote.pulling.options import PullOptions
from remote.pulling.report import FailedImage, PulledImage
from store.blobs.downloads import Downloads
from store.errors import StorageFull
from store.model.digests import Digest
from store.model.platforms import Platform
from store.model.references import Reference
from tests.support import tars
from tests.support.faulty_registry import Answer, CutAfter
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip, zstd
from tests.support.pulls import Pulls

if TYPE_CHECKING:
    from store import Store
    from store.queries.details import LinkDetails
    from tests.support.pulls import Upstream

APP = "docker.io/team/app:1"
LARGE = tars.member(b"large", random.Random(1).randbytes(3_000_000)) + tars.END
ALL = PullOptions(all_platforms=True)


def image(*layers: bytes, name: str = APP) -> Layout:
    layout = Layout()
    layout.root(layout.image(*map(gzip, layers)), name)
    return layout


def digest_of(store: Store, name: object) -> Digest:
    return store.inspect_manifest(str(name)).summary.digest


def layers_of(store: Store, name: object) -> list[LinkDetails]:
    return [one for one in store.inspect_manifest(str(name)).links if one.role == "layer"]


def is_sound(store: Store) -> bool:
    return not list(store.fsck())


def test_an_image_is_pulled_with_its_digests(
    upstream: Upstream, pulls: Pulls, store: Store
) -> None:
    upstream.serve(image(A, LARGE))
    name = upstream.name("team/app:1")
    outcome = pulls.pull(name)
    assert outcome.digest == digest_of(store, name) == digest_of(upstream.store, "team/app:1")
    assert (outcome.is_new, outcome.fetched_blobs, outcome.present_blobs) == (True, 2, 0)
    assert outcome.report is not None
    assert [str(tag.reference) for tag in outcome.report.tags] == [str(name)]
    assert is_sound(store)
    # A tag that the store does not have needs no HEAD; a manifest, a config and two layers follow.
    assert [one.method for one in upstream.registry.requests("", "team/app")] == ["GET"] * 4
    assert Downloads(store.root).interrupted() == []


def test_a_tag_that_has_not_moved_costs_one_request(upstream: Upstream, pulls: Pulls) -> None:
    upstream.serve(image(A))
    name = upstream.name("team/app:1")
    pulls.pull(name)
    upstream.registry.clear()
    outcome = pulls.pull(name)
    assert (outcome.is_new, outcome.report, outcome.fetched_bytes) == (False, None, 0)
    assert [one.method for one in upstream.registry.requests("", "team/app")] == ["HEAD"]


def test_a_tag_that_moved_fetches_what_is_new(
    upstream: Upstream, pulls: Pulls, store: Store
) -> None:
    upstream.serve(image(A))
    name = upstream.name("team/app:1")
    pulls.pull(name)
    upstream.serve(image(A, B))
    upstream.registry.clear()
    outcome = pulls.pull(name)
    assert (outcome.is_new, outcome.fetched_blobs, outcome.present_blobs) == (True, 1, 1)
    assert digest_of(store, name) == digest_of(upstream.store, "team/app:1")
    assert is_sound(store)


def test_a_digest_gives_no_tag(upstream: Upstream, pulls: Pulls, store: Store) -> None:
    upstream.serve(image(A))
    digest = digest_of(upstream.store, "team/app:1")
    name = upstream.name(f"team/app@{digest}")
    assert pulls.pull(name).digest == digest
    assert store.digests(name.repository) == (name,)
    assert digest_of(store, name) == digest
    upstream.registry.clear()
    # As docker does, a tag beside a digest is ignored. The registry is not asked for it again.
    both = upstream.name(f"team/app:other@{digest}")
    assert not pulls.pull(both).is_new
    assert upstream.registry.seen == []
    assert store.names(str(name.repository), 10) == ()


def test_of_an_index_the_image_for_this_machine_is_pulled(
    upstream: Upstream, pulls: Pulls, store: Store
) -> None:
    layout = Layout()
    amd64 = layout.image(gzip(A))
    arm64 = layout.image(gzip(B), platform="linux/arm64")
    index = layout.index(amd64, arm64, layout.attestation(amd64))
    layout.root(index, APP)
    upstream.serve(layout)
    name = upstream.name("team/app:1")
    outcome = pulls.pull(name)
    assert str(outcome.digest) == index["digest"]
    assert (outcome.fetched_blobs, outcome.notes) == (1, ())
    assert store.document(Digest.parse(index["digest"])) == layout.blobs[index["digest"]]
    assert store.document(Digest.parse(arm64["digest"])) is None
    # Later pulls add what they are asked for, and fetch nothing twice.
    arm = PullOptions(platforms=(Platform("linux", "arm64"),))
    assert pulls.pull(name, arm).fetched_blobs == 1
    # The config of an attestation is not that of an image, so it is a blob as well.
    assert pulls.pull(name, ALL).fetched_blobs == 2
    upstream.registry.clear()
    assert not pulls.pull(name, ALL).is_new
    assert upstream.registry.count() == 1
    assert is_sound(store)


def test_a_missing_platform_names_the_others(upstream: Upstream, pulls: Pulls) -> None:
    layout = Layout()
    layout.root(layout.index(layout.image(A, platform="linux/s390x")), APP)
    upstream.serve(layout)
    with pytest.raises(ManifestNotFound, match="linux/amd64") as caught:
        pulls.pull(upstream.name("team/app:1"))
    assert "linux/s390x" in str(caught.value.hint)


def test_a_plan_fetches_documents_only(upstream: Upstream, pulls: Pulls, store: Store) -> None:
    upstream.serve(image(A, LARGE))
    name = upstream.name("team/app:1")
    plan = pulls.plan(name)
    sizes = {one.size_bytes for one in plan.blobs}
    assert (plan.is_new, plan.fetched_bytes, len(sizes)) == (True, sum(sizes), 2)
    assert list(store.images()) == []
    pulls.pull(name)
    plan = pulls.plan(name)
    assert (plan.is_new, plan.blobs, plan.present_blobs) == (False, (), 2)


def test_one_bad_image_does_not_stop_the_others(
    upstream: Upstream, pulls: Pulls, store: Store
) -> None:
    upstream.serve(image(A))
    upstream.serve(image(B, name="docker.io/team/other:2"))
    names = [upstream.name(name) for name in ("team/app:1", "team/absent:1", "team/other:2")]
    first, second, third = pulls.each(*names)
    assert isinstance(first, PulledImage)
    assert isinstance(second, FailedImage)
    assert isinstance(second.error, ManifestNotFound)
    assert (second.error.registry, second.error.repository) == (
        upstream.registry.host,
        "team/absent",
    )
    assert isinstance(third, PulledImage)
    assert len(store.images()) == 2


def test_images_that_share_layers_fetch_each_layer_once(
    upstream: Upstream, pulls: Pulls, store: Store
) -> None:
    names = []
    for number in range(6):
        top = tars.member(b"top", str(number).encode()) + tars.END
        upstream.serve(image(LARGE, top, name=f"docker.io/team/app{number}:1"))
        names.append(upstream.name(f"team/app{number}:1"))
    outcomes = pulls.each(*names, names[0])
    assert [outcome.reference for outcome in outcomes] == names
    assert upstream.registry.count("GET", "/blobs/") == 1 + 6 + 6
    assert len(store.images()) == 6
    assert is_sound(store)


def test_what_a_broken_pull_has_fetched_is_not_fetched_again(
    upstream: Upstream, store: Store
) -> None:
    upstream.serve(image(LARGE))
    name = upstream.name("team/app:1")
    (target,) = layers_of(upstream.store, "team/app:1")
    size, layer = target.size_bytes, str(target.digest)
    upstream.registry.inject(CutAfter(2_000_000), path=layer)
    upstream.registry.inject(Answer(500), path=layer, times=100)
    with Pulls(store, retries=1) as pulls, pytest.raises(RegistryFailed):
        pulls.pull(name)
    assert list(store.images()) == []
    (kept,) = Downloads(store.root).interrupted()
    assert kept.size_bytes == 2_000_000
    upstream.registry.clear()
    # Another process would do the same: nothing but the file is left.
    with Pulls(store) as pulls:
        plan = pulls.plan(name)
        assert (plan.fetched_bytes, plan.resumed_bytes) == (size - 2_000_000, 2_000_000)
        outcome = pulls.pull(name)
    assert (outcome.fetched_bytes, outcome.resumed_bytes) == (size - 2_000_000, 2_000_000)
    (request,) = upstream.registry.requests("GET", layer)
    assert request.headers["Range"] == "bytes=2000000-"
    assert Downloads(store.root).interrupted() == []
    assert is_sound(store)


def test_damaged_content_is_fetched_again(upstream: Upstream, pulls: Pulls, store: Store) -> None:
    upstream.serve(image(A, LARGE))
    name = upstream.name("team/app:1")
    pulls.pull(name)
    layer = layers_of(store, name)[1].digest
    path = store.blobs.path(layer)
    path.write_bytes(bytes(path.stat().st_size))
    outcome = pulls.pull(name)
    assert (outcome.fetched_blobs, outcome.present_blobs) == (1, 1)
    path.unlink()
    assert pulls.pull(name).fetched_blobs == 1
    assert is_sound(store)


def test_an_image_that_does_not_fit_is_refused_before_a_byte(
    upstream: Upstream, pulls: Pulls, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.serve(image(LARGE))
    monkeypatch.setattr("remote.pulling.pull.free_bytes", lambda _folder: 1000)
    with pytest.raises(StorageFull, match="1000 bytes are free"):
        pulls.pull(upstream.name("team/app:1"))
    assert upstream.registry.count("GET", "/blobs/") == 1


def test_layers_in_other_encodings_are_kept_as_they_came(
    upstream: Upstream, pulls: Pulls, store: Store
) -> None:
    layout = Layout()
    layout.root(layout.image(zstd(A), B, gzip(LARGE)), APP)
    upstream.serve(layout)
    name = upstream.name("team/app:1")
    assert pulls.pull(name).fetched_blobs == 3
    assert is_sound(store)
    assert list((store.root / "downloads").iterdir()) == []
    assert layers_of(store, name) == layers_of(upstream.store, "team/app:1")


def test_two_names_of_one_image_are_two_tags(
    upstream: Upstream, pulls: Pulls, store: Store
) -> None:
    layout = image(A)
    layout.root(layout.roots[0], "docker.io/team/app:2")
    upstream.serve(layout)
    names = [upstream.name("team/app:1"), upstream.name("team/app:2")]
    pulls.each(*names)
    assert {str(one) for one in store.names("", 10)} == {str(one) for one in names}
    assert isinstance(names[0], Reference)


def test_mirrors_are_asked_first(upstream: Upstream, pulls: Pulls, store: Store) -> None:
    upstream.serve(image(A, name="docker.io/mirrored/app:1"))
    upstream.serve(image(B, name="docker.io/team/app:1"))
    name = upstream.name("team/app:1")
    pulls.mirrors = [upstream.name("absent/app:1"), upstream.name("mirrored/app:1")]
    outcome = pulls.pull(name)
    assert outcome.digest == digest_of(upstream.store, "mirrored/app:1") == digest_of(store, name)
    assert upstream.registry.count("", "/team/app/") == 0
    # If all fail, the error is that of the registry itself.
    absent = upstream.name("team/absent:1")
    pulls.mirrors = [upstream.name("absent/app:1")]
    with pytest.raises(ManifestNotFound, match="team/absent"):
        pulls.pull(absent)
