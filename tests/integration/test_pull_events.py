"""``serve --record-pulls`` and ``--keep-events``: pulls are recorded, and old events removed."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from store import Store
from tests.support import images
from tests.support.mirror_process import Mirror
from tests.support.pushes import import_archive
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

DEMO, OTHER = "/v2/library/demo/manifests/1", "/v2/library/other/manifests/1"
SLOW = "import mirror.process.pull_log as p; p.INTERVAL_S = 3600.0"
FAST = "import mirror.process.pull_log as p; p.INTERVAL_S = 0.05"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with the image demo:1, also called other:1."""
    with Store.open(tmp_path / "store", create=True) as store:
        import_archive(store, images.image(images.A, tags=("demo:1", "other:1")).bytes())
    return tmp_path / "store"


def events(root: Path, *options: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "storectl", "--root", str(root), "events", "--json", *options]
    found: list[dict[str, Any]] = json.loads(subprocess.check_output(command))
    return found


def pulls(root: Path) -> list[dict[str, str]]:
    return [one["Actor"]["Attributes"] for one in events(root, "--filter", "event=pull")]


def get(mirror: Mirror, path: str, method: str = "GET", **headers: str) -> http.client.HTTPMessage:
    status, answer, _ = mirror.request(
        method, path, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    assert status in (http.client.OK, http.client.NOT_MODIFIED)
    return answer


def test_pulls_of_chosen_repositories_are_recorded(root: Path) -> None:
    with Mirror(root, "--record-pulls", "library/d[a-f]*", first=FAST) as mirror:
        get(mirror, OTHER)
        digest = get(mirror, DEMO)["Docker-Content-Digest"]
        until(lambda: len(pulls(root)) == 1)
        get(mirror, f"/v2/library/demo/manifests/{digest}")
        until(lambda: len(pulls(root)) == 2)
    assert pulls(root) == [
        {"address": "127.0.0.1", "name": "demo:1"},
        {"address": "127.0.0.1", "name": f"demo@{digest}"},
    ]


def test_a_batch_is_recorded_when_the_server_stops(root: Path) -> None:
    with Mirror(root, "--record-pulls", "**", "--workers", "2", first=SLOW) as mirror:
        for _ in range(20):
            get(mirror, DEMO)
        assert pulls(root) == []
        assert mirror.stop(signal.SIGTERM) == 0
    found = pulls(root)
    # Each of the two workers has counted its own.
    assert 1 <= len(found) <= 2
    assert sum(int(one.get("count", 1)) for one in found) == 20


def test_only_whole_answers_to_get_are_pulls(root: Path) -> None:
    with Mirror(root, "--record-pulls", "**", first=SLOW) as mirror:
        tag = get(mirror, DEMO, "HEAD")["ETag"]
        get(mirror, DEMO, If_None_Match=tag)
        status, _, _ = mirror.request("GET", "/v2/library/demo/manifests/none")
        assert status == http.client.NOT_FOUND
        status, _, _ = mirror.request("GET", DEMO, headers={"Sec-Fetch-Site": "cross-site"})
        assert status == http.client.FORBIDDEN
    assert pulls(root) == []


def test_by_default_reads_write_nothing(root: Path) -> None:
    before = events(root)
    with Mirror(root) as mirror:
        get(mirror, DEMO)
    assert events(root) == before


def test_old_events_are_removed_while_the_server_runs(root: Path) -> None:
    with Store.open(root) as store:
        store.tag("demo:1", "demo:2")
    assert len(events(root)) == 2
    with Mirror(root, "--keep-events", "1") as mirror:
        until(lambda: len(events(root)) == 1)
        assert "removed events=" in mirror.log.read_text()
    with Mirror(root, "--keep-events", "0s"):
        until(lambda: events(root) == [])
