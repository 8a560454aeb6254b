"""The order of imports changes neither the catalogue nor a saved archive.

The section "Identity" of docs/architecture.md explains the rule.
"""

from __future__ import annotations

import io
import shutil
from itertools import permutations
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from store import Store
from store.db.schema import content, foreign_source, image
from tests.support.images import A, Archive, B, config, digest
from tests.support.layouts import Layout, foreign, gzip

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

URL = "https://example.org/a"


def elsewhere() -> bytes:
    """Return a layout with the download address of layer A and without its blob."""
    layout = Layout()
    layout.root(layout.image(foreign(gzip(A), URL)), "docker.io/library/elsewhere:1")
    return layout.tar()


def compressed() -> bytes:
    """Return a layout with the blob to which the address in `elsewhere` points."""
    layout = Layout()
    layout.root(layout.image(gzip(A), gzip(B)), "docker.io/library/compressed:1")
    return layout.tar()


def plain() -> bytes:
    """Return a Docker archive of a different image with the same layer."""
    return (
        Archive()
        .file("b", B)
        .file("a", A)
        .file("c", config(B, A))
        .manifest({"Config": "c", "RepoTags": ["plain:1"], "Layers": ["b", "a"]})
        .bytes()
    )


def sourced() -> bytes:
    """Return a Docker archive as a Windows daemon writes it, with the layer and its source."""
    source = {
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "size": 7,
        "digest": digest(B),
        "urls": ["https://example.com/l"],
    }
    entry = {
        "Config": "c",
        "RepoTags": ["sourced:1"],
        "Layers": ["a"],
        "LayerSources": {digest(A): source},
    }
    return Archive().file("a", A).file("c", config(A, author="w")).manifest(entry).bytes()


def catalogue_rows(store: Store) -> tuple[list[tuple[str, str]], list[tuple[str, bytes]], object]:
    """Return the rows of the catalogue without times and row numbers."""
    with store.read() as connection:
        states = connection.execute(
            select(content.c.digest, image.c.diff_state).join_from(
                image, content, content.c.id == image.c.content_id
            )
        )
        sources = connection.execute(
            select(content.c.digest, foreign_source.c.descriptor).join_from(foreign_source, content)
        )
        facts = (
            sorted((str(one), state) for one, state in states),
            sorted((str(one), text) for one, text in sources),
        )
    images = [store.inspect(str(one.image_id)) for one in store.images()]
    return (
        *facts,
        sorted(
            (
                str(one.image_id),
                [
                    (str(part.diff_id), part.state.value, part.size_bytes, part.urls)
                    for part in one.layers
                ],
            )
            for one in images
        ),
    )


@pytest.mark.parametrize(
    "archives",
    [(elsewhere, plain), (elsewhere, sourced, compressed)],
    ids=["brought plain", "brought as it was named and with a source"],
)
def test_the_order_of_imports_makes_no_difference(
    tmp_path: Path, archives: tuple[Callable[[], bytes], ...]
) -> None:
    empty = tmp_path / "empty"
    Store.open(empty, create=True).close()
    stories = []
    for number, order in enumerate(permutations(archives)):
        with Store.open(shutil.copytree(empty, tmp_path / str(number))) as store:
            for archive in order:
                store.import_archive(io.BytesIO(archive()))
            stories.append(catalogue_rows(store))
            assert not list(store.fsck())
            # A second import of each archive changes nothing.
            assert not any(
                store.import_archive(io.BytesIO(archive())).changed for archive in archives
            )
    assert all(story == stories[0] for story in stories)
    states, sources, _ = stories[0]
    assert {state for _, state in states} == {"verified"}
    assert sources


def test_an_image_stays_unverified_while_any_layer_is_elsewhere(store: Store) -> None:
    layout = Layout()
    layout.root(
        layout.image(foreign(gzip(A), URL), foreign(gzip(B), URL)), "docker.io/library/elsewhere:1"
    )
    store.import_archive(io.BytesIO(layout.tar()))
    for layer, state in ((A, "unverified"), (B, "verified")):
        archive = (
            Archive()
            .file("l", layer)
            .file("c", config(layer))
            .manifest({"Config": "c", "RepoTags": None, "Layers": ["l"]})
        )
        store.import_archive(io.BytesIO(archive.bytes()))
        with store.read() as connection:
            assert (
                connection.execute(
                    select(image.c.diff_state)
                    .join_from(image, content)
                    .where(content.c.digest == store.inspect("elsewhere:1").image_id.digest)
                ).scalar()
                == state
            )
