"""Faults of registries during pushes and copies: the whole image arrives, or the tag stays.

A fault-injecting proxy is in front of a real registry. Every error names registry and repository.
"""

from __future__ import annotations

import io
import random
from typing import TYPE_CHECKING, Any

import pytest

from remote.copying.fetched_image import fetch_image
from remote.copying.receivers import RegistryReceiver
from remote.errors import (
    AccessDenied,
    BlobNotFound,
    FalseAnswer,
    RateLimited,
    RegistryError,
    RegistryFailed,
    Unreachable,
)
from remote.pushing.choice import Choice
from remote.pushing.delivery import Delivery
from remote.pushing.report import NoListener
from remote.pushing.stored_image import open_stored
from remote.registry.values import Tag
from store.model.digests import Digest
from store.model.progress import Silent
from store.model.references import Repository
from tests.support.faulty_registry import (
    Answer,
    CutAfter,
    CutUpload,
    FaultyRegistry,
    Garbage,
    Hang,
    LoseAnswer,
    Rewrite,
)
from tests.support.images import layer
from tests.support.layouts import Layout, gzip
from tests.support.other_registry import OtherRegistry
from tests.support.remote_client import NAME, Pauses, with_client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from remote.pushing.report import Delivered
    from remote.registry.client import RegistryClient
    from store import Store
    from tests.support.faulty_registry import Action

LARGE = gzip(layer("large", random.Random(1).randbytes(3 << 20)))
SMALL = gzip(layer("small", random.Random(2).randbytes(3 << 10)))
CUT = 1 << 20


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[OtherRegistry]:
    with OtherRegistry(tmp_path / "registry") as running:
        yield running


@pytest.fixture
def faulty(registry: OtherRegistry) -> Iterator[FaultyRegistry]:
    with FaultyRegistry(registry.ask.port) as running:
        yield running


@pytest.fixture
def digest(store: Store) -> str:
    layout = Layout()
    root = layout.root(layout.image(LARGE, SMALL), "docker.io/team/app:1")
    store.import_archive(io.BytesIO(layout.tar()))
    return str(root["digest"])


def push(store: Store, faulty: FaultyRegistry, **settings: Any) -> Delivered:  # noqa: ANN401
    receiver = Repository(faulty.host, NAME)
    with open_stored(store, "team/app:1", Choice(), jobs=2, receiver=receiver) as image:

        async def run(client: RegistryClient) -> Delivered:
            delivery = Delivery(jobs=2, progress=Silent(), listener=NoListener())
            repository = client.repository(faulty.host, NAME)
            return await RegistryReceiver(repository, delivery, tag="1").receive(image)

        return with_client(run, pauses=Pauses(), **settings)


HEALED: dict[str, tuple[Action, str, str]] = {
    "a cut upload": (CutUpload(CUT), "PATCH", "/uploads/"),
    "a lost answer to the bytes": (LoseAnswer(), "PATCH", "/uploads/"),
    "a lost answer to the end": (LoseAnswer(), "PUT", "/uploads/"),
    "a lost answer to the manifest": (LoseAnswer(), "PUT", "/manifests/"),
    "a failure at the beginning": (Answer(503), "POST", "/uploads/"),
    "a rate limit": (Answer(429, {"Retry-After": "3"}), "POST", "/uploads/"),
    "a failure of a question": (Answer(500), "HEAD", "/blobs/"),
    "a broken connection": (CutAfter(0), "HEAD", "/manifests/"),
    "a forgotten upload": (Answer(502), "PATCH", "/uploads/"),
}


@pytest.mark.parametrize("name", HEALED)
def test_after_a_fault_the_whole_image_arrives(
    store: Store, registry: OtherRegistry, faulty: FaultyRegistry, digest: str, name: str
) -> None:
    action, method, path = HEALED[name]
    faulty.inject(action, method=method, path=path)

    push(store, faulty)

    assert registry.digest(NAME, "1") == digest
    for one in (LARGE, SMALL):
        answer = registry.ask("GET", f"/v2/{NAME}/blobs/{Digest.of(one.data)}")
        assert answer.body == one.data


def test_after_a_cut_only_the_rest_is_sent(
    store: Store, registry: OtherRegistry, faulty: FaultyRegistry, digest: str
) -> None:
    faulty.inject(CutUpload(CUT), method="PATCH", path="/uploads/")

    push(store, faulty)

    sent = [int(one.headers["Content-Length"]) for one in faulty.requests("PATCH")]
    assert sent[0] == len(LARGE.data)
    # The registry may still be busy with the cut request when the client asks for the first time.
    assert sent[-1] < len(LARGE.data)
    assert registry.digest(NAME, "1") == digest


ENDED: dict[str, tuple[Action, str, str, type[RegistryError]]] = {
    "no permission to send": (Answer(403), "POST", "/uploads/", AccessDenied),
    "no permission for the manifest": (Answer(403), "PUT", "/manifests/", AccessDenied),
    "credentials that are not enough": (Answer(401), "POST", "/uploads/", AccessDenied),
    "failures that stay": (Answer(500), "PUT", "/manifests/", RegistryFailed),
    "a rate limit that stays": (Answer(429), "POST", "/uploads/", RateLimited),
    "a manifest under another digest": (
        Rewrite({"Docker-Content-Digest": f"sha256:{'0' * 64}"}),
        "PUT",
        "/manifests/",
        FalseAnswer,
    ),
    "a blob of another size": (
        Answer(200, {"Content-Length": "7", "Docker-Content-Digest": f"sha256:{'0' * 64}"}),
        "HEAD",
        "/blobs/",
        FalseAnswer,
    ),
    "a manifest of another digest": (
        Rewrite({"Docker-Content-Digest": f"sha256:{'0' * 64}"}, status=201),
        "PUT",
        "/manifests/",
        FalseAnswer,
    ),
    "no HTTP": (Garbage(), "POST", "/uploads/", RegistryError),
    "silence": (Hang(), "POST", "/uploads/", Unreachable),
}


@pytest.mark.parametrize("name", ENDED)
def test_a_fault_that_stays_is_one_error_and_no_tag_moves(
    store: Store, registry: OtherRegistry, faulty: FaultyRegistry, digest: str, name: str
) -> None:
    action, method, path, kind = ENDED[name]
    faulty.always(action, method=method, path=path)

    settings = {"retries": 0, "idle_timeout_s": 2.0} if isinstance(action, Hang) else {"retries": 1}
    with pytest.raises(kind) as caught:
        push(store, faulty, **settings)

    error = caught.value
    assert isinstance(error, RegistryError)
    assert (error.registry, error.repository) == (faulty.host, NAME)
    assert faulty.host in error.message
    if not isinstance(action, Rewrite):
        assert registry.digest(NAME, "1") is None
    del digest


def copy(
    registry: OtherRegistry,
    faulty: FaultyRegistry,
    **settings: Any,  # noqa: ANN401
) -> Delivered:
    """Copy from a registry behind the proxy to another repository, without a mount."""

    async def run(client: RegistryClient) -> Delivered:
        image = await fetch_image(client.repository(faulty.host, NAME), Tag("1"), Choice())
        delivery = Delivery(jobs=2, progress=Silent(), listener=NoListener())
        target = client.repository(registry.host, "copied/app")
        return await RegistryReceiver(target, delivery, tag="1").receive(image)

    return with_client(run, pauses=Pauses(), **settings)


@pytest.fixture
def pushed(store: Store, faulty: FaultyRegistry, digest: str) -> str:
    push(store, faulty)
    faulty.clear()
    return digest


@pytest.mark.parametrize(
    "action", [CutAfter(CUT), Answer(503), Answer(429, {"Retry-After": "1"})], ids=repr
)
def test_a_copy_resumes_the_bytes_of_its_source(
    registry: OtherRegistry, faulty: FaultyRegistry, pushed: str, action: Action
) -> None:
    faulty.inject(action, method="GET", path=f"/blobs/{Digest.of(LARGE.data)}")

    copy(registry, faulty)

    assert registry.digest("copied/app", "1") == pushed
    requests = faulty.requests("GET", f"/blobs/{Digest.of(LARGE.data)}")
    assert len(requests) == 2
    if isinstance(action, CutAfter):
        assert requests[1].headers["Range"].startswith("bytes=")


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        (Rewrite(flip=True), FalseAnswer),
        (Answer(404), BlobNotFound),
        (Answer(200, {"Content-Length": "5"}, b"short"), FalseAnswer),
        (Answer(403), AccessDenied),
    ],
    ids=["wrong bytes", "no such blob", "another length", "no permission"],
)
def test_wrong_bytes_of_the_source_never_become_an_image(
    registry: OtherRegistry,
    faulty: FaultyRegistry,
    pushed: str,
    action: Action,
    kind: type[RegistryError],
) -> None:
    del pushed
    large = Digest.of(LARGE.data)
    faulty.always(action, method="GET", path=f"/blobs/{large}")

    with pytest.raises(kind) as caught:
        copy(registry, faulty, retries=1)

    assert caught.value.registry == faulty.host
    assert registry.digest("copied/app", "1") is None
    assert registry.ask("HEAD", f"/v2/copied/app/blobs/{large}").status == 404


def test_a_false_manifest_of_the_source_is_refused(
    registry: OtherRegistry, faulty: FaultyRegistry, pushed: str
) -> None:
    del pushed
    faulty.always(Rewrite(flip=True), method="GET", path="/manifests/")

    with pytest.raises(FalseAnswer):
        copy(registry, faulty, retries=1)

    assert registry.digest("copied/app", "1") is None
