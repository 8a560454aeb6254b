"""Names and platforms beside those that a registry lacks."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from store.model.digests import Digest
from store.model.references import Repository
from store.registry.nearby import platforms_beside, repositories_beside, tags_beside
from tests.support.images import A, B, E
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    from store import Store

APP = Repository("docker.io", "team/app")


def fill(store: Store, *names: str) -> None:
    layout = Layout()
    image = layout.image(gzip(A))
    for name in names:
        layout.root(image, name)
    store.import_archive(io.BytesIO(layout.tar()))


@pytest.mark.parametrize(
    ("tag", "near"),
    [
        ("1.4.9", ["1.4.1", "1.4.2", "1.3"]),
        ("2.1", ["2.0", "1.3", "1.4.1"]),
        ("latest", ["1.3", "1.4.1", "1.4.2"]),
    ],
)
def test_tags_with_the_same_beginning_come_first(store: Store, tag: str, near: list[str]) -> None:
    fill(store, *(f"docker.io/team/app:{one}" for one in ("1.3", "1.4.1", "1.4.2", "2.0")))
    assert tags_beside(store, APP, tag) == near


def test_a_repository_without_tags_has_none_beside(store: Store) -> None:
    fill(store, "docker.io/team/other:1")
    assert tags_beside(store, APP, "1") == []


def test_repositories_with_a_similar_last_part_are_named_if_they_are_visible(store: Store) -> None:
    fill(
        store,
        *(f"{one}:1" for one in ("docker.io/library/app", "quay.io/own/apps", "quay.io/own/ax")),
    )
    own, library = Repository("quay.io", "own/apps"), Repository("docker.io", "library/app")
    assert repositories_beside(store, APP, lambda _: True) == [library, own]
    assert repositories_beside(store, APP, lambda one: one == own) == [own]
    assert repositories_beside(store, Repository("quay.io", "zoo"), lambda _: True) == []


def test_the_platforms_of_an_index_are_those_of_its_stored_images(store: Store) -> None:
    layout = Layout()
    stored = [
        layout.image(gzip(data), platform=platform)
        for data, platform in ((A, "linux/amd64"), (B, "linux/arm/v7"))
    ]
    missing = layout.absent("linux/s390x")
    index = layout.index(*stored, layout.attestation(stored[0]), missing)
    layout.root(index, "docker.io/team/app:1")
    # An image of another index is not near.
    layout.root(layout.index(layout.image(gzip(E), platform="linux/386")), "docker.io/team/app:2")
    store.import_archive(io.BytesIO(layout.tar()))
    digest = Digest.parse(missing["digest"])
    assert platforms_beside(store, APP, digest) == ["linux/amd64", "linux/arm/v7"]
    assert platforms_beside(store, Repository("docker.io", "team/other"), digest) == []
    assert platforms_beside(store, APP, Digest.of(b"unknown")) == []
