"""Images of the store are planned as a save in the format oci would write them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from exporter import Format, SaveOptions, open_save
from remote.pushing.choice import Choice
from remote.pushing.stored_image import open_stored
from store.errors import IncompleteImage
from store.model.digests import Digest
from store.model.references import Repository
from tests.support.images import A, B, image
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    from store import Store


def test_an_image_of_a_docker_archive_has_the_digest_that_a_save_gives_it(store: Store) -> None:
    store.import_archive(io.BytesIO(image(A, B, tags=("demo:1",)).bytes()))
    with open_save(store, ["demo:1"], options=SaveOptions(Format.OCI)) as export:
        assert export.graph is not None
        (root,) = export.graph.roots

    with open_stored(store, "demo:1", Choice(), jobs=1) as stored:
        assert stored.root.digest == root.digest
        assert set(stored.documents) == {root.digest}


def test_a_sparse_index_is_refused_unless_that_is_wanted(store: Store) -> None:
    layout = Layout()
    layout.root(layout.index(layout.image(A), layout.absent()), "docker.io/team/app:1")
    store.import_archive(io.BytesIO(layout.tar()))

    with pytest.raises(IncompleteImage), open_stored(store, "team/app:1", Choice(), jobs=1):
        pass
    with open_stored(store, "team/app:1", Choice(sparse=True), jobs=1) as stored:
        assert len(stored.documents) == 2


def test_only_the_tags_of_referrers_are_kept(store: Store) -> None:
    layout = Layout()
    app = layout.image(A)
    layout.root(app, "docker.io/team/app:1", "docker.io/team/app:2")
    hex_digits = app["digest"].removeprefix("sha256:")
    layout.root(layout.artifact(b"cosign"), f"docker.io/team/app:sha256-{hex_digits}.sig")
    store.import_archive(io.BytesIO(layout.tar()))

    with open_stored(store, "team/app:1", Choice(referrers=True), jobs=1) as stored:
        assert list(stored.tags) == [f"sha256-{hex_digits}.sig"]
    with open_stored(store, "team/app:1", Choice(), jobs=1) as stored:
        assert stored.tags == {}
    with open_stored(store, "team/app", Choice(), jobs=1, every_tag=True) as stored:
        assert set(stored.tags) == {"1", "2", f"sha256-{hex_digits}.sig"}


def test_repositories_of_the_receivers_registry_are_origins(store: Store) -> None:
    layout = Layout()
    layout.root(
        layout.image(gzip(A)),
        "registry.example:5000/base/app:1",
        "registry.example:5000/mine/app:1",
        "other.example/base/app:1",
    )
    store.import_archive(io.BytesIO(layout.tar()))
    receiver = Repository("registry.example:5000", "mine/app")

    with open_stored(
        store, "registry.example:5000/mine/app:1", Choice(), jobs=1, receiver=receiver
    ) as stored:
        layer = Digest.of(gzip(A).data)
        assert stored.source.origins(layer, "registry.example:5000") == ["base/app"]
        assert stored.source.origins(layer, "other.example") == ()


def test_what_was_sent_is_an_event(store: Store) -> None:
    layout = Layout()
    root = layout.root(layout.image(gzip(A)), "docker.io/team/app:1")
    store.import_archive(io.BytesIO(layout.tar()))

    with open_stored(store, "team/app:1", Choice(), jobs=1, receiver_name="docker://x.example/a:1"):
        pass

    last = list(store.events())[-1]
    assert (last.action, last.target) == ("save", root["digest"])
    assert last.attributes["name"] == "docker://x.example/a:1"
