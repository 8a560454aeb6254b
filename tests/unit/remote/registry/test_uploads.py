from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from remote.errors import (
    AccessDenied,
    ContentRefused,
    InvalidAnswer,
    RegistryFailed,
    Unreachable,
    UnsafeTarget,
)
from store.errors import DamagedContent
from store.model.digests import Digest
from tests.support.faulty_registry import (
    Answer,
    Compute,
    CutUpload,
    FaultyRegistry,
    Hang,
    LoseAnswer,
    Rewrite,
    Seen,
)
from tests.support.remote_client import blob, parts, use

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from remote.registry.repository import Repository

_count = 0


def fresh(size: int) -> bytes:
    """Return bytes that no other test has sent."""
    global _count  # noqa: PLW0603 - numbers the blobs
    _count += 1
    return _count.to_bytes(4, "big") * (size // 4)


LARGE, SMALL = 3 << 20, 4096


def send(faulty: FaultyRegistry, data: bytes, **settings: object) -> None:
    async def run(repository: Repository) -> None:
        await repository.send_blob(blob(data), parts(data))

    use(faulty.host, run, **settings)  # type: ignore[arg-type]


def size(faulty: FaultyRegistry, data: bytes) -> int | None:
    return use(faulty.host, lambda it: it.blob_size(Digest.of(data)))


def methods(faulty: FaultyRegistry) -> list[str]:
    return [one.method for one in faulty.requests(path="/uploads/")]


def test_a_small_blob_takes_two_requests(faulty: FaultyRegistry) -> None:
    data = fresh(SMALL)
    send(faulty, data)
    assert methods(faulty) == ["POST", "PUT"]
    assert size(faulty, data) == SMALL


def test_a_large_blob_is_sent_in_one_part(faulty: FaultyRegistry) -> None:
    data = fresh(LARGE)
    send(faulty, data)
    assert methods(faulty) == ["POST", "PATCH", "PUT"]
    assert faulty.requests("PATCH")[0].headers["Content-Length"] == str(LARGE)
    assert size(faulty, data) == LARGE


def test_a_blob_is_sent_in_chunks(faulty: FaultyRegistry) -> None:
    data = fresh(LARGE)
    send(faulty, data, chunk_bytes=1 << 20)
    assert methods(faulty) == ["POST", *["PATCH"] * 3, "PUT"]
    assert [one.headers["Content-Range"] for one in faulty.requests("PATCH")] == [
        "0-1048575",
        "1048576-2097151",
        "2097152-3145727",
    ]
    assert size(faulty, data) == LARGE


def test_chunks_are_not_smaller_than_the_registry_asks_for(faulty: FaultyRegistry) -> None:
    data = fresh(LARGE)
    faulty.inject(Rewrite({"OCI-Chunk-Min-Length": str(2 << 20)}), method="POST")
    send(faulty, data, chunk_bytes=1000)
    assert [len(one.body) for one in faulty.requests("PATCH")] == [2 << 20, 1 << 20]


def test_a_cut_upload_goes_on_where_the_registry_stopped(faulty: FaultyRegistry) -> None:
    data = fresh(LARGE)
    faulty.inject(CutUpload(1 << 20), method="PATCH")
    send(faulty, data)
    assert methods(faulty)[:4] == ["POST", "PATCH", "GET", "PATCH"]
    assert faulty.count("POST") == 1
    rest = faulty.requests("PATCH")[-1]
    first = int(rest.headers["Content-Range"].partition("-")[0])
    assert 0 < first <= 1 << 20
    assert len(rest.body) == LARGE - first
    assert size(faulty, data) == LARGE


def test_parts_that_do_not_fit_together_are_sent_again(faulty: FaultyRegistry) -> None:
    data = fresh(LARGE)
    faulty.inject(CutUpload(1 << 20), method="PATCH")
    faulty.inject(Answer(204, {"Range": "0-9"}), method="GET")
    faulty.inject(Rewrite({}, status=202), method="PATCH")
    faulty.inject(Answer(400), method="PUT")
    send(faulty, data)
    assert size(faulty, data) == LARGE


def test_a_registry_that_is_behind_is_asked_again(faulty: FaultyRegistry) -> None:
    data = fresh(LARGE)
    faulty.inject(CutUpload(1 << 20), method="PATCH")
    faulty.inject(Answer(204, {"Range": "0-9"}), method="GET")
    send(faulty, data)
    assert methods(faulty)[:6] == ["POST", "PATCH", "GET", "PATCH", "GET", "PATCH"]
    assert faulty.count("POST") == 1
    assert size(faulty, data) == LARGE


def test_an_upload_that_the_registry_has_forgotten_begins_again(faulty: FaultyRegistry) -> None:
    data = fresh(LARGE)
    faulty.inject(CutUpload(1 << 20), method="PATCH")
    faulty.inject(Answer(404), method="GET")
    send(faulty, data)
    assert methods(faulty) == ["POST", "PATCH", "GET", "POST", "PATCH", "PUT"]
    assert size(faulty, data) == LARGE


def test_a_lost_answer_to_the_end_is_not_sent_again(faulty: FaultyRegistry) -> None:
    data = fresh(SMALL)
    faulty.inject(LoseAnswer(), method="PUT")
    send(faulty, data)
    assert methods(faulty) == ["POST", "PUT"]
    assert size(faulty, data) == SMALL


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
@pytest.mark.parametrize("status", [429, 500, 503])
def test_faults_that_pass(method: str, status: int, faulty: FaultyRegistry) -> None:
    data = fresh(LARGE)
    faulty.inject(Answer(status), method=method)
    send(faulty, data)
    assert size(faulty, data) == LARGE


def test_faults_that_do_not_pass(faulty: FaultyRegistry) -> None:
    faulty.always(Answer(500), method="PATCH")
    with pytest.raises(RegistryFailed, match="cannot send blob"):
        send(faulty, fresh(LARGE), retries=2)
    assert faulty.count("PATCH") == 3


def test_a_limit_for_bodies_is_met_with_chunks(
    faulty: FaultyRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remote.registry.uploads._CHUNK_BYTES", 2 << 20)
    data = fresh(LARGE)

    def limited(seen: Seen) -> Answer:
        assert len(seen.body) == len(data)
        return Answer(413)

    faulty.inject(Compute(limited), method="PATCH")
    send(faulty, data)
    assert [len(one.body) for one in faulty.requests("PATCH")[1:]] == [2 << 20, 1 << 20]
    assert size(faulty, data) == len(data)


def test_a_blob_with_another_digest_is_refused(faulty: FaultyRegistry) -> None:
    data = fresh(SMALL)

    async def run(repository: Repository) -> None:
        await repository.send_blob(blob(data), parts(bytes(SMALL)))

    with pytest.raises(ContentRefused, match="DIGEST_INVALID"):
        use(faulty.host, run)


def test_an_error_of_the_source_is_the_error(faulty: FaultyRegistry) -> None:
    data = fresh(LARGE)

    async def broken(offset: int) -> AsyncIterator[bytes]:
        yield data[offset : offset + 1000]
        raise DamagedContent("the store is damaged", digest=Digest.of(data))

    async def run(repository: Repository) -> None:
        await repository.send_blob(blob(data), broken)

    with pytest.raises(DamagedContent):
        use(faulty.host, run)
    assert size(faulty, data) is None


def test_a_source_that_ends_early_is_not_sent(faulty: FaultyRegistry) -> None:
    data = fresh(LARGE)

    async def run(repository: Repository) -> None:
        await repository.send_blob(blob(data), parts(data[:-1]))

    with pytest.raises(ValueError, match="were given"):
        use(faulty.host, run)


def test_a_registry_that_reads_nothing_is_given_up(faulty: FaultyRegistry) -> None:
    faulty.always(Hang(reads_body=False), method="PATCH")
    with pytest.raises(Unreachable):
        send(faulty, fresh(64 << 20), idle_timeout_s=0.2, retries=0)


@pytest.mark.parametrize(
    ("location", "kind"),
    [
        ("", InvalidAnswer),
        ("ftp://r.example/x", InvalidAnswer),
        ("http://me:secret@r.example/x", UnsafeTarget),
    ],
)
def test_bad_places_for_an_upload(
    location: str, kind: type[Exception], faulty: FaultyRegistry
) -> None:
    faulty.always(Answer(202, {"Location": location}), method="POST")
    with pytest.raises(kind):
        send(faulty, fresh(SMALL))


def test_a_registry_with_too_many_bytes_is_an_error(faulty: FaultyRegistry) -> None:
    faulty.inject(CutUpload(1000), method="PATCH")
    faulty.inject(Answer(204, {"Range": f"0-{LARGE}"}), method="GET")
    with pytest.raises(InvalidAnswer, match="the registry has"):
        send(faulty, fresh(LARGE))


def test_a_refused_mount_begins_the_upload(faulty: FaultyRegistry) -> None:
    data = fresh(SMALL)

    async def run(repository: Repository) -> None:
        assert not await repository.mount(Digest.of(data), "team/other")
        await repository.send_blob(blob(data), parts(data))

    use(faulty.host, run)
    assert methods(faulty) == ["POST", "PUT"]
    assert size(faulty, data) == SMALL


@pytest.mark.parametrize(("algorithm", "is_mounted"), [("sha256", True), ("sha512", False)])
def test_a_mount_is_not_believed_if_the_digest_is_no_sha_256(
    faulty: FaultyRegistry, algorithm: str, *, is_mounted: bool
) -> None:
    faulty.inject(Answer(201), method="POST")
    digest = Digest.of(fresh(SMALL), algorithm)
    assert use(faulty.host, lambda it: it.mount(digest, "team/other")) is is_mounted
    asked = [one.method for one in faulty.seen]
    assert asked == ["POST", *([] if is_mounted else ["HEAD"])]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405])
def test_a_mount_that_is_denied_is_only_not_done(status: int, faulty: FaultyRegistry) -> None:
    faulty.inject(Answer(status), method="POST")
    assert not use(faulty.host, lambda it: it.mount(Digest.of(b"x"), "team/other"))


def test_a_denied_upload_is_an_error(faulty: FaultyRegistry) -> None:
    body = b'{"errors":[{"code":"DENIED","message":"requested access is denied"}]}'
    faulty.always(Answer(403, {}, body), method="POST")
    with pytest.raises(AccessDenied, match="DENIED: requested access is denied"):
        send(faulty, fresh(SMALL))
