"""Manifests, blobs, uploads and lists together, at a real registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from remote.registry.values import Tag
from store.model.digests import Digest
from tests.support.layouts import MANIFEST
from tests.support.registry_pushes import image_manifest, squeezed
from tests.support.remote_client import blob, parts, read, use

if TYPE_CHECKING:
    from remote.registry.repository import Repository
    from tests.support.faulty_registry import FaultyRegistry

LAYER = b"layer " * 300_000


async def push(repository: Repository, tag: str = "1") -> bytes:
    config, manifest = image_manifest((LAYER, squeezed(LAYER)))
    for data in (config, squeezed(LAYER)):
        await repository.send_blob(blob(data), parts(data))
    answer = await repository.put_manifest(Tag(tag), manifest, MANIFEST)
    assert answer.digest == Digest.of(manifest)
    return manifest


def test_an_image_goes_there_and_comes_back(faulty: FaultyRegistry) -> None:
    async def run(repository: Repository) -> None:
        manifest = await push(repository)
        found = await repository.manifest(Tag("1"))
        assert found.data == manifest
        assert await repository.resolve(Tag("1")) == found.descriptor
        assert await repository.resolve(found.descriptor.digest) == found.descriptor
        for link in found.document.links:
            assert await repository.blob_size(link.digest) == link.target.size_bytes
        assert await read(repository, squeezed(LAYER)) == (0, squeezed(LAYER))
        assert [tag async for tag in repository.tags()] == ["1"]
        assert [one async for one in repository.referrers(found.descriptor.digest)] == []
        assert await repository.manifest_if_changed(Tag("1"), found.etag) is None
        assert await repository.resolve_if_changed(Tag("1"), found.etag) is None
        assert str(repository) == f"{faulty.host}/team/app"

    use(faulty.host, run)


def test_a_blob_of_another_repository_is_mounted(faulty: FaultyRegistry) -> None:
    data = b"mounted " * 1000

    async def send(repository: Repository) -> None:
        await repository.send_blob(blob(data), parts(data))

    async def mount(repository: Repository) -> list[bool]:
        return [
            await repository.mount(Digest.of(data), "team/app"),
            await repository.mount(Digest.of(b"absent"), "team/app"),
        ]

    use(faulty.host, send)
    assert use(faulty.host, mount, name="team/other") == [True, False]
