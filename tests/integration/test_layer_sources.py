"""What one image states about where its layers come from counts for this image only."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING

import pytest

from exporter import Format
from tests.support.images import A, Archive, B, config, digest
from tests.support.layouts import Layout, foreign, plain
from tests.support.rich_layouts import save

if TYPE_CHECKING:
    from collections.abc import Callable

    from store import Store

URL = "https://attacker.example/layer"
OWN = "https://example.org/own"


def docker_archive(name: str, author: str, *, url: str = "", size: int = 1) -> bytes:
    """Return a docker archive of an image of the layer A; ``url`` is the layer's source."""
    entry: dict[str, object] = {"Config": "c", "RepoTags": [name], "Layers": ["a"]}
    if url:
        media_type = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
        source = {"mediaType": media_type, "size": size, "digest": digest(B), "urls": [url]}
        entry["LayerSources"] = {digest(A): source}
    archive = Archive().file("a", A).file("c", config(A, author=author))
    return archive.manifest(entry).bytes()


def layout_archive(name: str, author: str, *, url: str = "") -> bytes:
    """Return a layout of an image of the layer A; ``url`` is the layer's download address."""
    layout = Layout()
    blob = foreign(plain(A), url) if url else plain(A)
    layout.root(layout.image(blob, config={"author": author}), f"docker.io/library/{name}")
    return layout.tar()


def listed(archive: bytes) -> bytes:
    """Return the file ``manifest.json`` of an archive."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        file = tar.extractfile("manifest.json")
        assert file is not None
        return file.read()


def take_in(store: Store, archive: bytes) -> None:
    store.import_archive(io.BytesIO(archive))


WAYS = pytest.mark.parametrize("attack", [docker_archive, layout_archive])
FORMATS = pytest.mark.parametrize("format_", [Format.DOCKER, Format.LEGACY])
VICTIMS = pytest.mark.parametrize("victim", [docker_archive, layout_archive])


@WAYS
@VICTIMS
@FORMATS
@pytest.mark.parametrize("url", ["", OWN])
def test_another_image_does_not_change_where_a_layer_comes_from(
    store: Store,
    attack: Callable[..., bytes],
    victim: Callable[..., bytes],
    format_: Format,
    url: str,
) -> None:
    take_in(store, docker_archive("base:1", "base"))
    take_in(store, victim("victim:1", "me", url=url))
    before = save(store, "victim:1", format=format_)
    take_in(store, attack("attacker:1", "somebody", url=URL))
    assert save(store, "victim:1", format=format_) == before
    assert store.inspect("victim:1").layers[0].urls == ((url,) if url else ())
    both = json.loads(listed(save(store, "victim:1", "attacker:1", format=format_)))
    assert [URL in json.dumps(item) for item in both] == [False, True]


@WAYS
@FORMATS
def test_an_image_that_comes_later_does_not_take_over_sources(
    store: Store, attack: Callable[..., bytes], format_: Format
) -> None:
    take_in(store, docker_archive("base:1", "base"))
    take_in(store, attack("attacker:1", "somebody", url=URL))
    take_in(store, docker_archive("victim:1", "me"))
    assert URL.encode() not in save(store, "victim:1", format=format_)
    assert URL.encode() in save(store, "attacker:1", format=format_)


@FORMATS
def test_images_of_one_archive_keep_their_own_sources(store: Store, format_: Format) -> None:
    take_in(store, docker_archive("base:1", "base"))
    layout = Layout()
    for name, url in (("one:1", URL), ("two:1", OWN)):
        layout.root(
            layout.image(foreign(plain(A), url), config={"author": name}),
            f"docker.io/library/{name}",
        )
    take_in(store, layout.tar())
    for name, url, other in (("one:1", URL, OWN), ("two:1", OWN, URL)):
        manifest = listed(save(store, name, format=format_))
        assert url.encode() in manifest
        assert other.encode() not in manifest


def test_sources_of_layers_that_an_image_does_not_have_are_ignored(store: Store) -> None:
    source = {"mediaType": "x", "size": 1, "digest": digest(A), "urls": [URL]}
    archive = Archive().file("a", A).file("b", B)
    archive.file("one", config(A)).file("two", config(B))
    archive.manifest(
        {
            "Config": "one",
            "RepoTags": ["one:1"],
            "Layers": ["a"],
            "LayerSources": {digest(B): source},
        },
        {"Config": "two", "RepoTags": ["two:1"], "Layers": ["b"]},
    )
    take_in(store, archive.bytes())
    for name in ("one:1", "two:1"):
        assert store.inspect(name).layers[0].urls == ()
