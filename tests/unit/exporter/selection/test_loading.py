from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from exporter.selection.document_reader import DocumentReader
from exporter.selection.holdings import Holdings
from exporter.selection.loading import (
    Loading,
    descend_together,
    look_up_configs,
    platform_of,
    sort_documents,
)
from exporter.selection.roots import SavedRoot
from exporter.selection.scopes import WHOLE_STORE, InRepositories
from store.errors import TooLarge
from store.formats.image.config import ImageConfig
from store.model.digests import Digest
from store.model.limits import Limits
from store.model.references import Repository
from tests.support.images import A, B, config
from tests.support.layouts import Layout
from tests.support.saved_graphs import graph_of

if TYPE_CHECKING:
    from store import Store
    from store.model.contents import Sources


def read(sources: Sources) -> bytes:
    assert sources.inline is not None
    return sources.inline


def digests(*descriptors: dict[str, str]) -> list[Digest]:
    return [Digest.parse(one["digest"]) for one in descriptors]


def test_documents_below_an_index_are_read_without_absent_ones(store: Store) -> None:
    layout = Layout()
    image = layout.image(A)
    inner = layout.index(image)
    top = layout.root(layout.index(inner, layout.absent("linux/arm64")), "docker.io/library/app:1")
    other = layout.root(layout.image(B), "docker.io/library/other:1")
    store.import_archive(io.BytesIO(layout.tar()))
    with store.read() as connection:
        loading = Loading(Holdings(connection), DocumentReader(read))
        loading.descend(digests(top))
        assert set(loading.documents) == set(digests(top, inner, image))
        loading.descend(digests(other, top))
        assert loading.below(*digests(top)) == set(digests(top, inner, image))
        assert loading.below(*digests(layout.absent("linux/arm64"))) == set()


def test_documents_that_a_repository_does_not_hold_are_absent(store: Store) -> None:
    layout = Layout()
    image = layout.root(layout.image(A), "docker.io/library/app:1")
    store.import_archive(io.BytesIO(layout.tar()))
    with store.read() as connection:
        loading = Loading(
            Holdings(connection),
            DocumentReader(read),
            InRepositories((Repository("docker.io", "library/absent"),)),
        )
        loading.descend(digests(image))
        assert loading.documents == {}


def test_only_images_have_a_config_and_a_platform(store: Store) -> None:
    layout = Layout()
    image = layout.root(layout.image(A, platform="linux/arm/v7"), "docker.io/library/app:1")
    thing = layout.root(layout.artifact(b"thing"), "docker.io/library/thing:1")
    store.import_archive(io.BytesIO(layout.tar()))
    with store.read() as connection:
        loading = Loading(Holdings(connection), DocumentReader(read))
        loading.descend(digests(image, thing))
        found = [loading.platform(loading.documents[one]) for one in digests(image, thing)]
    assert [str(one) for one in found] == ["linux/arm/v7", "None"]


@pytest.mark.parametrize(("members", "want"), [({"os": ""}, "linux/amd64"), ({}, "linux/amd64")])
def test_an_image_without_an_operating_system_is_for_linux(
    members: dict[str, str], want: str
) -> None:
    assert str(platform_of(ImageConfig.parse(config(A, **members)))) == want


def test_documents_follow_those_they_point_at() -> None:
    layout = Layout()
    images = [layout.image(A), layout.image(B)]
    inner = layout.index(images[1])
    top = layout.index(images[0], inner)
    graph = graph_of(layout, (top, ()))
    found = list(sort_documents(dict(reversed(list(graph.documents.items()))), graph.roots))
    assert found == digests(images[0], images[1], inner, top)
    assert list(sort_documents(graph.documents, [SavedRoot(Digest.of(b"absent"))])) == found


def test_several_scopes_are_read_together_and_each_reads_only_its_own(store: Store) -> None:
    layout = Layout()
    image = layout.image(A)
    inner = layout.index(image)
    top = layout.root(layout.index(inner), "docker.io/library/app:1")
    other = layout.root(layout.image(B), "docker.io/library/other:1")
    store.import_archive(io.BytesIO(layout.tar()))
    with store.read() as connection:
        holdings, reader = Holdings(connection), DocumentReader(read)
        one, two = (
            Loading(holdings, reader, InRepositories((Repository("docker.io", f"library/{name}"),)))
            for name in ("app", "other")
        )
        descend_together([(one, digests(top, other)), (two, digests(other, top))])
        look_up_configs([one, two])
        assert set(one.documents) == set(digests(top, inner, image))
        assert set(two.documents) == set(digests(other))
        assert one.config(one.documents[digests(image)[0]]) is not None
        descend_together([])
        look_up_configs([])


def test_the_ceilings_hold_for_each_scope_alone(store: Store) -> None:
    layout = Layout()
    top = layout.root(layout.index(layout.image(A), layout.image(B)), "docker.io/library/app:1")
    store.import_archive(io.BytesIO(layout.tar()))
    app = InRepositories((Repository("docker.io", "library/app"),))
    for limits, fits in ((Limits(graph_nodes=3), True), (Limits(graph_nodes=2), False)):
        with store.read() as connection:
            holdings, reader = Holdings(connection), DocumentReader(read)
            # The other scopes read less than they may.
            loadings = [
                Loading(holdings, reader, app if at == 3 else WHOLE_STORE, limits=limits)
                for at in range(4)
            ]
            starts = [(one, digests(top) if at == 3 else []) for at, one in enumerate(loadings)]
            if fits:
                descend_together(starts)
                assert len(loadings[3].documents) == 3
            else:
                with pytest.raises(TooLarge):
                    descend_together(starts)


def test_the_walk_has_ceilings(store: Store) -> None:
    layout = Layout()
    image = layout.image(A)
    top = layout.root(layout.index(layout.index(image)), "docker.io/library/app:1")
    store.import_archive(io.BytesIO(layout.tar()))
    for limits, fits in (
        (Limits(graph_depth=3, graph_nodes=3), True),
        (Limits(graph_depth=2), False),
        (Limits(graph_nodes=2), False),
    ):
        with store.read() as connection:
            loading = Loading(Holdings(connection), DocumentReader(read), limits=limits)
            if fits:
                loading.descend(digests(top))
                assert len(loading.documents) == 3
                continue
            with pytest.raises(TooLarge):
                loading.descend(digests(top))
