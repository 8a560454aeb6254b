"""The documents of remote images: only what was asked for, byte-exact, with what is attached."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from remote.errors import FalseAnswer, RegistryError
from remote.pulling.options import PullOptions
from store.errors import InvalidDocument, StoreError, TooLarge
from store.model.contents import ContentState
from store.model.digests import Digest
from store.model.limits import DEFAULT_LIMITS
from tests.support.faulty_registry import Answer
from tests.support.images import A, B
from tests.support.layouts import MANIFEST, Layout, foreign, gzip

if TYPE_CHECKING:
    from collections.abc import Mapping

    from store import Store
    from tests.support.pulls import Pulls, Upstream

APP = "docker.io/team/app:1"
EVERYTHING = PullOptions(all_platforms=True, has_referrers=True)


def test_signatures_and_attestations_come_with_their_image(
    upstream: Upstream, pulls: Pulls, store: Store
) -> None:
    layout = Layout()
    image = layout.image(gzip(A))
    other = layout.image(gzip(B), platform="linux/arm64")
    index = layout.index(image, other, layout.attestation(image))
    sbom = layout.artifact(b"sbom", subject=image)
    signature = layout.artifact(b"signature of the sbom", subject=sbom)
    layout.root(index, APP)
    for one in (sbom, signature):
        layout.root(one)
    tag = f"docker.io/team/app:sha256-{index['digest'].partition(':')[2]}.sig"
    cosign = layout.artifact(b"simple signing")
    layout.root(cosign, tag)
    upstream.serve(layout)
    name = upstream.name("team/app:1")
    # Without being asked for, nothing of this is fetched.
    pulls.pull(name)
    assert upstream.registry.count("", "referrers|sha256-") == 0
    outcome = pulls.pull(name, EVERYTHING)
    assert outcome.is_new
    for one in (index, image, other, sbom, signature, cosign):
        digest = Digest.parse(one["digest"])
        assert store.document(digest) == layout.blobs[one["digest"]]
    assert store.inspect_manifest(sbom["digest"]).referrers == (Digest.parse(signature["digest"]),)
    named = store.inspect_manifest(f"{name.repository}:{tag.rpartition(':')[2]}")
    assert str(named.summary.digest) == cosign["digest"]
    assert list(store.fsck()) == []
    report = store.collect()
    assert report.manifests == 0
    upstream.registry.clear()
    assert not pulls.pull(name, EVERYTHING).is_new
    assert upstream.registry.count("GET", "/manifests/|/blobs/") == 0


def test_a_registry_without_the_referrers_api_has_the_fallback_tag(
    upstream: Upstream, pulls: Pulls, store: Store
) -> None:
    layout = Layout()
    image = layout.image(gzip(A))
    layout.root(image, APP)
    sbom = layout.artifact(b"sbom", subject=image)
    layout.root(sbom)
    upstream.serve(layout)
    upstream.registry.always(Answer(404), path="/referrers/")
    listing = json.dumps(
        {
            "schemaVersion": 2,
            "manifests": [{key: sbom[key] for key in ("mediaType", "digest", "size")}],
        }
    ).encode()
    upstream.registry.always(
        Answer(200, {"Content-Type": "application/vnd.oci.image.index.v1+json"}, listing),
        path=f"/manifests/{image['digest'].replace(':', '-')}$",
    )
    pulls.pull(upstream.name("team/app:1"), PullOptions(has_referrers=True))
    assert store.inspect_manifest(image["digest"]).referrers == (Digest.parse(sbom["digest"]),)


def test_a_false_referrer_is_ignored(upstream: Upstream, pulls: Pulls, store: Store) -> None:
    layout = Layout()
    image = layout.image(gzip(A))
    layout.root(image, APP)
    other = layout.artifact(b"of nothing")
    layout.root(other, "docker.io/team/app:other")
    upstream.serve(layout)
    listing = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [{key: other[key] for key in ("mediaType", "digest", "size")}],
        }
    ).encode()
    upstream.registry.always(
        Answer(200, {"Content-Type": "application/vnd.oci.image.index.v1+json"}, listing),
        path=f"/referrers/{image['digest']}",
    )
    outcome = pulls.pull(upstream.name("team/app:1"), PullOptions(has_referrers=True))
    assert any(other["digest"] in note for note in outcome.notes)
    assert store.document(Digest.parse(other["digest"])) is None


def test_sha512_digests_stay(upstream: Upstream, pulls: Pulls, store: Store) -> None:
    layout = Layout()
    image = layout.image(gzip(A), algorithm="sha512")
    index = layout.index(image, algorithm="sha512")
    layout.root(index, APP)
    upstream.serve(layout)
    name = upstream.name(f"team/app@{index['digest']}")
    assert str(pulls.pull(name).digest) == index["digest"]
    assert list(store.fsck()) == []
    assert {one.digest.algorithm for one in store.inspect_manifest(image["digest"]).links} == {
        "sha512"
    }


def test_the_urls_of_foreign_layers_are_not_fetched(
    upstream: Upstream, pulls: Pulls, store: Store
) -> None:
    layout = Layout()
    elsewhere = foreign(gzip(B), f"http://{upstream.registry.host}/elsewhere")
    layout.root(layout.image(gzip(A), elsewhere), APP)
    upstream.serve(layout)
    name = upstream.name("team/app:1")
    outcome = pulls.pull(name)
    assert (outcome.is_new, outcome.fetched_blobs) == (True, 1)
    assert upstream.registry.count("", "elsewhere") == 0
    states = [one.state for one in store.inspect_manifest(str(name)).links if one.role == "layer"]
    assert states == [ContentState.PRESENT, ContentState.ABSENT]
    # A registry that has the layer gives it.
    upstream.registry.clear()
    blob = elsewhere.data
    upstream.registry.always(
        Answer(200, {"Content-Length": str(len(blob))}, blob), path=str(Digest.of(blob))
    )
    assert pulls.pull(name).fetched_blobs == 1
    assert list(store.fsck()) == []


def manifest_answer(document: Mapping[str, object], **headers: str) -> Answer:
    data = json.dumps(document).encode()
    return Answer(200, {"Content-Type": MANIFEST, **headers}, data)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (manifest_answer({"schemaVersion": 1, "name": "x", "fsLayers": []}), StoreError),
        (manifest_answer({"schemaVersion": 2, "layers": [], "manifests": []}), InvalidDocument),
        (Answer(200, {"Content-Type": MANIFEST}, b"<html>"), InvalidDocument),
        (
            manifest_answer(
                {"schemaVersion": 2}, **{"Docker-Content-Digest": f"sha256:{'0' * 64}"}
            ),
            FalseAnswer,
        ),
        (Answer(401), RegistryError),
        (Answer(403), RegistryError),
        (Answer(404), RegistryError),
        (Answer(429), RegistryError),
        (Answer(500), RegistryError),
    ],
    ids=["schema 1", "ambiguous", "page", "digest", "401", "403", "404", "429", "500"],
)
def test_a_bad_manifest_ends_in_one_error(
    upstream: Upstream, pulls: Pulls, store: Store, answer: Answer, error: type[StoreError]
) -> None:
    upstream.registry.always(answer, path="/manifests/")
    with pytest.raises(error) as caught:
        pulls.pull(upstream.name("team/app:1"))
    assert f"{upstream.registry.host}/team/app:1" in caught.value.message
    assert "\n" not in caught.value.message
    assert list(store.manifests()) == []


def test_a_config_with_other_bytes_is_refused(
    upstream: Upstream, pulls: Pulls, store: Store
) -> None:
    layout = Layout()
    image = layout.image(gzip(A))
    layout.root(image, APP)
    upstream.serve(layout)
    config = json.loads(layout.blobs[image["digest"]])["config"]
    data = layout.blobs[config["digest"]]
    upstream.registry.always(Answer(200, body=b"!" + data[1:]), path=config["digest"])
    with pytest.raises(FalseAnswer, match=config["digest"]):
        pulls.pull(upstream.name("team/app:1"))
    assert list(store.images()) == []


@pytest.mark.parametrize("limit", ["graph_depth", "graph_nodes", "documents_bytes"])
def test_documents_have_ceilings(upstream: Upstream, pulls: Pulls, limit: str) -> None:
    layout = Layout()
    layout.root(layout.index(layout.index(layout.image(A))), APP)
    upstream.serve(layout)
    limits = replace(DEFAULT_LIMITS, **{limit: 2})
    with pytest.raises(TooLarge):
        pulls.pull(upstream.name("team/app:1"), PullOptions(limits=limits))


def test_a_size_that_contradicts_the_index_is_refused(
    upstream: Upstream, pulls: Pulls, store: Store
) -> None:
    layout = Layout()
    image = layout.image(gzip(A))
    wrong = layout.index({**image, "size": image["size"] + 1})
    layout.root(image, APP)
    upstream.serve(layout)
    upstream.registry.always(
        Answer(
            200,
            {"Content-Type": "application/vnd.oci.image.index.v1+json"},
            layout.blobs[wrong["digest"]],
        ),
        path="/manifests/1$",
    )
    with pytest.raises(FalseAnswer, match=image["digest"]):
        pulls.pull(upstream.name("team/app:1"))
    assert list(store.manifests()) == []
