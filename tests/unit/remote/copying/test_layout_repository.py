"""Blobs of a folder are sent from its files, or the folder is left to an import."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from remote.copying.layout_repository import folder_image
from remote.copying.named_import import patterns_of
from remote.errors import FalseAnswer
from remote.pushing.choice import Choice
from remote.pushing.delivery import Delivery
from remote.pushing.report import NoListener
from store.errors import ContentMissing, DigestMismatch
from store.model.platforms import Platform
from store.model.progress import Silent
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    from pathlib import Path

    from remote.pushing.image import SentImage
    from remote.pushing.report import Delivered
    from tests.support.other_registry import OtherRegistry

ARM64 = Platform.parse("linux/arm64")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Write a layout with an index of two platforms and another image."""
    layout = Layout()
    index = layout.index(
        layout.image(gzip(A)), layout.image(gzip(A), gzip(B), platform="linux/arm64")
    )
    layout.root(index, "docker.io/team/app:1")
    layout.root(layout.image(gzip(B)), "docker.io/team/other:2")
    layout.folder(tmp_path / "layout")
    return layout


def opened(
    path: Path, name: str | None, choice: Choice | None = None, *, is_bare: bool = True
) -> SentImage | None:
    names = patterns_of(name, is_bare=is_bare)
    return folder_image(path, names, choice or Choice())


def is_sent_from_files(
    path: Path, name: str | None, choice: Choice | None = None, *, is_bare: bool = True
) -> bool:
    return opened(path, name, choice, is_bare=is_bare) is not None


def send(
    registry: OtherRegistry, path: Path, name: str | None, choice: Choice | None = None
) -> Delivered:
    repository = registry.repository("team/copy")
    delivery = Delivery(jobs=2, progress=Silent(), listener=NoListener())
    image = opened(path, name, choice)
    assert image is not None
    return registry.run(lambda: delivery.deliver(image.shipment(tag="1"), image.source, repository))


@pytest.mark.parametrize("name", ["docker.io/team/app:1", "1"])
def test_an_index_is_sent_byte_for_byte(
    layout: Layout, tmp_path: Path, registry: OtherRegistry, name: str
) -> None:
    done = send(registry, tmp_path / "layout", name)
    assert str(done.tags["1"].digest) == layout.roots[0]["digest"]
    # A is shared by both images.
    assert len(done.sent) == 4


def test_one_platform_is_sent_without_its_index(
    layout: Layout, tmp_path: Path, registry: OtherRegistry
) -> None:
    done = send(registry, tmp_path / "layout", "1", Choice((ARM64,)))
    index = json.loads(layout.blobs[layout.roots[0]["digest"]])
    assert str(done.tags["1"].digest) == index["manifests"][1]["digest"]


def test_what_only_an_import_can_decide_is_left_to_it(layout: Layout, tmp_path: Path) -> None:
    path = tmp_path / "layout"
    assert is_sent_from_files(path, "2")
    assert not is_sent_from_files(path, "2", Choice(referrers=True))
    # There are two images, and no image has this name.
    assert not is_sent_from_files(path, None)
    assert not is_sent_from_files(path, "absent")
    assert not is_sent_from_files(path, "2", is_bare=False)
    assert not is_sent_from_files(path / "index.json", None)
    assert not is_sent_from_files(path, "2", Choice((Platform.parse("linux/s390x"),)))
    # Without the image of one platform, the index is incomplete.
    index = json.loads(layout.blobs[layout.roots[0]["digest"]])
    gone = index["manifests"][0]["digest"].partition(":")[2]
    (path / "blobs" / "sha256" / gone).unlink()
    assert not is_sent_from_files(path, "1")
    assert is_sent_from_files(path, "1", Choice((ARM64,)))


def test_a_layout_that_is_not_valid_is_left_to_an_import(layout: Layout, tmp_path: Path) -> None:
    assert layout.roots
    (tmp_path / "layout" / "index.json").write_text("{")
    assert not is_sent_from_files(tmp_path / "layout", "1")


def blob_file(layout: Layout, path: Path) -> tuple[Path, str]:
    """Return the file of the only layer of the second image, and its digest."""
    manifest = json.loads(layout.blobs[layout.roots[1]["digest"]])
    digest = manifest["layers"][0]["digest"]
    return path / "blobs" / "sha256" / digest.partition(":")[2], digest


def test_wrong_bytes_are_not_sent(layout: Layout, tmp_path: Path, registry: OtherRegistry) -> None:
    file, digest = blob_file(layout, tmp_path / "layout")
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(FalseAnswer) as caught:
        send(registry, tmp_path / "layout", "2")
    assert digest in caught.value.message
    assert str(tmp_path) in caught.value.message


def test_images_with_missing_and_short_files_get_no_name(
    layout: Layout, tmp_path: Path, registry: OtherRegistry
) -> None:
    file, digest = blob_file(layout, tmp_path / "layout")
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DigestMismatch, match="size of"):
        send(registry, tmp_path / "layout", "2")
    file.unlink()
    with pytest.raises(ContentMissing, match=digest):
        send(registry, tmp_path / "layout", "2")
    assert registry.ask("GET", "/v2/team/copy/manifests/1").status == 404
