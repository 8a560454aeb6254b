"""Fetches that readers follow: one for all readers, detached, and never a false last byte."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from remote.errors import BlobNotFound, FalseAnswer, RegistryError
from remote.http.settings import ClientSettings, RegistrySettings, SameSettings
from remote.registry.client import RegistryClient
from remote.through.fetches import Fetches, NowStored
from store.blobs.downloads import Downloads
from store.model.digests import Descriptor, Digest
from tests.support import tars
from tests.support.faulty_registry import Answer, CutAfter, Endless, HangAfter, Rewrite
from tests.support.layouts import Layout, gzip
from tests.support.pulls import Upstream
from tests.support.waiting import until_in_loop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from remote.registry.repository import Repository

BLOB = gzip(tars.member(b"large", random.Random(1).randbytes(3_000_000)) + tars.END).data
TARGET = Descriptor("application/octet-stream", Digest.of(BLOB), len(BLOB))
PATH = f"/blobs/{TARGET.digest}"


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Upstream]:
    layout = Layout()
    layout.root(
        layout.image(gzip(tars.member(b"large", random.Random(1).randbytes(3_000_000)) + tars.END)),
        "docker.io/team/app:1",
    )
    with Upstream(tmp_path) as running:
        running.serve(layout)
        yield running


@asynccontextmanager
async def connected(
    upstream: Upstream, retries: int = 3, idle_timeout_s: float = 60.0
) -> AsyncIterator[Repository]:
    async with RegistryClient(
        ClientSettings(retries=retries, idle_timeout_s=idle_timeout_s),
        registries=SameSettings(RegistrySettings(plain_http=True)),
    ) as client:
        yield client.repository(upstream.registry.host, "team/app")


async def read(fetches: Fetches, repository: Repository, start: int, stop: int) -> bytes:
    fetch = fetches.start(TARGET, repository, is_proven=False)
    return b"".join([piece async for piece in fetches.read(fetch, start, stop)])


def test_many_readers_cost_one_request(upstream: Upstream, tmp_path: Path) -> None:
    done: list[Digest] = []

    async def work() -> list[bytes]:
        async with connected(upstream) as repository:
            fetches = Fetches(Downloads(tmp_path), lambda fetch: done.append(fetch.target.digest))
            return await asyncio.gather(
                *(read(fetches, repository, 0, len(BLOB)) for _ in range(20)),
                read(fetches, repository, 1_000_000, 1_000_010),
                read(fetches, repository, len(BLOB) - 1, len(BLOB)),
            )

    *whole, middle, last = asyncio.run(work())
    assert set(whole) == {BLOB}
    assert (middle, last) == (BLOB[1_000_000:1_000_010], BLOB[-1:])
    assert upstream.registry.count("GET", PATH) == 1
    assert done == [TARGET.digest]
    # The file stays for an import, and its lock is released.
    (kept,) = Downloads(tmp_path).interrupted()
    assert (kept.digest, kept.size_bytes) == (TARGET.digest, len(BLOB))


def test_bytes_arrive_before_the_fetch_has_ended(upstream: Upstream, tmp_path: Path) -> None:
    upstream.registry.always(HangAfter(1_000_000), path=PATH)

    async def work() -> bytes:
        async with connected(upstream) as repository:
            fetches = Fetches(Downloads(tmp_path))
            async with asyncio.timeout(30):
                data = await read(fetches, repository, 500_000, 600_000)
            await fetches.close()
            return data

    assert asyncio.run(work()) == BLOB[500_000:600_000]
    # The next run continues.
    upstream.registry.clear()

    async def again() -> bytes:
        async with connected(upstream) as repository:
            return await read(Fetches(Downloads(tmp_path)), repository, 0, len(BLOB))

    assert asyncio.run(again()) == BLOB
    (request,) = upstream.registry.requests("GET", PATH)
    assert int(request.headers["Range"].removeprefix("bytes=").rstrip("-")) > 500_000


def test_a_fetch_goes_on_after_its_reader_has_left(upstream: Upstream, tmp_path: Path) -> None:
    async def work() -> bytes:
        async with connected(upstream) as repository:
            fetches = Fetches(Downloads(tmp_path))
            fetch = fetches.start(TARGET, repository, is_proven=False)
            async for _ in fetches.read(fetch, 0, len(BLOB)):
                break
            await fetch.ended.wait()
            return await read(fetches, repository, 0, len(BLOB))

    assert asyncio.run(work()) == BLOB
    assert upstream.registry.count("GET", PATH) == 1


def test_a_fault_that_passes_is_not_seen(upstream: Upstream, tmp_path: Path) -> None:
    upstream.registry.inject(CutAfter(1_000_000), path=PATH)

    async def work() -> bytes:
        async with connected(upstream) as repository:
            return await read(Fetches(Downloads(tmp_path)), repository, 0, len(BLOB))

    assert asyncio.run(work()) == BLOB


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Rewrite(flip=True), FalseAnswer),
        (Answer(200, {}, BLOB + b"more"), FalseAnswer),
        (Endless(), FalseAnswer),
        (Answer(404), RegistryError),
        (Answer(403), RegistryError),
    ],
    ids=["false bytes", "more bytes", "endless", "404", "403"],
)
def test_no_reader_gets_a_whole_false_blob(
    upstream: Upstream, tmp_path: Path, fault: Answer, error: type[Exception]
) -> None:
    upstream.registry.always(fault, path=PATH)
    got = bytearray()

    async def work() -> None:
        async with connected(upstream, retries=0) as repository:
            fetches = Fetches(Downloads(tmp_path))
            async for piece in fetches.read(
                fetches.start(TARGET, repository, is_proven=False), 0, len(BLOB)
            ):
                got.extend(piece)

    with pytest.raises(error):
        asyncio.run(work())
    assert len(got) < len(BLOB)
    assert Downloads(tmp_path).interrupted() == []


def test_the_file_of_another_process_is_followed_and_taken_over(
    upstream: Upstream, tmp_path: Path
) -> None:
    other = Downloads(tmp_path).open(TARGET.digest)
    assert other is not None
    other.file.write(BLOB[:1_000_000])

    async def work() -> tuple[bytes, bytes]:
        async with connected(upstream) as repository:
            fetches = Fetches(Downloads(tmp_path))
            first = await read(fetches, repository, 0, 900_000)
            assert upstream.registry.count("GET", PATH) == 0
            other.close()
            return first, await read(fetches, repository, 0, len(BLOB))

    first, whole = asyncio.run(work())
    assert (first, whole) == (BLOB[:900_000], BLOB)
    (request,) = upstream.registry.requests("GET", PATH)
    assert request.headers["Range"] == "bytes=1000000-"


def test_a_blob_that_is_stored_by_now_is_not_fetched(upstream: Upstream, tmp_path: Path) -> None:
    asked: list[Digest] = []

    async def is_stored(digest: Digest) -> bool:
        asked.append(digest)
        return True

    async def work() -> None:
        async with connected(upstream) as repository:
            fetches = Fetches(Downloads(tmp_path), is_stored=is_stored)
            with pytest.raises(NowStored):
                await read(fetches, repository, 0, len(BLOB))

    asyncio.run(work())
    assert asked == [TARGET.digest]
    assert upstream.registry.count("GET", PATH) == 0
    assert not list(Downloads(tmp_path).interrupted())


def test_a_blob_that_is_published_while_it_is_followed_reaches_its_readers(
    upstream: Upstream, tmp_path: Path
) -> None:
    downloads = Downloads(tmp_path)

    async def work() -> bytes:
        other = downloads.open(TARGET.digest)
        assert other is not None
        other.file.write(BLOB[:1_000_000])
        async with connected(upstream) as repository:
            fetches = Fetches(downloads)
            fetch = fetches.start(TARGET, repository, is_proven=False)
            reading = asyncio.create_task(read(fetches, repository, 0, len(BLOB)))
            await until_in_loop(lambda: fetch.available == 1_000_000)
            # The other process ends its fetch, and publishes the image: the name of the file goes.
            other.file.write(BLOB[1_000_000:])
            await until_in_loop(lambda: fetch.available >= len(BLOB) - 1)
            other.remove()
            return await reading

    assert asyncio.run(work()) == BLOB
    assert upstream.registry.count("GET", PATH) == 0


def test_a_whole_file_is_read_without_its_lock(upstream: Upstream, tmp_path: Path) -> None:
    downloads = Downloads(tmp_path)
    publication = downloads.open(TARGET.digest)
    assert publication is not None
    publication.file.write(BLOB)

    async def work() -> bytes:
        async with connected(upstream) as repository:
            return await read(Fetches(downloads), repository, 0, len(BLOB))

    assert asyncio.run(work()) == BLOB
    assert upstream.registry.count("GET", PATH) == 0
    publication.close()


def test_a_whole_file_with_wrong_bytes_is_fetched_again(upstream: Upstream, tmp_path: Path) -> None:
    downloads = Downloads(tmp_path)
    damaged = downloads.open(TARGET.digest)
    assert damaged is not None
    damaged.file.write(bytes(len(BLOB)))
    damaged.close()

    async def work() -> None:
        async with connected(upstream) as repository:
            with pytest.raises(FalseAnswer):
                await read(Fetches(downloads), repository, 0, len(BLOB))
            assert await read(Fetches(downloads), repository, 0, len(BLOB)) == BLOB

    asyncio.run(work())
    assert upstream.registry.count("GET", PATH) == 1


@pytest.mark.parametrize("size", [1000, len(BLOB)])
@pytest.mark.parametrize("is_proven", [True, False])
def test_bytes_of_another_repository_are_given_if_the_registry_has_the_blob(
    upstream: Upstream, tmp_path: Path, size: int, *, is_proven: bool
) -> None:
    downloads = Downloads(tmp_path)
    download = downloads.open(TARGET.digest)
    assert download is not None
    download.file.write(BLOB[:size])
    download.close()
    upstream.registry.always(Answer(404), method="HEAD", path=PATH)

    async def work() -> bytes:
        async with connected(upstream) as repository:
            fetches = Fetches(downloads)
            fetch = fetches.start(TARGET, repository, is_proven=is_proven)
            return b"".join([piece async for piece in fetches.read(fetch, 0, len(BLOB))])

    if is_proven:
        assert asyncio.run(work()) == BLOB
    else:
        with pytest.raises(BlobNotFound):
            asyncio.run(work())
