"""The publication of a remote image: all of it with its names, or nothing."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from remote.errors import RegistryFailed
from remote.pulling.documents import DocumentReader
from remote.pulling.held import HeldContent
from remote.pulling.options import PullOptions
from remote.pulling.publishing import publish_image
from remote.pulling.transfer import Traffic, Transfers
from store.blobs.downloads import Downloads
from store.model.digests import Digest
from store.model.limits import DEFAULT_LIMITS
from store.model.progress import Silent
from tests.support.faulty_registry import Answer
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip
from tests.support.pulls import Pulls

if TYPE_CHECKING:
    from store import Store
    from store.importing.report import ImportReport
    from tests.support.pulls import Upstream


def publish(upstream: Upstream, pulls: Pulls, store: Store) -> ImportReport:
    name, held = upstream.name("team/app:1"), HeldContent(store)
    repository = pulls.repository(name.repository)
    image = pulls.loop.run(DocumentReader(repository, held, PullOptions()).read(name))
    transfers = Transfers(
        repository,
        pulls.loop,
        held,
        Downloads(store.root),
        threading.Semaphore(2),
        threading.Event(),
        Traffic(),
    )
    return publish_image(store, image, transfers, limits=DEFAULT_LIMITS, jobs=2, progress=Silent())


def test_an_image_is_published_once_all_of_it_is_here(upstream: Upstream, store: Store) -> None:
    layout = Layout()
    layout.root(layout.image(gzip(A), gzip(B)), "docker.io/team/app:1")
    upstream.serve(layout)
    upstream.registry.always(Answer(500), path=f"/blobs/{Digest.of(gzip(B).data)}")
    with Pulls(store, retries=0) as pulls, pytest.raises(RegistryFailed):
        publish(upstream, pulls, store)
    assert (store.names("", 9), store.images()) == ((), ())
    upstream.registry.clear()
    with Pulls(store) as pulls:
        report = publish(upstream, pulls, store)
    assert [str(tag.reference) for tag in report.tags] == [str(upstream.name("team/app:1"))]
    assert list(store.fsck()) == []
    assert Downloads(store.root).interrupted() == []
