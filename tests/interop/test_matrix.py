"""storectl imports every peer's formats, and every peer loads every format of storectl.

docs/interop.md records this run.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.engine import require
from tests.support.peers.consumers import CONSUMERS
from tests.support.peers.crane import PROGRAM as CRANE
from tests.support.peers.matrix import ATTACHED, FORMATS, FROM_DOCKER, Matrix
from tests.support.peers.process import PeerRefusal
from tests.support.peers.producers import PRODUCERS
from tests.support.peers.report import render, without_versions
from tests.support.peers.subjects import subjects
from tests.support.peers.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.peers.consumers import Consumer
    from tests.support.peers.producers import Producer

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("matrix")]
DOCUMENT = Path(__file__).parents[2] / "docs" / "interop.md"
SUBJECTS = [one.key for one in subjects()]


@pytest.fixture(scope="module")
def matrix() -> Iterator[Matrix]:
    """Start one set of peers for all cells."""
    require(
        "dockerd",
        "skopeo",
        "podman",
        "buildah",
        "umoci",
        "containerd",
        "ctr",
        "docker-registry",
        CRANE,
    )
    with Workshop() as shop:
        yield Matrix(shop)


@pytest.mark.parametrize("producer", PRODUCERS, ids=lambda one: one.command)
def test_archives_of_peers_are_imported_unchanged(matrix: Matrix, producer: Producer) -> None:
    for key in SUBJECTS:
        matrix.produced(producer, key)


@pytest.mark.parametrize("consumer", CONSUMERS, ids=lambda one: one.command)
def test_saved_archives_arrive_unchanged(matrix: Matrix, consumer: Consumer) -> None:
    for key in (FROM_DOCKER, *SUBJECTS, ATTACHED):
        for form in FORMATS:
            matrix.consumed(consumer, key, form)


def test_skopeo_refuses_dockers_own_archive_of_two_images_like_ours(matrix: Matrix) -> None:
    shop = matrix.shop
    parts = shop.subjects["images"].parts
    (producer,) = (one for one in PRODUCERS if one.peer == "Docker")
    archive = producer.make(shop, parts, shop.fresh("saved.tar")).path
    ours = matrix.consumed(
        next(one for one in CONSUMERS if one.command == "skopeo copy --all docker-archive:"),
        "images",
        "legacy",
    )
    with pytest.raises(PeerRefusal) as refusal:
        for part in parts:
            shop.skopeo.copy(f"docker-archive:{archive}:{part.name}", f"dir:{shop.fresh('copied')}")
    assert refusal.value.message in str(ours)


def test_the_document_records_this_run(matrix: Matrix) -> None:
    """`make interop-table` writes the document."""
    assert without_versions(DOCUMENT.read_text(encoding="utf-8")) == without_versions(
        render(matrix)
    )
