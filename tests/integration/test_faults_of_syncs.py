"""Faults of registries during syncs: the whole image arrives, or one error, and a tag never moves.

A fault-injecting proxy is in front of a real registry. Each fault is tried in a sync into the store
and in a sync from registry to registry.
"""

from __future__ import annotations

import itertools
import random
import ssl
from typing import TYPE_CHECKING, Any, Final, final

import pytest

from remote.sync.options import SyncOptions
from remote.sync.run import StoreSync
from store import Store
from store.formats.image.media_types import OCI_INDEX, OCI_MANIFEST
from store.model.digests import Digest
from storectl.output.exit_codes import ExitCode, exit_code
from tests.support.certificates import make_certificate
from tests.support.faulty_registry import (
    Answer,
    CutAfter,
    CutUpload,
    Endless,
    FaultyRegistry,
    Garbage,
    HangAfter,
    LoseAnswer,
    Rewrite,
)
from tests.support.images import layer
from tests.support.layouts import Layout, gzip
from tests.support.pulls import Pulls, Upstream
from tests.support.syncs import MACHINE, RUN, read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from remote.sync.report import SyncedImage
    from tests.support.faulty_registry import Action

LARGE: Final = gzip(layer("large", random.Random(1).randbytes(1 << 20)))
SMALL: Final = gzip(layer("small", random.Random(2).randbytes(3 << 10)))
CUT: Final = 600_000
BLOB: Final = f"/blobs/{Digest.of(LARGE.data)}"
MANIFEST: Final = "/manifests/"
CHALLENGE: Final = {
    "WWW-Authenticate": 'Bearer realm="http://{host}/token",service="x",scope="repository:a:pull"'
}
TOKEN: Final = Answer(200, {"Content-Type": "application/json"}, b'{"token":"t"}')
PATIENT: Final[dict[str, Any]] = {"retries": 1}
IMPATIENT: Final[dict[str, Any]] = {"retries": 1, "idle_timeout_s": 4.0}
"""The settings for a registry that stops in the middle."""


@final
class Sides:
    """Syncs of one tag: from a faulty registry into a store, or to another faulty registry."""

    def __init__(
        self, folder: Path, source: Upstream, target: Upstream | None, number: int
    ) -> None:
        self.root = str(source.store.inspect_manifest("team/app:1").summary.digest)
        self.source, self.target = source.registry, target
        self.name = f"mirror/app-{number}"
        """The repository in the other registry: one for each test."""
        self._folder = folder

    def run(self, source: str = "", **settings: Any) -> SyncedImage:  # noqa: ANN401
        """Sync the tag once; ``source`` names another registry than the faulty one."""
        text = f"sources: [{{image: '{source or self.source.host}/team/app:1'"
        if self.target is not None:
            text += f", to: 'docker://{self.target.registry.host}/{self.name}:1'"
        options: dict[str, Any] = {**PATIENT, **settings}
        with Store.open(self._folder / "own", create=True) as store, Pulls(store, **options) as one:
            sync = StoreSync(
                store,
                lambda _access: one.repositories,
                one.loop,
                SyncOptions(run=RUN, machine=MACHINE),
                push=lambda _access, name: one.repository(name.repository),
            )
            (outcome,) = sync.run(read(text + "}]"))
            assert list(store.fsck()) == []
            return outcome

    def digest(self) -> str | None:
        """Return the digest that the tag has after a sync; None if it was not set."""
        folder, prefix = (self._folder / "own", "")
        if self.target is not None:
            folder, prefix = self.target.store.root, f"{self.name}:"
        with Store.open(folder, create=True) as store:
            names = [str(one) for one in store.names(prefix, 9) if one.tag == "1"]
            return str(store.inspect_manifest(names[0]).summary.digest) if names else None

    def inject(self, fault: tuple[Action, str, str], *, times: int) -> None:
        """Add a fault to the source."""
        action, method, path = fault
        self.source.inject(action, method=method, path=path, times=times)


@pytest.fixture(scope="module")
def registries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Upstream, Upstream]]:
    """A registry with an image, and an empty one."""
    source, target = (tmp_path_factory.mktemp(name) for name in ("source", "target"))
    layout = Layout()
    layout.root(layout.image(LARGE, SMALL), "docker.io/team/app:1")
    with Upstream(source) as first, Upstream(target) as second:
        first.serve(layout)
        yield first, second


_numbers = itertools.count()


@pytest.fixture(params=["store", "registry"])
def sides(
    tmp_path: Path, registries: tuple[Upstream, Upstream], request: pytest.FixtureRequest
) -> Sides:
    source, target = registries
    for one in registries:
        one.registry.clear()
    is_copy = request.param == "registry"
    return Sides(tmp_path, source, target if is_copy else None, next(_numbers))


HEALED: Final[dict[str, tuple[Action, str, str]]] = {
    "a cut blob": (CutAfter(CUT), "GET", BLOB),
    "a blob that stops": (HangAfter(CUT), "GET", BLOB),
    "a cut manifest": (CutAfter(10), "GET", MANIFEST),
    "a failure": (Answer(503), "GET", BLOB),
    "a gateway that fails": (Answer(502), "", MANIFEST),
    "a rate limit": (Answer(429, {"Retry-After": "3"}), "", MANIFEST),
    "a token that expires": (Answer(401, CHALLENGE), "GET", BLOB),
}


@pytest.mark.parametrize("name", HEALED)
def test_after_a_fault_that_passes_the_whole_image_is_here(sides: Sides, name: str) -> None:
    sides.source.always(TOKEN, path="/token")
    sides.inject(HEALED[name], times=1)

    outcome = sides.run(**(IMPATIENT if isinstance(HEALED[name][0], HangAfter) else PATIENT))

    assert outcome.error is None
    assert sides.digest() == sides.root
    # No byte of a blob is fetched twice, and only what failed is asked for again.
    requests = sides.source.requests("GET", BLOB)
    assert len(requests) == 1 + (HEALED[name][2] == BLOB)
    if isinstance(HEALED[name][0], CutAfter | HangAfter) and HEALED[name][2] == BLOB:
        assert requests[1].headers["Range"] == f"bytes={CUT}-"


ENDED: Final[dict[str, tuple[tuple[Action, str, str], ExitCode, str]]] = {
    "a cut blob": ((CutAfter(0), "GET", BLOB), ExitCode.REGISTRY_UNAVAILABLE, "ended"),
    "wrong bytes": ((Rewrite(flip=True), "GET", BLOB), ExitCode.INVALID_INPUT, "digest"),
    "fewer bytes": (
        (Answer(200, {}, b"short"), "GET", BLOB),
        ExitCode.INVALID_INPUT,
        "bytes",
    ),
    "more bytes": (
        (Answer(200, {}, LARGE.data + b"more"), "GET", BLOB),
        ExitCode.INVALID_INPUT,
        "bytes",
    ),
    "an endless blob": ((Endless(), "GET", BLOB), ExitCode.INVALID_INPUT, "bytes"),
    "an endless manifest": (
        (Endless({"Content-Type": OCI_MANIFEST}), "GET", MANIFEST),
        ExitCode.INVALID_INPUT,
        "",
    ),
    "no credentials": ((Answer(401), "", MANIFEST), ExitCode.ACCESS_DENIED, ""),
    "a token that is never enough": (
        (Answer(401, CHALLENGE), "GET", BLOB),
        ExitCode.ACCESS_DENIED,
        "",
    ),
    "no permission": ((Answer(403), "", BLOB), ExitCode.ACCESS_DENIED, ""),
    "no manifest": ((Answer(404), "", MANIFEST), ExitCode.NOT_FOUND, ""),
    "no blob": ((Answer(404), "", BLOB), ExitCode.NOT_FOUND, ""),
    "a rate limit": (
        (Answer(429, {"Retry-After": "9999"}), "", MANIFEST),
        ExitCode.REGISTRY_UNAVAILABLE,
        "",
    ),
    "a failure": ((Answer(500), "", BLOB), ExitCode.REGISTRY_UNAVAILABLE, "500"),
    "a blob that stops": ((HangAfter(0), "GET", BLOB), ExitCode.REGISTRY_UNAVAILABLE, ""),
    "redirects in a circle": (
        (Answer(307, {"Location": "http://{host}" + f"/v2/team/app{BLOB}"}), "GET", BLOB),
        ExitCode.INVALID_INPUT,
        "redirect",
    ),
    "a redirect to a file": (
        (Answer(307, {"Location": "file:///etc/passwd"}), "GET", BLOB),
        ExitCode.INVALID_INPUT,
        "",
    ),
    "a digest that is false": (
        (Rewrite({"Docker-Content-Digest": f"sha256:{'0' * 64}"}), "GET", MANIFEST),
        ExitCode.INVALID_INPUT,
        "digest",
    ),
    "a manifest with other bytes": (
        (Rewrite(flip=True), "GET", MANIFEST),
        ExitCode.INVALID_INPUT,
        "",
    ),
    "a media type that is false": (
        (Rewrite({"Content-Type": OCI_INDEX}), "GET", MANIFEST),
        ExitCode.INVALID_INPUT,
        "type",
    ),
    "no HTTP": ((Garbage(), "GET", BLOB), ExitCode.INVALID_INPUT, "not HTTP"),
}


@pytest.mark.parametrize("name", ENDED)
def test_a_fault_that_stays_is_one_error_and_the_next_run_has_the_image(
    sides: Sides, name: str
) -> None:
    fault, code, reason = ENDED[name]
    sides.source.always(TOKEN, path="/token")
    sides.inject(fault, times=10**9)

    outcome = sides.run(**(IMPATIENT if isinstance(fault[0], HangAfter) else PATIENT))

    error = outcome.error
    assert error is not None
    assert "\n" not in error.message
    assert sides.source.host in error.message
    assert "team/app" in error.message
    assert reason in error.message
    assert exit_code(error) == code
    assert sides.digest() is None
    sides.source.clear()
    assert sides.run().error is None
    assert sides.digest() == sides.root


def test_the_next_run_continues_where_a_sync_into_the_store_was_cut(
    sides: Sides,
) -> None:
    sides.source.always(CutAfter(CUT), method="GET", path=BLOB)
    assert sides.run(retries=0).error is not None
    sides.source.clear()

    assert sides.run().error is None

    (request,) = sides.source.requests("GET", BLOB)
    # A copy from registry to registry stores no bytes here.
    assert request.headers.get("Range") == (f"bytes={CUT}-" if sides.target is None else None)


def test_a_redirect_of_a_blob_to_another_host_carries_no_credentials(sides: Sides) -> None:
    with FaultyRegistry(sides.source._upstream) as other:
        location = f"http://{other.host}/v2/team/app{BLOB}"
        sides.source.always(TOKEN, path="/token")
        sides.source.inject(Answer(401, CHALLENGE), path=MANIFEST)
        sides.source.always(Answer(307, {"Location": location}), method="GET", path=BLOB)

        assert sides.run().error is None

        assert any("Authorization" in one.headers for one in sides.source.requests())
        assert not any("Authorization" in one.headers for one in other.requests("GET", BLOB))
        assert other.count("GET", BLOB) == 1
    assert sides.digest() == sides.root


@pytest.mark.parametrize("fault", ["an unknown host", "nobody listens", "an unknown certificate"])
def test_a_registry_that_cannot_be_reached_is_one_error(
    sides: Sides, tmp_path: Path, fault: str
) -> None:
    context, made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), make_certificate(tmp_path)
    context.load_cert_chain(made.chain, made.key)
    with FaultyRegistry(tls=context) as trusted_by_nobody:
        host = {
            "an unknown host": "registry.invalid",
            "nobody listens": "127.0.0.1:9",
            "an unknown certificate": trusted_by_nobody.host,
        }[fault]
        outcome = sides.run(host, plain_http=fault != "an unknown certificate")
    error = outcome.error
    assert error is not None
    assert exit_code(error) == ExitCode.REGISTRY_UNAVAILABLE
    assert f"{host}/team/app" in error.message
    assert "\n" not in error.message
    assert sides.digest() is None


REFUSED: Final[dict[str, tuple[tuple[Action, str, str], ExitCode]]] = {
    "no credentials": ((Answer(401), "POST", "/uploads/"), ExitCode.ACCESS_DENIED),
    "no permission": ((Answer(403), "PUT", MANIFEST), ExitCode.ACCESS_DENIED),
    "a rate limit": ((Answer(429), "POST", "/uploads/"), ExitCode.REGISTRY_UNAVAILABLE),
    "a failure": ((Answer(500), "PUT", MANIFEST), ExitCode.REGISTRY_UNAVAILABLE),
    "uploads that are cut": (
        (CutUpload(1000), "PATCH", "/uploads/"),
        ExitCode.REGISTRY_UNAVAILABLE,
    ),
    "another digest": (
        (
            Rewrite({"Docker-Content-Digest": f"sha256:{'0' * 64}"}, status=201),
            "PUT",
            MANIFEST,
        ),
        ExitCode.INVALID_INPUT,
    ),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("sides", ["registry"], indirect=True)
def test_a_fault_of_the_other_registry_is_one_error(sides: Sides, name: str) -> None:
    (action, method, path), code = REFUSED[name]
    assert sides.target is not None
    registry = sides.target.registry
    registry.always(action, method=method, path=path)

    error = sides.run().error

    assert error is not None
    assert exit_code(error) == code
    assert registry.host in error.message
    assert sides.name in error.message
    if not isinstance(action, Rewrite):
        assert sides.digest() is None
    registry.clear()
    assert sides.run().error is None
    assert sides.digest() == sides.root


@pytest.mark.parametrize("sides", ["registry"], indirect=True)
@pytest.mark.parametrize(
    "fault",
    [(LoseAnswer(), "PUT"), (Answer(503), "POST")],
    ids=["lost", "failed"],
)
def test_a_fault_of_the_other_registry_may_pass(sides: Sides, fault: tuple[Action, str]) -> None:
    assert sides.target is not None
    sides.target.registry.inject(fault[0], method=fault[1], path="/uploads/")
    assert sides.run().error is None
    assert sides.digest() == sides.root
    # Nothing is fetched twice for what is sent twice, except the part that was not sent.
    assert sides.source.count("GET", MANIFEST) == 1
