"""A repository in the files of a registry as the source of a copy."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from remote.copying.fetched_image import fetch_image
from remote.copying.tree_repository import opened_tree
from remote.errors import FalseAnswer
from remote.names import RegistryTree, parse_location
from remote.pushing.choice import Choice
from store.errors import ContentMissing, ImageNotFound, InvalidReference
from store.model.digests import Descriptor, Digest
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip
from tests.support.registry_trees import RegistryFiles

if TYPE_CHECKING:
    from pathlib import Path

    from remote.pushing.image import SentImage


@pytest.fixture
def files(tmp_path: Path) -> RegistryFiles:
    return RegistryFiles(tmp_path / "registry")


def tree(files: RegistryFiles, name: str) -> RegistryTree:
    found = parse_location(f"registry-tree:{files.folder}:{name}")
    assert isinstance(found, RegistryTree)
    return found


def read(files: RegistryFiles, name: str, choice: Choice | None = None) -> SentImage:
    with opened_tree(tree(files, name)) as (repository, reference):
        image = asyncio.run(fetch_image(repository, reference, choice or Choice()))
        asyncio.run(_read_all(image))
    return image


async def _read_all(image: SentImage) -> None:
    for document in image.documents.values():
        for link in document.links:
            if link.is_document:
                continue
            async with image.source.open(link.target) as blob:
                whole = b"".join([chunk async for chunk in blob.chunks(0)])
                assert Digest.of(whole) == link.digest
                rest = b"".join([chunk async for chunk in blob.chunks(2)])
                assert rest == whole[2:]


def test_an_index_is_read_with_its_referrers(files: RegistryFiles) -> None:
    layout = Layout()
    images = [
        layout.image(gzip(one), platform=f"linux/{name}")
        for one, name in ((A, "amd64"), (B, "arm64"))
    ]
    index = layout.index(*images)
    signature = layout.artifact(b"signed", subject=index)
    cosign = layout.artifact(b"cosign")
    tag = f"{index['digest'].replace(':', '-')}.sig"
    files.push(layout, "team/app", latest=index, **{tag: cosign})

    assert len(read(files, "team/app").documents) == 3
    image = read(files, f"team/app@{index['digest']}", Choice(referrers=True))
    wanted = {one["digest"] for one in (index, *images, signature, cosign)}
    assert {str(digest) for digest in image.documents} == wanted
    assert list(image.tags) == [tag]


def test_what_is_absent_is_named(files: RegistryFiles) -> None:
    layout = Layout()
    image = layout.image(gzip(A))
    files.push(layout, "app", one=image)
    with pytest.raises(ImageNotFound, match="app:two"):
        read(files, "app:two")
    with pytest.raises(ImageNotFound, match="no repository other"):
        read(files, "other")
    with (
        pytest.raises(InvalidReference, match="names no image"),
        opened_tree(RegistryTree(files.folder)),
    ):
        pass
    files.blob(image["digest"]).unlink()
    with pytest.raises(ImageNotFound, match="is absent"):
        read(files, "app:one")


def test_wrong_and_absent_blobs_are_never_sent(files: RegistryFiles) -> None:
    layout = Layout()
    image = layout.image(gzip(A))
    files.push(layout, "app", one=image)
    digest = json.loads(layout.blobs[image["digest"]])["layers"][0]["digest"]
    path = files.blob(digest)
    path.write_bytes(bytes(reversed(path.read_bytes())))
    with pytest.raises(FalseAnswer, match="sent other bytes"):
        read(files, "app:one")
    path.write_bytes(b"short")
    with pytest.raises(ContentMissing, match="has 5 bytes"):
        read(files, "app:one")
    path.unlink()
    with pytest.raises(ContentMissing, match="is absent"):
        read(files, "app:one")


def test_the_list_of_referrers_needs_no_subject(files: RegistryFiles) -> None:
    layout = Layout()
    files.push(layout, "app", one=layout.image(gzip(A)))

    async def referrers() -> list[Descriptor]:
        with opened_tree(tree(files, "app:one")) as (repository, _):
            return [link.target async for link in repository.referrers(Digest.of(b"none"))]

    assert asyncio.run(referrers()) == []
