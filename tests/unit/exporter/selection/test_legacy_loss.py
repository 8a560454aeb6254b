"""What the format legacy loses: manifests, indexes and artifacts."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

import exporter
from exporter.options import Format, LegacyLoss, SaveOptions
from exporter.selection.legacy_loss import losses, refuse
from store import Store, errors
from store.model.platforms import Platform
from tests.support.images import A, B, image
from tests.support.layouts import Layout, gzip
from tests.support.saved_graphs import graph_of
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from pathlib import Path


def test_each_root_that_loses_something_is_named() -> None:
    layout = Layout()
    one = layout.image(gzip(A))
    graph = graph_of(
        layout,
        (one, ()),
        (layout.index(layout.image(B)), ()),
        (layout.artifact(b"thing"), ()),
    )
    found = losses(graph)
    assert [text.partition(" ")[2].partition(" sha256")[0] for text in found] == [
        "has the manifest",
        "is an index with several images or artifacts",
        "is an artifact",
    ]


def test_the_error_lists_only_a_few() -> None:
    message = refuse([f"loss {number}" for number in range(9)]).message
    assert message.splitlines()[-2:] == ["  loss 4", "  4 more"]
    assert "more" not in refuse(["one"]).message


def chosen(store: Store, *names: str, loss: LegacyLoss, **options: object) -> Format:
    asked = SaveOptions(Format.LEGACY, legacy_loss=loss, **options)  # type: ignore[arg-type]
    with exporter.open_save(store, names, options=asked) as export:
        export.write(io.BytesIO())
        return export.format


@pytest.fixture
def both(store: Store) -> Store:
    """Fill a store: an image that Docker loaded, one with a manifest, an index and an artifact."""
    put_image(store, A, tags=("loaded:1",))
    layout = Layout()
    layout.root(layout.image(gzip(B)), "docker.io/library/received:1")
    layout.root(layout.index(layout.image(gzip(B))), "docker.io/library/index:1")
    layout.root(layout.artifact(b"thing"), "docker.io/library/artifact:1")
    store.import_archive(io.BytesIO(layout.tar()))
    return store


def test_an_image_that_docker_loaded_stays_in_the_format_legacy(both: Store) -> None:
    for loss in LegacyLoss:
        assert chosen(both, "loaded:1", loss=loss) is Format.LEGACY


@pytest.mark.parametrize("name", ["received:1", "index:1", "artifact:1"])
def test_a_received_manifest_is_kept_or_the_save_is_refused(both: Store, name: str) -> None:
    assert chosen(both, "loaded:1", name, loss=LegacyLoss.AVOID) is Format.DOCKER
    with pytest.raises(errors.Conflict) as caught:
        chosen(both, "loaded:1", name, loss=LegacyLoss.REFUSE)
    assert name in caught.value.message
    if name != "artifact:1":
        assert chosen(both, name, loss=LegacyLoss.ACCEPT) is Format.LEGACY


def test_an_image_without_layers_needs_manifests(store: Store) -> None:
    store.import_archive(io.BytesIO(image(tags=("empty:1",)).bytes()))
    assert chosen(store, "empty:1", loss=LegacyLoss.AVOID) is Format.DOCKER


def test_a_docker_archive_of_received_manifests_survives_another_store(
    both: Store, tmp_path: Path
) -> None:
    out = io.BytesIO()
    options = SaveOptions(legacy_loss=LegacyLoss.AVOID)
    with exporter.open_save(both, ["received:1", "index:1"], options=options) as export:
        export.write(out)
    with Store.open(tmp_path / "other", create=True) as other:
        other.import_archive(io.BytesIO(out.getvalue()))
        for name in ("received:1", "index:1"):
            want = both.inspect_manifest(name).summary.digest
            assert other.inspect_manifest(name).summary.digest == want


def test_a_platform_is_chosen_before_anything_is_lost(both: Store) -> None:
    platforms = (Platform.parse("linux/amd64"),)
    got = chosen(both, "index:1", loss=LegacyLoss.AVOID, platforms=platforms)
    assert got is Format.DOCKER
