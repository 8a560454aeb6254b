from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from exporter.selection.holdings import Holdings
from exporter.selection.scopes import (
    WHOLE_STORE,
    InRepositories,
    Readable,
    Scope,
    scope_of,
    usable_foreign_layers,
    usable_sources,
)
from store.catalog import foreign_layers, images
from store.formats.distribution.names import BY_ID
from store.model.digests import Digest
from store.model.references import Repository
from store.registry.registry import Registry
from tests.support.images import A, B
from tests.support.layouts import MANIFEST, Layout, foreign, gzip
from tests.support.registry_pushes import APP, OTHER, push_blob, push_image
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from collections.abc import Iterable

    from store import Store

MINE, THEIRS, LOOSE, ABSENT = (Digest.of(data) for data in (b"mine", b"theirs", B, b"absent"))
EVERY = (MINE, THEIRS, LOOSE, ABSENT)


@pytest.fixture
def registry(store: Store) -> Registry:
    return Registry(store)


@pytest.fixture
def filled(store: Store, registry: Registry) -> Store:
    """Fill a store: blobs in two repositories, and an image without a name."""
    push_blob(registry, b"mine")
    push_blob(registry, b"theirs", OTHER)
    put_image(store, B)
    return store


def readable(*names: Repository) -> Readable:
    return Readable(lambda name: name in names)


@pytest.mark.parametrize(
    ("scope", "want"),
    [
        (WHOLE_STORE, {MINE, THEIRS, LOOSE}),
        (InRepositories((APP,)), {MINE}),
        (InRepositories((APP, OTHER)), {MINE, THEIRS}),
        (InRepositories((Repository.parse("unknown"),)), set()),
        (readable(OTHER), {THEIRS}),
        (readable(APP, BY_ID), {MINE, LOOSE}),
        (readable(), set()),
    ],
)
def test_a_scope_has_the_content_of_its_repositories(
    scope: Scope, want: Iterable[Digest], filled: Store
) -> None:
    with filled.read() as connection:
        assert scope.held(Holdings(connection), EVERY) == want
        assert usable_sources(Holdings(connection), scope, EVERY).keys() == want


def test_each_repository_is_asked_about_once(filled: Store, registry: Registry) -> None:
    push_blob(registry, b"more")
    asked: list[Repository] = []

    def may_read(name: Repository) -> bool:
        asked.append(name)
        return True

    with filled.read() as connection:
        Readable(may_read).held(Holdings(connection), (*EVERY, Digest.of(b"more")))
    assert sorted(asked, key=str) == sorted((APP, OTHER, BY_ID), key=str)


def test_a_name_stands_for_its_repository_and_an_id_for_what_is_readable() -> None:
    def may_read(_: Repository) -> bool:
        return False

    assert scope_of((APP,), None) == scope_of((APP,), may_read) == InRepositories((APP,))
    assert scope_of((), None) is WHOLE_STORE
    assert scope_of((), may_read) == Readable(may_read)


def test_a_repository_is_in_a_scope_as_a_whole() -> None:
    for scope in (WHOLE_STORE, InRepositories((APP,)), readable(APP)):
        assert scope.includes(APP)
    for scope in (InRepositories((APP,)), readable(APP)):
        assert not scope.includes(OTHER)


def test_foreign_layers_are_named_only_to_those_who_have_them(
    store: Store, registry: Registry
) -> None:
    layout = Layout()
    layout.root(layout.image(foreign(gzip(A), "https://example.org/a")), "docker.io/team/far:1")
    store.import_archive(io.BytesIO(layout.tar()))
    push_image(registry, (A, A))
    far = InRepositories((Repository("docker.io", "team/far"),))
    image_id = store.inspect("docker.io/team/far:1").image_id
    with store.read() as connection:
        (key,) = images.keys_of(connection, (image_id,)).values()
        listed = foreign_layers.foreign_sources(connection, (key,))
        for scope, want in (
            (WHOLE_STORE, {Digest.of(A)}),
            (far, {Digest.of(A)}),
            (InRepositories((APP,)), {Digest.of(A)}),
            (InRepositories((OTHER,)), set()),
        ):
            found = usable_foreign_layers(Holdings(connection), scope, listed)
            assert set(found[key]) == want


def test_manifests_in_a_scope_have_a_media_type(store: Store, registry: Registry) -> None:
    _, digest = push_image(registry, (A, A))
    wanted = (digest, Digest.of(A), ABSENT)
    with store.read() as connection:
        for scope in (WHOLE_STORE, InRepositories((APP,)), readable(APP)):
            assert scope.manifests(Holdings(connection), wanted) == {digest: MANIFEST}
        for scope in (InRepositories((OTHER,)), readable(OTHER)):
            assert scope.manifests(Holdings(connection), wanted) == {}
