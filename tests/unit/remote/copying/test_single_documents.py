"""Single documents are fetched without the rest of their image; mirrors are asked first."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from remote.copying.single_documents import (
    MAX_CONFIG_BYTES,
    fetch_root,
    first_answer,
    first_meaning,
    read_config,
)
from remote.errors import ManifestNotFound, RegistryFailed
from remote.pushing.choice import Choice
from remote.pushing.stored_image import open_stored
from remote.registry.values import Tag
from store.errors import DamagedContent, InvalidInput, TooLarge
from store.formats.image.manifests import Document
from store.model.digests import Digest
from store.model.platforms import Platform
from tests.support.layouts import Layout
from tests.support.sent_images import NAME, import_index

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remote.pushing.sources import BlobSource
    from remote.registry.repository import Repository
    from store import Store
    from tests.support.other_registry import OtherRegistry

ARM64 = Platform.parse("linux/arm64")


def test_the_index_or_one_of_its_images_is_fetched(registry: OtherRegistry) -> None:
    layout = import_index(registry.store)
    repository = registry.repository("team/app")

    index = registry.run(lambda: fetch_root(repository, Tag("1"), None))
    image = registry.run(lambda: fetch_root(repository, Tag("1"), ARM64))

    assert index.data == layout.blobs[layout.roots[0]["digest"]]
    assert image.digest in {link.digest for link in index.children if link.made_for == ARM64}
    assert image.data == layout.blobs[str(image.digest)]


def test_the_config_is_read_and_checked(store: Store) -> None:
    layout = import_index(store)
    with open_stored(store, NAME, Choice((ARM64,)), jobs=1) as image:
        config = asyncio.run(read_config("app", image.root, image.source))
        assert config in layout.blobs.values()
        assert b'"arm64"' in config


def test_a_damaged_config_is_an_error(store: Store) -> None:
    class Damaged:
        async def require(self, blobs: Sequence[object]) -> None:
            raise DamagedContent(f"{len(blobs)} is damaged", digest=Digest.of(b""))

    import_index(store)
    with (
        open_stored(store, NAME, Choice((ARM64,)), jobs=1) as image,
        pytest.raises(DamagedContent),
    ):
        asyncio.run(read_config("app", image.root, cast("BlobSource", Damaged())))


def test_an_index_has_no_config_and_a_config_has_a_ceiling() -> None:
    layout = Layout()
    index = layout.blobs[layout.index()["digest"]]
    with pytest.raises(InvalidInput, match="index has no config"):
        asyncio.run(read_config("app", Document.parse(index), cast("BlobSource", None)))
    size = str(MAX_CONFIG_BYTES + 1).encode()
    large = (
        b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":'
        b'{"mediaType":"application/vnd.oci.image.config.v1+json","size":' + size + b","
        b'"digest":"sha256:' + b"a" * 64 + b'"},"layers":[]}'
    )
    with pytest.raises(TooLarge):
        asyncio.run(read_config("app", Document.parse(large), cast("BlobSource", None)))


def failing(text: str) -> RegistryFailed:
    return RegistryFailed(text, registry="r.example", repository="a")


def test_mirrors_are_asked_first_and_the_registry_has_the_last_word() -> None:
    asked: list[str] = []
    places = cast("Sequence[Repository]", ["mirror", "other", "registry"])

    async def second(place: Repository) -> str:
        asked.append(str(place))
        if str(place) == "mirror":
            raise failing("the mirror is down")
        return str(place)

    async def none(place: Repository) -> str:
        raise failing(str(place))

    assert asyncio.run(first_answer(places, second)) == "other"
    assert asked == ["mirror", "other"]
    with pytest.raises(RegistryFailed, match=r"^registry$"):
        asyncio.run(first_answer(places, none))


def test_the_first_image_of_a_short_name_that_exists_is_used() -> None:
    meanings = cast("Sequence[Sequence[Repository]]", [["one"], ["two"]])

    async def only(number: int, place: Repository) -> str:
        if str(place) != "two":
            raise ManifestNotFound(str(place), registry="r.example", repository="a")
        return f"{number}: {place}"

    async def none(number: int, place: Repository) -> str:
        raise ManifestNotFound(f"{number}: {place}", registry="r.example", repository="a")

    assert asyncio.run(first_meaning(meanings, only)) == "1: two"
    with pytest.raises(ManifestNotFound, match=r"^0: one$"):
        asyncio.run(first_meaning(meanings, none))
