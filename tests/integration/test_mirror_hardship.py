"""Servers that are killed during requests, and collections while clients work.

Acknowledged content stays, and no other content is left.

A run takes seconds; ``STORECTL_KILLS=100`` and ``STORECTL_CHURN_S=1200`` make it a long one.
"""

from __future__ import annotations

import io
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from store import Store
from store.model.digests import Digest
from store.model.references import Repository
from store.registry.registry import Registry
from store.workspace.workspace import utc_now
from tests.support import images
from tests.support.mirror_process import Mirror
from tests.support.raw_http import BrokenFraming, Closed
from tests.support.registry_client import Client, Image, Refused
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

KILLS = int(os.environ.get("STORECTL_KILLS", "10"))
CHURN_S = float(os.environ.get("STORECTL_CHURN_S", "20"))
PUSHERS = 3
PULLERS = 2
CHURNERS = 4

GONE = (OSError, BrokenFraming, Closed)
"""Errors that a client sees when the server is killed."""


def contents(count: int, seed: int) -> list[bytes]:
    """Return different layers of up to 300 kB, each a tar of one file."""
    chance = random.Random(seed)
    return [
        images.layer(f"{number}.bin", chance.randbytes(chance.randrange(1, 300_000)))
        for number in range(count)
    ]


def assert_complete(store: Store, repository: str, image: Image, tag: str) -> None:
    """Check that the registry can serve an image with all its bytes."""
    registry, name = Registry(store), Repository.parse(f"docker.io/{repository}")
    assert registry.manifest(name, tag).data == image.manifest
    with store.reader() as reader:
        for digest, data in image.blobs.items():
            assert b"".join(reader.chunks(registry.blob(name, Digest.parse(digest)))) == data


# --- kills ----------------------------------------------------------------------------------------


class Round:
    """Clients that work until the server is killed."""

    def __init__(
        self, port: int, number: int, acknowledged: dict[str, Image], shared: list[bytes]
    ) -> None:
        self.findings: list[str] = []
        self.killed = threading.Event()
        self.clients = [
            Client(port, random.Random(f"{number}-{one}")) for one in range(PUSHERS + PULLERS)
        ]
        self._acknowledged = acknowledged
        self._known = list(acknowledged.items())
        self._shared = shared
        work = [self._push] * PUSHERS + [self._pull] * PULLERS
        names = [f"{number}-{one}" for one in range(len(work))]
        self._threads = [
            threading.Thread(target=self._until_killed, args=one)
            for one in zip(work, self.clients, names, strict=True)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def answers(self) -> int:
        """The number of answers that the clients have received."""
        return sum(client.answers for client in self.clients)

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _until_killed(self, work: Callable[[Client, str], None], client: Client, name: str) -> None:
        try:
            while not self.killed.is_set():
                work(client, name)
        except GONE as exc:
            if not self.killed.is_set():
                self.findings.append(f"while the server ran: {exc!r}")
        except (Refused, AssertionError) as exc:
            self.findings.append(str(exc))
        finally:
            client.close()

    def _push(self, client: Client, name: str) -> None:
        tag = f"{name}-{client.chance.randrange(1 << 30)}"
        own = images.layer("own", client.chance.randbytes(client.chance.randrange(200_000)))
        image = Image.of([client.chance.choice(self._shared), own], tag)
        client.push("kills", image, tag)
        self._acknowledged[tag] = image

    def _pull(self, client: Client, _name: str) -> None:
        if not self._known:
            time.sleep(0.01)
            return
        tag, image = client.chance.choice(self._known)
        client.pull("kills", image, tag)


@pytest.mark.timeout(600 + 60 * KILLS)
def test_a_killed_server_keeps_what_it_has_acknowledged(tmp_path: Path) -> None:
    root = tmp_path / "store"
    chance, shared = random.Random(1), contents(5, 2)
    acknowledged: dict[str, Image] = {}
    for number in range(KILLS):
        known = dict(acknowledged)
        mirror = Mirror(root, "-q")
        work = Round(mirror.port, number, acknowledged, shared)
        wanted, deadline = chance.randrange(200), time.monotonic() + PATIENCE_S
        while work.answers < wanted and not work.findings and time.monotonic() < deadline:
            time.sleep(0.002)
        work.killed.set()
        mirror.stop(signal.SIGKILL)
        work.join()
        assert work.findings == [], mirror.log.read_text()[-3000:]
        with Store.open(root) as store:
            # A kill may leave a file without a row; gc removes it.
            assert {finding.kind for finding in store.fsck()} <= {"orphan"}
            if number % 3 == 0:
                store.collect()
                assert list(store.fsck()) == []
            for tag in acknowledged.keys() - known.keys():
                assert_complete(store, "kills", acknowledged[tag], tag)
    assert acknowledged
    with Store.open(root, clock=lambda: utc_now() + timedelta(hours=25)) as later:
        uploads = Registry(later).uploads
        uploads.expire()
        uploads.remove_strays()
        assert list((root / "uploads").iterdir()) == []
        later.collect()
        assert list(later.fsck()) == []
        for tag, image in acknowledged.items():
            assert_complete(later, "kills", image, tag)


# --- collection -----------------------------------------------------------------------------------


class Churner:
    """A client that pushes, pulls and deletes in its own repository.

    All clients share their layers. Each client always knows what its repository must hold.
    """

    def __init__(
        self, port: int, number: int, enough: threading.Event, shared: list[bytes]
    ) -> None:
        self.repository = f"churn/r{number}"
        self.live: dict[str, Image] = {}
        self.findings: list[str] = []
        self.counts = {"push": 0, "pull": 0, "delete": 0}
        self._client = Client(port, random.Random(number))
        self._enough = enough
        self._shared = shared
        self._others = [f"churn/r{other}" for other in range(CHURNERS) if other != number]
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        chance = self._client.chance
        try:
            while not self._enough.is_set():
                what = chance.choice(("push", "pull", "delete")) if self.live else "push"
                if len(self.live) > 12:
                    what = "delete"
                getattr(self, f"_{what}")()
                self.counts[what] += 1
            for tag, image in self.live.items():
                self._client.pull(self.repository, image, tag)
        except (Refused, AssertionError, *GONE) as exc:
            self.findings.append(f"{self.repository}: {exc!r}")
        finally:
            self._client.close()

    def _push(self) -> None:
        chance = self._client.chance
        image = Image.of(
            chance.sample(self._shared, chance.randrange(1, 4)), str(chance.randrange(8))
        )
        tag = f"t{chance.randrange(20)}"
        self._client.push(self.repository, image, tag, others=self._others)
        self.live[tag] = image

    def _pull(self) -> None:
        tag, image = self._client.chance.choice(list(self.live.items()))
        self._client.pull(self.repository, image, tag)
        self._client.pull(self.repository, image)

    def _delete(self) -> None:
        tag = self._client.chance.choice(list(self.live))
        image = self.live[tag]
        self._client.delete(self.repository, f"manifests/{image.digest}")
        # Deleting the manifest has removed its other tags.
        self.live = {one: other for one, other in self.live.items() if other.digest != image.digest}
        used = {digest for other in self.live.values() for digest in other.blobs}
        for digest in image.blobs:
            if digest not in used:
                # The blobs of a deleted image have no grace period.
                self._client.delete(self.repository, f"blobs/{digest}", may_be_gone=True)


def done_so_far(churners: Sequence[Churner]) -> dict[str, int]:
    """Return, for each action, how often all clients together have done it."""
    return {what: sum(churner.counts[what] for churner in churners) for what in churners[0].counts}


@contextmanager
def stopping(enough: threading.Event) -> Iterator[None]:
    """Stop all clients at the end of the block, even if the block fails."""
    try:
        yield
    finally:
        enough.set()


@pytest.mark.timeout(600 + CHURN_S)
def test_collection_beside_pushes_pulls_and_deletes_loses_nothing(tmp_path: Path) -> None:
    root = tmp_path / "store"
    shared = contents(16, 3)
    freed = 0
    with Mirror(root, "-q") as mirror:
        began, enough = time.monotonic(), threading.Event()
        churners = [Churner(mirror.port, number, enough, shared) for number in range(CHURNERS)]

        def run_for() -> bool:
            """Return whether clients go on: until the time is over and every action was done once.

            A missing action is given `PATIENCE_S` more, as long as a client still runs.
            """
            took_s = time.monotonic() - began
            missing = freed == 0 or min(done_so_far(churners).values()) == 0
            return took_s < CHURN_S or (
                missing
                and took_s < CHURN_S + PATIENCE_S
                and any(churner.thread.is_alive() for churner in churners)
            )

        chance = random.Random(4)
        with stopping(enough), Store.open(root) as store:
            while run_for():
                # Import and remove the same layers as archives too.
                one = images.image(*chance.sample(shared, 2), tags=("churn/archive:1",)).bytes()
                store.import_archive(io.BytesIO(one))
                freed += store.collect().freed_bytes
                store.remove("churn/archive:1")
                freed += store.collect(dangling=True).freed_bytes
                done = subprocess.run(
                    [sys.executable, "-m", "storectl", "--root", str(root), "gc"],
                    capture_output=True,
                    text=True,
                    timeout=300,
                    check=False,
                )
                assert done.returncode == 0, done.stderr
        for churner in churners:
            churner.thread.join()
        assert [finding for churner in churners for finding in churner.findings] == [], (
            mirror.log.read_text()[-3000:]
        )
        assert mirror.stop() == 0
    counts = done_so_far(churners)
    print(counts, f"freed {freed} bytes")  # noqa: T201 - for long runs
    assert min(counts.values()) > 0
    assert freed > 0
    log = mirror.log.read_text()
    assert "Traceback" not in log, log[-3000:]
    with Store.open(root, clock=lambda: utc_now() + timedelta(hours=25)) as later:
        uploads = Registry(later).uploads
        uploads.expire()
        uploads.remove_strays()
        assert list((root / "uploads").iterdir()) == []
        later.collect(dangling=True)
        assert list(later.fsck()) == []
        for churner in churners:
            for tag, image in churner.live.items():
                assert_complete(later, churner.repository, image, tag)
