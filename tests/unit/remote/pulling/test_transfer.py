"""Blobs on bad days: every fault ends in a complete image, or in one error and no image."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

import pytest

from remote.errors import (
    BlobNotFound,
    FalseAnswer,
    RegistryError,
    RegistryFailed,
    Unreachable,
)
from remote.pulling.transfer import PIECE_BYTES
from store.blobs.downloads import Downloads
from store.errors import StoreError
from store.model.digests import Digest
from tests.support import tars
from tests.support.faulty_registry import (
    Answer,
    CutAfter,
    Endless,
    Garbage,
    HangAfter,
    Rewrite,
)
from tests.support.images import A
from tests.support.layouts import Layout, gzip
from tests.support.pulls import Pulls
from tests.support.waiting import until

if TYPE_CHECKING:
    from store import Store
    from tests.support.faulty_registry import Action
    from tests.support.pulls import Upstream

LAYER = tars.member(b"large", random.Random(1).randbytes(3_000_000)) + tars.END
BLOB = gzip(LAYER).data
DIGEST = Digest.of(BLOB)
PATH = f"/blobs/{DIGEST}"


@pytest.fixture(autouse=True)
def _served(upstream: Upstream) -> None:
    layout = Layout()
    layout.root(layout.image(gzip(LAYER), gzip(A)), "docker.io/team/app:1")
    upstream.serve(layout)


@pytest.mark.parametrize(
    ("fault", "fetched"),
    [
        (CutAfter(1_000_000), len(BLOB)),
        (CutAfter(0), len(BLOB)),
        (Answer(503), len(BLOB)),
        (Answer(429, {"Retry-After": "1"}), len(BLOB)),
    ],
    ids=["cut", "cut at once", "503", "429"],
)
def test_a_fault_that_passes_costs_no_byte_twice(
    upstream: Upstream, pulls: Pulls, store: Store, fault: Action, fetched: int
) -> None:
    upstream.registry.inject(fault, path=PATH)
    outcome = pulls.pull(upstream.name("team/app:1"))
    assert upstream.registry.count("GET", PATH) == 2
    assert outcome.fetched_bytes == fetched + len(gzip(A).data)
    assert list(store.fsck()) == []


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Rewrite(flip=True), FalseAnswer),
        (Rewrite({"Content-Length": str(len(BLOB) + 1)}), StoreError),
        (Rewrite({"Content-Length": str(len(BLOB) - 1)}), StoreError),
        (Answer(200, body=BLOB[:-1]), StoreError),
        (Answer(200, body=BLOB + b"x"), FalseAnswer),
        (Endless(), FalseAnswer),
        (Answer(404), BlobNotFound),
        (Answer(401), RegistryError),
        (Answer(403), RegistryError),
        (Answer(500), RegistryFailed),
        (Answer(307, {"Location": "http://{host}/v2/team/app" + PATH}), RegistryError),
        (Garbage(), StoreError),
    ],
    ids=[
        "wrong bytes",
        "length too large",
        "length too small",
        "short",
        "long",
        "endless",
        "404",
        "401",
        "403",
        "500",
        "redirect loop",
        "garbage",
    ],
)
def test_a_fault_that_stays_ends_in_one_error_and_no_image(
    upstream: Upstream, store: Store, fault: Action, error: type[StoreError]
) -> None:
    upstream.registry.always(fault, path=PATH)
    with Pulls(store, retries=1) as pulls, pytest.raises(error) as caught:
        pulls.pull(upstream.name("team/app:1"))
    assert upstream.registry.host in caught.value.message
    assert "team/app" in caught.value.message
    assert "\n" not in caught.value.message
    assert (store.images(), store.manifests()) == ((), ())
    assert list(store.fsck()) == []
    # When the registry is well again, the same pull succeeds.
    upstream.registry.clear()
    with Pulls(store) as pulls:
        pulls.pull(upstream.name("team/app:1"))
    assert list(store.fsck()) == []
    assert Downloads(store.root).interrupted() == []


def test_wrong_bytes_of_an_interrupted_download_are_fetched_again(
    upstream: Upstream, pulls: Pulls, store: Store
) -> None:
    download = Downloads(store.root).open(DIGEST)
    assert download is not None
    # A power cut may leave zeros where bytes were not synced.
    download.file.write(BLOB[:1000] + bytes(5000))
    download.close()
    outcome = pulls.pull(upstream.name("team/app:1"))
    assert outcome.resumed_bytes == 6000
    assert outcome.fetched_bytes == 2 * len(BLOB) - 6000 + len(gzip(A).data)
    assert list(store.fsck()) == []


@pytest.mark.parametrize("extra", [0, 1])
def test_a_complete_download_is_not_asked_for(
    upstream: Upstream, pulls: Pulls, store: Store, extra: int
) -> None:
    download = Downloads(store.root).open(DIGEST)
    assert download is not None
    download.file.write(BLOB + bytes(extra))
    download.close()
    pulls.pull(upstream.name("team/app:1"))
    assert upstream.registry.count("GET", PATH) == extra
    assert list(store.fsck()) == []


def test_a_registry_without_ranges_sends_the_bytes_again(
    upstream: Upstream, pulls: Pulls, store: Store
) -> None:
    download = Downloads(store.root).open(DIGEST)
    assert download is not None
    download.file.write(BLOB[: PIECE_BYTES + 7])
    download.close()
    upstream.registry.always(Answer(200, body=BLOB), path=PATH)
    outcome = pulls.pull(upstream.name("team/app:1"))
    assert (outcome.resumed_bytes, upstream.registry.count("GET", PATH)) == (PIECE_BYTES + 7, 1)
    assert list(store.fsck()) == []


def test_another_download_of_the_blob_is_followed(upstream: Upstream, store: Store) -> None:
    name = upstream.name("team/app:1")
    download = Downloads(store.root).open(DIGEST)
    assert download is not None
    download.file.write(BLOB[:1_000_000])
    found = []
    with Pulls(store) as pulls:
        thread = threading.Thread(target=lambda: found.append(pulls.pull(name)))
        thread.start()
        until(lambda: upstream.registry.count("GET", "/blobs/") == 2)
        download.file.write(BLOB[1_000_000:])
        thread.join()
    download.close()
    assert (found[0].fetched_blobs, upstream.registry.count("GET", PATH)) == (1, 0)
    assert list(store.fsck()) == []


def test_a_download_that_another_process_gave_up_is_continued(
    upstream: Upstream, store: Store
) -> None:
    name = upstream.name("team/app:1")
    download = Downloads(store.root).open(DIGEST)
    assert download is not None
    download.file.write(BLOB[:1_000_000])
    found = []
    with Pulls(store) as pulls:
        thread = threading.Thread(target=lambda: found.append(pulls.pull(name)))
        thread.start()
        until(lambda: upstream.registry.count("GET", "/blobs/") == 2)
        download.close()
        thread.join()
    (request,) = upstream.registry.requests("GET", PATH)
    assert request.headers["Range"] == "bytes=1000000-"
    assert list(store.fsck()) == []


def test_two_pulls_of_one_image_fetch_each_blob_once(upstream: Upstream, store: Store) -> None:
    name = upstream.name("team/app:1")
    with Pulls(store) as first, Pulls(store) as second:
        threads = [threading.Thread(target=one.pull, args=(name,)) for one in (first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert upstream.registry.count("GET", PATH) == 1
    assert len(store.images()) == 1
    assert list(store.fsck()) == []


def test_a_silent_registry_is_given_up(upstream: Upstream, store: Store) -> None:
    upstream.registry.always(HangAfter(1_000_000), path=PATH)
    with Pulls(store, retries=0, idle_timeout_s=0.2) as pulls, pytest.raises(Unreachable):
        pulls.pull(upstream.name("team/app:1"))
    (kept,) = [one for one in Downloads(store.root).interrupted() if one.digest == DIGEST]
    assert kept.size_bytes == 1_000_000
