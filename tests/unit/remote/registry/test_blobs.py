from __future__ import annotations

import hashlib
import itertools
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from remote.errors import (
    BlobNotFound,
    FalseAnswer,
    InvalidAnswer,
    RegistryError,
    RegistryFailed,
    Unreachable,
)
from remote.http.large_bodies import MIN_BYTES, PIECE_BYTES
from remote.http.settings import Timing
from store.model.digests import Descriptor, Digest
from tests.support.faulty_registry import (
    Answer,
    CutAfter,
    Drip,
    Endless,
    FaultyRegistry,
    HangAfter,
    LoseAnswer,
    Rewrite,
)
from tests.support.remote_client import NAME, Pauses, blob, parts, read, use

if TYPE_CHECKING:
    from remote.registry.repository import Repository
    from tests.support.mirror_in_process import InProcessMirror

DATA = b"".join(number.to_bytes(4, "big") for number in range(100_000))
LARGE = hashlib.shake_128(b"large").digest(MIN_BYTES + 2 * PIECE_BYTES + 1)
BLOBS = "/blobs/sha256"
SLOW: dict[str, Any] = {"least_bytes_s": 1000, "least_window_s": 1.0}


@pytest.fixture(scope="module", autouse=True)
def _content(upstream: InProcessMirror) -> None:
    async def send(repository: Repository) -> None:
        for data in (DATA, LARGE):
            await repository.send_blob(blob(data), parts(data))

    use(f"127.0.0.1:{upstream.port}", send)


def test_a_blob_is_read_from_any_offset(faulty: FaultyRegistry) -> None:
    for offset in (0, 1, len(DATA) - 1):
        assert use(faulty.host, partial(read, data=DATA, offset=offset)) == (offset, DATA[offset:])
    faulty.clear()
    assert use(faulty.host, lambda it: read(it, DATA, len(DATA))) == (len(DATA), b"")
    assert faulty.seen == []


@pytest.mark.parametrize("cuts", [1, 3])
def test_a_cut_body_goes_on_where_it_stopped(cuts: int, faulty: FaultyRegistry) -> None:
    faulty.inject(CutAfter(100_000), path=BLOBS, times=cuts)
    pauses = Pauses()
    assert use(faulty.host, lambda it: read(it, DATA), pauses=pauses) == (0, DATA)
    ranges = [one.headers.get("Range", "") for one in faulty.requests("GET", BLOBS)]
    assert ranges == ["", *(f"bytes={100_000 * cut}-" for cut in range(1, cuts + 1))]
    # Each attempt made progress, so the pauses do not grow.
    assert pauses.slept == [0.5] * cuts


def ticking() -> Timing:
    """Return a clock by which each piece of a body takes a tenth of a second."""
    pauses = Pauses()
    return replace(pauses.timing, monotonic=itertools.count(0.0, 0.1).__next__)


@pytest.mark.parametrize("data", [DATA, LARGE])
def test_a_body_that_is_too_slow_goes_on_where_it_stopped(
    data: bytes, faulty: FaultyRegistry
) -> None:
    faulty.inject(Drip(0.01), path=BLOBS)
    assert use(faulty.host, lambda it: read(it, data), timing=ticking(), **SLOW) == (0, data)
    first, second = (one.headers.get("Range", "") for one in faulty.requests("GET", BLOBS))
    assert first == ""
    # What has arrived is not fetched again.
    assert 0 < int(second.removeprefix("bytes=").removesuffix("-")) < 1000


def test_a_registry_that_is_always_too_slow_fails(faulty: FaultyRegistry) -> None:
    faulty.always(Drip(0.01), path=BLOBS)
    with pytest.raises(Unreachable, match="sends fewer than 1000 bytes a second, for 1 s"):
        use(faulty.host, lambda it: read(it, DATA), retries=2, timing=ticking(), **SLOW)
    # The few bytes of each body do not allow more retries.
    assert faulty.count("GET", BLOBS) == 3


def test_a_slow_body_that_is_whole_is_not_asked_for_again(
    upstream: InProcessMirror, faulty: FaultyRegistry
) -> None:
    data = b"1234567890"

    async def send(repository: Repository) -> None:
        await repository.send_blob(blob(data), parts(data))

    use(f"127.0.0.1:{upstream.port}", send)
    faulty.always(Drip(0.05), path=BLOBS)
    # The last byte ends the first window.
    slow: dict[str, Any] = {"least_bytes_s": 1000, "least_window_s": 0.1 * len(data) - 0.05}
    assert use(faulty.host, lambda it: read(it, data), timing=ticking(), **slow) == (0, data)
    assert faulty.count("GET", BLOBS) == 1


def test_slow_bodies_with_progress_between_them_are_not_counted_together(
    faulty: FaultyRegistry,
) -> None:
    for _ in range(3):
        faulty.inject(Drip(0.01), path=BLOBS)
        faulty.inject(CutAfter(50_000), path=BLOBS)
    read_all = partial(read, data=DATA)
    assert use(faulty.host, read_all, retries=1, timing=ticking(), **SLOW) == (0, DATA)
    assert faulty.count("GET", BLOBS) == 7


def test_a_limit_of_the_rate_makes_no_registry_slow(faulty: FaultyRegistry) -> None:
    now = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    timing = Timing(monotonic=lambda: now, sleep=sleep)
    settings: dict[str, Any] = {
        "least_bytes_s": 10_000,
        "least_window_s": 1.0,
        "rate_bytes_s": 1000,
    }
    assert use(faulty.host, lambda it: read(it, DATA), timing=timing, **settings) == (0, DATA)
    assert now > len(DATA) / 1000 - 1
    assert faulty.count("GET", BLOBS) == 1


def test_a_large_body_goes_on_where_it_stopped(faulty: FaultyRegistry) -> None:
    # The second body begins as a large one, too.
    cut = PIECE_BYTES + 1000
    faulty.inject(CutAfter(cut), path=BLOBS)
    assert use(faulty.host, lambda it: read(it, LARGE)) == (0, LARGE)
    ranges = [one.headers.get("Range", "") for one in faulty.requests("GET", BLOBS)]
    assert ranges == ["", f"bytes={cut}-"]


def test_a_large_body_of_a_silent_registry_goes_on_where_it_stopped(
    faulty: FaultyRegistry,
) -> None:
    faulty.inject(HangAfter(PIECE_BYTES), path=BLOBS)
    assert use(faulty.host, lambda it: read(it, LARGE), idle_timeout_s=0.5) == (0, LARGE)


def test_a_limit_of_the_rate_counts_large_bodies(faulty: FaultyRegistry) -> None:
    pauses = Pauses()
    read_all = partial(read, data=LARGE)
    assert use(faulty.host, read_all, pauses=pauses, rate_bytes_s=len(LARGE)) == (0, LARGE)
    assert sum(pauses.slept) > 0.5


def test_a_registry_without_ranges_sends_the_whole_blob_again(faulty: FaultyRegistry) -> None:
    faulty.inject(CutAfter(100_000), path=BLOBS)
    faulty.inject(Answer(200, {}, DATA), path=BLOBS)
    assert use(faulty.host, lambda it: read(it, DATA)) == (0, DATA)
    assert use(faulty.host, lambda it: read(it, DATA, 7)) == (7, DATA[7:])
    faulty.inject(Answer(200, {}, DATA), path=BLOBS)
    assert use(faulty.host, lambda it: read(it, DATA, 7)) == (0, DATA)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(206, {"Content-Range": f"bytes 9-{len(DATA) - 1}/{len(DATA)}"}, DATA[9:]),
        Answer(206, {"Content-Range": "bytes */*"}, DATA[7:]),
        Answer(206, {}, DATA[7:]),
        Answer(416, {"Content-Range": f"bytes */{len(DATA)}"}),
    ],
)
def test_a_wrong_range_is_not_used(answer: Answer, faulty: FaultyRegistry) -> None:
    faulty.inject(answer, path=BLOBS)
    assert use(faulty.host, lambda it: read(it, DATA, 7)) == (0, DATA)
    assert faulty.count("GET", BLOBS) == 2


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(200, {}, DATA[:-1]), "announces 399999"),
        (Answer(200, {}, DATA + b"x"), "announces 400001"),
        (Endless(), "sends more than the 400000 bytes"),
        (Endless({"Content-Type": "application/octet-stream"}), "sends more"),
    ],
)
def test_a_wrong_length_is_an_error(
    answer: Answer | Endless, reason: str, faulty: FaultyRegistry
) -> None:
    faulty.always(answer, path=BLOBS)
    with pytest.raises(FalseAnswer, match=reason) as raised:
        use(faulty.host, lambda it: read(it, DATA))
    assert (raised.value.registry, raised.value.repository) == (faulty.host, NAME)
    assert str(Digest.of(DATA)) in raised.value.message
    assert faulty.count(path=BLOBS) == 1


def test_a_range_of_a_blob_of_another_size_is_an_error(faulty: FaultyRegistry) -> None:
    faulty.inject(Answer(206, {"Content-Range": "bytes 7-99/100"}, bytes(93)), path=BLOBS)
    with pytest.raises(FalseAnswer, match="announces 100"):
        use(faulty.host, lambda it: read(it, DATA, 7))


def test_cuts_without_progress_end(faulty: FaultyRegistry) -> None:
    faulty.always(CutAfter(0), path=BLOBS)
    with pytest.raises(RegistryFailed, match="ended the connection"):
        use(faulty.host, lambda it: read(it, DATA), retries=2)
    assert faulty.count(path=BLOBS) == 3


def test_lost_answers_are_asked_for_again(faulty: FaultyRegistry) -> None:
    faulty.inject(LoseAnswer(), path=BLOBS, times=2)
    assert use(faulty.host, lambda it: read(it, DATA)) == (0, DATA)


def test_a_silent_body_is_asked_for_again(faulty: FaultyRegistry) -> None:
    faulty.inject(HangAfter(1000), path=BLOBS)
    assert use(faulty.host, lambda it: read(it, DATA), idle_timeout_s=0.2) == (0, DATA)
    faulty.always(HangAfter(0), path=BLOBS)
    with pytest.raises(Unreachable, match="did not answer in time"):
        use(faulty.host, lambda it: read(it, DATA), idle_timeout_s=0.1, retries=1)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_faults_in_the_middle_are_passed(status: int, faulty: FaultyRegistry) -> None:
    faulty.inject(CutAfter(1000), path=BLOBS)
    faulty.inject(Answer(status), path=BLOBS)
    assert use(faulty.host, lambda it: read(it, DATA)) == (0, DATA)


def test_a_redirected_blob_is_read_from_there(
    faulty: FaultyRegistry, scripted: FaultyRegistry
) -> None:
    target = f"http://{scripted.host}/cdn/blob?signature=x"
    faulty.always(Answer(307, {"Location": target}), path=BLOBS)
    scripted.inject(Answer(200, {"Content-Length": str(len(DATA))}, DATA[:5000]), path="/cdn")
    scripted.inject(
        Answer(206, {"Content-Range": f"bytes 5000-399999/{len(DATA)}"}, DATA[5000:]), path="/cdn"
    )

    async def run(repository: Repository) -> bytes:
        return (await read(repository, DATA))[1]

    # The first answer announces more bytes than it has, and the server then says nothing.
    assert use(faulty.host, run, idle_timeout_s=0.3) == DATA
    assert [one.headers.get("Range") for one in scripted.seen] == [None, "bytes=5000-"]
    assert faulty.count("GET", BLOBS) == 2


def test_a_blob_that_is_not_there(faulty: FaultyRegistry) -> None:
    absent = b"absent"
    with pytest.raises(BlobNotFound, match="BLOB_UNKNOWN"):
        use(faulty.host, lambda it: read(it, absent))
    assert use(faulty.host, lambda it: it.blob_size(Digest.of(absent))) is None


def test_sizes(faulty: FaultyRegistry) -> None:
    digest = Digest.of(DATA)
    assert use(faulty.host, lambda it: it.blob_size(digest)) == len(DATA)
    faulty.inject(Rewrite({"Content-Length": None}), method="HEAD")
    assert use(faulty.host, lambda it: it.blob_size(digest)) == len(DATA)
    faulty.inject(Rewrite({"Content-Length": None}), method="HEAD")
    faulty.inject(Endless(), method="GET")
    with pytest.raises(InvalidAnswer, match="does not state the blob's size"):
        use(faulty.host, lambda it: it.blob_size(digest))


def test_the_smallest_blob(faulty: FaultyRegistry) -> None:
    async def run(repository: Repository) -> tuple[int, bytes]:
        await repository.send_blob(blob(b""), parts(b""))
        return await read(repository, b"")

    assert use(faulty.host, run) == (0, b"")
    faulty.always(Answer(404), path=BLOBS)
    empty = Descriptor("x", Digest.of(b""), 0)

    async def absent(repository: Repository) -> None:
        async with repository.open_blob(empty):
            pass

    with pytest.raises(RegistryError):
        use(faulty.host, absent)
