"""Faults of an upstream registry while clients pull through a mirror.

The client gets the whole image, or a short answer and an error that names registry, repository and
reason. The store never has a part of an image.
"""

from __future__ import annotations

import http.client
import json
import random
import ssl
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, final

import pytest
import uvloop

from mirror.access import Access
from mirror.service import MirrorSettings
from remote.http.settings import ClientSettings, Timing
from remote.registry.client import RegistryClient
from remote.through.cache import PullThrough
from remote.through.tag_rows import TagRows
from remote.through.upstreams import Upstream as UpstreamRegistry
from remote.through.upstreams import Upstreams
from store.formats.image.media_types import OCI_INDEX, OCI_MANIFEST
from store.model.digests import Digest
from tests.support.certificates import make_certificate
from tests.support.faulty_registry import (
    Answer,
    CutAfter,
    Endless,
    FaultyRegistry,
    Garbage,
    HangAfter,
    Rewrite,
)
from tests.support.images import layer
from tests.support.layouts import Layout, gzip
from tests.support.mirror_in_process import InProcessMirror
from tests.support.pulls import Upstream
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from store import Store
    from tests.support.faulty_registry import Action

LARGE: Final = gzip(layer("large", random.Random(1).randbytes(1 << 20)))
CUT: Final = 600_000
BLOB: Final = f"/blobs/{Digest.of(LARGE.data)}"
MANIFEST: Final = "/manifests/"
CHALLENGE: Final = {
    "WWW-Authenticate": 'Bearer realm="http://{host}/token",service="x",scope="repository:a:pull"'
}
TOKEN: Final = Answer(200, {"Content-Type": "application/json"}, b'{"token":"t"}')
NAME: Final = "docker.io/team/app:1"


async def _no_pause(_seconds: float) -> None:
    return None


@final
class Through:
    """A mirror that pulls through, with its clock, and requests to it."""

    def __init__(self, store: Store, layout: Layout) -> None:
        self.store = store
        self.now = datetime(2026, 1, 2, tzinfo=UTC)
        self._layout = layout

    @contextmanager
    def serving(self, url: str, **settings: Any) -> Iterator[None]:  # noqa: ANN401 - any setting
        """Serve the images of the registry at a URL."""

        @asynccontextmanager
        async def opened(store: Store) -> AsyncIterator[PullThrough]:
            upstreams = Upstreams([UpstreamRegistry.parse(f"docker.io={url}")])
            options = {"retries": 1, "timing": Timing(sleep=_no_pause), **settings}
            async with RegistryClient(
                ClientSettings(**options), registries=upstreams.settings()
            ) as client:
                through = PullThrough(
                    store,
                    upstreams,
                    client,
                    TagRows(store),
                    max_age=timedelta(minutes=1),
                    now=lambda: self.now,
                )
                yield through
                await through.close()

        mirror = MirrorSettings(access=Access(), through=opened)
        with InProcessMirror(self.store, mirror, uvloop.new_event_loop) as self.ask:
            yield

    def pull(self) -> tuple[int, str]:
        """Pull the image as a client does, until the first error.

        Returns:
            The status of the error, 0 if a transfer was cut off, or 200; and the error's message.
        """
        answer = self.ask("GET", "/v2/team/app/manifests/1", Accept=OCI_MANIFEST)
        if answer.status != 200:
            return answer.status, _message(answer.body)
        document = json.loads(answer.body)
        for link in (document["config"], *document["layers"]):
            try:
                answer = self.ask("GET", f"/v2/team/app/blobs/{link['digest']}")
            except (OSError, http.client.HTTPException):
                return 0, ""
            if answer.status != 200:
                return answer.status, _message(answer.body)
            # No client gets a whole blob with false bytes.
            assert answer.body == self._layout.blobs[link["digest"]]
        return 200, ""

    def pull_later(self) -> bool:
        """Let time pass, so that failures are forgotten; return whether a pull has everything."""
        self.now += timedelta(hours=2)
        return self.pull() == (200, "")

    def names(self) -> list[str]:
        """Return the names that the store has."""
        return [str(one) for one in self.store.names("", 9)]


def _message(body: bytes) -> str:
    (error,) = json.loads(body)["errors"]
    message: str = error["message"]
    return message


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Upstream, Layout]]:
    layout = Layout()
    layout.root(layout.image(LARGE), NAME)
    with Upstream(tmp_path_factory.mktemp("source")) as upstream:
        upstream.serve(layout)
        yield upstream, layout


@pytest.fixture
def registry(source: tuple[Upstream, Layout]) -> FaultyRegistry:
    source[0].registry.clear()
    source[0].registry.always(TOKEN, path="/token")
    return source[0].registry


@pytest.fixture
def through(store: Store, source: tuple[Upstream, Layout]) -> Through:
    return Through(store, source[1])


HEALED: Final[dict[str, tuple[Action, str, str]]] = {
    "a cut blob": (CutAfter(CUT), "GET", BLOB),
    "a blob that stops": (HangAfter(CUT), "GET", BLOB),
    "a cut manifest": (CutAfter(10), "GET", MANIFEST),
    "a failure": (Answer(503), "GET", BLOB),
    "a gateway that fails": (Answer(502), "", MANIFEST),
    "a token that expires": (Answer(401, CHALLENGE), "GET", BLOB),
}


def _patience(action: Action) -> dict[str, Any]:
    """Return the settings of the client: only a registry that stops needs a time limit."""
    return {"idle_timeout_s": 4.0} if isinstance(action, HangAfter) else {}


@pytest.mark.parametrize("name", HEALED)
def test_a_client_does_not_see_a_fault_that_passes(
    through: Through, registry: FaultyRegistry, name: str
) -> None:
    action, method, path = HEALED[name]
    registry.inject(action, method=method, path=path)
    with through.serving(f"http://{registry.host}", **_patience(action)):
        assert through.pull() == (200, "")
        until(lambda: through.names() == [NAME])
    requests = registry.requests("GET", BLOB)
    assert len(requests) == 1 + (path == BLOB)
    if isinstance(action, CutAfter | HangAfter) and path == BLOB:
        assert requests[1].headers["Range"] == f"bytes={CUT}-"
    assert list(through.store.fsck()) == []


ENDED: Final[dict[str, tuple[tuple[Action, str, str], set[int]]]] = {
    "a blob that never begins": ((CutAfter(0), "GET", BLOB), {0, 503}),
    "a blob that stops": ((HangAfter(0), "GET", BLOB), {0, 503}),
    "wrong bytes": ((Rewrite(flip=True), "GET", BLOB), {0}),
    "fewer bytes": ((Answer(200, {}, b"short"), "GET", BLOB), {0, 503}),
    "more bytes": ((Answer(200, {}, LARGE.data + b"more"), "GET", BLOB), {0, 503}),
    "an endless blob": ((Endless(), "GET", BLOB), {0, 503}),
    "an endless manifest": ((Endless({"Content-Type": OCI_MANIFEST}), "GET", MANIFEST), {503}),
    "no credentials": ((Answer(401), "", MANIFEST), {503}),
    "a token that is never enough": ((Answer(401, CHALLENGE), "GET", BLOB), {0, 503}),
    "no permission": ((Answer(403), "", MANIFEST), {503}),
    "no manifest": ((Answer(404), "", MANIFEST), {404}),
    "no blob": ((Answer(404), "", BLOB), {0, 404}),
    "a rate limit": ((Answer(429, {"Retry-After": "9"}), "", MANIFEST), {429}),
    "a failure": ((Answer(500), "", MANIFEST), {503}),
    "redirects in a circle": (
        (Answer(307, {"Location": "http://{host}" + f"/v2/team/app{BLOB}"}), "GET", BLOB),
        {0, 503},
    ),
    "a redirect to a file": (
        (Answer(307, {"Location": "file:///etc/passwd"}), "GET", BLOB),
        {0, 503},
    ),
    "a digest that is false": (
        (Rewrite({"Docker-Content-Digest": f"sha256:{'0' * 64}"}), "GET", MANIFEST),
        {503},
    ),
    "a media type that is false": (
        (Rewrite({"Content-Type": OCI_INDEX}), "GET", MANIFEST),
        {503},
    ),
    "a manifest that is cut": ((CutAfter(10), "GET", MANIFEST), {503}),
    "no HTTP": ((Garbage(), "", MANIFEST), {503}),
}


@pytest.mark.parametrize("name", ENDED)
def test_a_fault_that_stays_is_one_answer_and_leaves_no_image(
    through: Through, registry: FaultyRegistry, name: str
) -> None:
    (action, method, path), statuses = ENDED[name]
    registry.always(action, method=method, path=path)
    with through.serving(f"http://{registry.host}", **_patience(action)):
        status, message = through.pull()
        assert status in statuses, message
        if status:
            assert f"{registry.host}/team/app" in message
            assert "\n" not in message
        assert through.names() == []
        registry.clear()
        registry.always(TOKEN, path="/token")
        # The mirror may note a failure only after it has answered.
        until(through.pull_later)
        until(lambda: through.names() == [NAME])
    assert list(through.store.fsck()) == []


@pytest.mark.parametrize("fault", ["an unknown host", "nobody listens", "an unknown certificate"])
def test_an_upstream_that_cannot_be_reached_is_named(
    through: Through, tmp_path: Path, fault: str
) -> None:
    context, made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), make_certificate(tmp_path)
    context.load_cert_chain(made.chain, made.key)
    with FaultyRegistry(tls=context) as trusted_by_nobody:
        url = {
            "an unknown host": "https://registry.invalid",
            "nobody listens": "http://127.0.0.1:9",
            "an unknown certificate": f"https://{trusted_by_nobody.host}",
        }[fault]
        with through.serving(url):
            status, message = through.pull()
    assert status == 503
    assert f"{url.partition('://')[2]}/team/app" in message
    assert through.names() == []


def test_an_image_that_is_stored_survives_every_fault(
    through: Through, registry: FaultyRegistry
) -> None:
    with through.serving(f"http://{registry.host}", idle_timeout_s=4.0):
        assert through.pull() == (200, "")
        until(lambda: through.names() == [NAME])
        for (action, _, path), _ in ENDED.values():
            if path == MANIFEST:
                registry.clear()
                registry.always(action)
                through.now += timedelta(hours=2)
                assert through.pull() == (200, ""), action
        assert through.names() == [NAME]
