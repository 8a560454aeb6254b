from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from remote.errors import (
    AccessDenied,
    ContentRefused,
    FalseAnswer,
    InvalidAnswer,
    ManifestNotFound,
    RateLimited,
    RegistryFailed,
)
from remote.registry.values import Tag
from store.errors import InvalidDocument
from store.formats.image.media_types import DOCKER_MANIFEST, SCHEMA_1
from store.model.digests import Digest
from store.model.remedies import Remedy
from tests.support.faulty_registry import Answer, Endless, FaultyRegistry, Rewrite
from tests.support.layouts import MANIFEST
from tests.support.registry_pushes import image_manifest, squeezed
from tests.support.remote_client import Pauses, blob, parts, use

if TYPE_CHECKING:
    from remote.registry.repository import Repository
    from tests.support.mirror_in_process import InProcessMirror

LAYER = squeezed(b"layer" * 100)
CONFIG, DATA = image_manifest((b"layer" * 100, LAYER))
DIGEST = Digest.of(DATA)
ONE = Tag("1")


@pytest.fixture(scope="module", autouse=True)
def _content(upstream: InProcessMirror) -> None:
    async def push(repository: Repository) -> None:
        for data in (CONFIG, LAYER):
            await repository.send_blob(blob(data), parts(data))
        await repository.put_manifest(ONE, DATA, MANIFEST)

    use(f"127.0.0.1:{upstream.port}", push)


def test_the_accepted_types_are_sent(faulty: FaultyRegistry) -> None:
    use(faulty.host, lambda it: it.manifest(ONE))
    accept = faulty.seen[0].headers["Accept"].split(", ")
    assert MANIFEST in accept
    assert SCHEMA_1.isdisjoint(accept)
    assert faulty.seen[0].headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("reference", [ONE, DIGEST])
def test_other_bytes_are_an_error(reference: Tag | Digest, faulty: FaultyRegistry) -> None:
    faulty.always(Rewrite(flip=True), path="/manifests/")
    with pytest.raises(FalseAnswer, match="expected the digest"):
        use(faulty.host, lambda it: it.manifest(reference))
    assert faulty.count() == 1


def test_a_lying_digest_is_an_error(faulty: FaultyRegistry) -> None:
    other = str(Digest.of(b"other"))
    faulty.always(Rewrite({"Docker-Content-Digest": other}), path="/manifests/")
    with pytest.raises(FalseAnswer, match="expected the digest"):
        use(faulty.host, lambda it: it.manifest(ONE))
    with pytest.raises(FalseAnswer, match="expected the digest"):
        use(faulty.host, lambda it: it.manifest(DIGEST))
    with pytest.raises(FalseAnswer, match="expected the digest"):
        use(faulty.host, lambda it: it.resolve(DIGEST))
    faulty.clear()
    faulty.always(Rewrite({"Docker-Content-Digest": "sha256:x"}))
    with pytest.raises(InvalidAnswer, match="invalid Docker-Content-Digest"):
        use(faulty.host, lambda it: it.manifest(ONE))


def test_a_digest_of_another_algorithm_is_checked(faulty: FaultyRegistry) -> None:
    right, wrong = Digest.of(DATA, "sha512"), Digest.of(b"x", "sha512")
    faulty.inject(Rewrite({"Docker-Content-Digest": str(right)}))
    assert use(faulty.host, lambda it: it.manifest(DIGEST)).data == DATA
    faulty.inject(Rewrite({"Docker-Content-Digest": str(right)}))
    assert use(faulty.host, lambda it: it.manifest(ONE)).descriptor.digest == right
    faulty.inject(Rewrite({"Docker-Content-Digest": str(wrong)}))
    with pytest.raises(FalseAnswer):
        use(faulty.host, lambda it: it.manifest(DIGEST))


def test_a_lying_media_type_is_an_error(faulty: FaultyRegistry) -> None:
    faulty.inject(Rewrite({"Content-Type": DOCKER_MANIFEST}))
    with pytest.raises(FalseAnswer, match="media type"):
        use(faulty.host, lambda it: it.manifest(ONE))


@pytest.mark.parametrize("stated", ["text/plain", "application/json; charset=utf-8", None])
def test_the_document_states_its_type_if_the_answer_does_not(
    stated: str | None, faulty: FaultyRegistry
) -> None:
    faulty.always(Rewrite({"Content-Type": stated}))
    assert use(faulty.host, lambda it: it.manifest(ONE)).descriptor.media_type == MANIFEST
    assert use(faulty.host, lambda it: it.resolve(ONE)).media_type == MANIFEST


def test_the_answer_states_the_type_if_the_document_does_not(scripted: FaultyRegistry) -> None:
    document = json.loads(DATA)
    del document["mediaType"]
    data = json.dumps(document).encode()
    scripted.always(Answer(200, {"Content-Type": DOCKER_MANIFEST}, data))
    assert use(scripted.host, lambda it: it.manifest(ONE)).descriptor.media_type == DOCKER_MANIFEST


@pytest.mark.parametrize("media_type", sorted(SCHEMA_1))
def test_schema_1_is_refused(media_type: str, scripted: FaultyRegistry) -> None:
    scripted.always(Answer(200, {"Content-Type": media_type}, b'{"schemaVersion":1}'))
    with pytest.raises(InvalidAnswer, match="schema 1") as raised:
        use(scripted.host, lambda it: it.manifest(ONE))
    assert raised.value.remedy is Remedy.CONVERT_SCHEMA_1
    with pytest.raises(InvalidAnswer, match="schema 1"):
        use(scripted.host, lambda it: it.resolve(ONE))


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"[]", b"null"])
def test_other_documents_are_refused(body: bytes, scripted: FaultyRegistry) -> None:
    scripted.always(Answer(200, {"Content-Type": MANIFEST}, body))
    with pytest.raises(InvalidDocument, match=f"manifest {scripted.host}/team/app:1"):
        use(scripted.host, lambda it: it.manifest(ONE))


@pytest.mark.parametrize(
    "answer", [Endless(), Answer(200, {}, bytes(5 << 20)), Endless({"Content-Type": MANIFEST})]
)
def test_a_manifest_has_a_ceiling(answer: Answer | Endless, scripted: FaultyRegistry) -> None:
    scripted.always(answer)
    with pytest.raises(InvalidAnswer, match="larger than the limit of 4194304 bytes"):
        use(scripted.host, lambda it: it.manifest(ONE))


def test_a_registry_that_states_too_little_is_asked_for_the_bytes(faulty: FaultyRegistry) -> None:
    for header in ("Docker-Content-Digest", "Content-Length"):
        faulty.clear()
        faulty.inject(Rewrite({header: None}), method="HEAD")
        assert use(faulty.host, lambda it: it.resolve(ONE)).digest == DIGEST
        assert [one.method for one in faulty.seen] == ["HEAD", "GET"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(401), AccessDenied),
        (Answer(403), AccessDenied),
        (Answer(404), ManifestNotFound),
        (Answer(429, {"Retry-After": "3600"}), RateLimited),
        (Answer(500), RegistryFailed),
        (Answer(418), InvalidAnswer),
    ],
)
def test_refusals(answer: Answer, kind: type[Exception], scripted: FaultyRegistry) -> None:
    scripted.always(answer)
    with pytest.raises(kind) as raised:
        use(scripted.host, lambda it: it.manifest(ONE), retries=1)
    assert type(raised.value) is kind
    start = f"cannot read manifest {scripted.host}/team/app:1: {scripted.host} answered"
    assert str(raised.value).startswith(start)


def test_faults_that_pass(faulty: FaultyRegistry) -> None:
    faulty.inject(Answer(503), times=2)
    faulty.inject(Answer(429, {"Retry-After": "9"}))
    pauses = Pauses()
    assert use(faulty.host, lambda it: it.manifest(ONE), pauses=pauses).data == DATA
    assert pauses.slept[:2] == [0.5, 1.0]
    assert pauses.slept[2] == 9


def test_a_manifest_whose_blobs_are_missing_is_not_taken(faulty: FaultyRegistry) -> None:
    _, other = image_manifest((b"other", squeezed(b"other")))
    with pytest.raises((ContentRefused, ManifestNotFound)):
        use(faulty.host, lambda it: it.put_manifest(ONE, other, MANIFEST))


def test_a_registry_that_stores_other_bytes_is_an_error(faulty: FaultyRegistry) -> None:
    faulty.inject(Rewrite({"Docker-Content-Digest": str(Digest.of(b"x"))}), method="PUT")
    with pytest.raises(FalseAnswer):
        use(faulty.host, lambda it: it.put_manifest(ONE, DATA, MANIFEST))


def test_the_subject_of_a_manifest_is_acknowledged(faulty: FaultyRegistry) -> None:
    document = json.loads(DATA)
    subject = {"mediaType": MANIFEST, "digest": str(DIGEST), "size": len(DATA)}
    data = json.dumps({**document, "subject": subject}).encode()
    answer = use(faulty.host, lambda it: it.put_manifest(Digest.of(data), data, MANIFEST))
    assert (answer.digest, answer.subject) == (Digest.of(data), DIGEST)
    faulty.inject(Rewrite({"OCI-Subject": None}), method="PUT")
    answer = use(faulty.host, lambda it: it.put_manifest(Digest.of(data), data, MANIFEST))
    assert answer.subject is None
