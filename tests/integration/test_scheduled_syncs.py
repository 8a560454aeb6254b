"""`serve` runs syncs on a schedule: as a process, from a registry that runs in this process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.faulty_registry import Hang
from tests.support.mirror_process import Mirror
from tests.support.processes import children, is_running
from tests.support.pulls import Upstream
from tests.support.syncs import serve
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Upstream]:
    with Upstream(tmp_path / "upstream") as running:
        serve(running, "team/app", {"1": "a", "2": "b"})
        yield running


def ended(mirror: Mirror) -> list[dict[str, Any]]:
    lines = (line for line in mirror.log.read_text().splitlines() if line.startswith("{"))
    return [one for one in map(json.loads, lines) if one.get("message") == "ended sync"]


def storectl(root: Path, *words: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "storectl", "--root", str(root), *words],
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.fixture
def settings(tmp_path: Path, upstream: Upstream) -> Path:
    (tmp_path / "upstream").mkdir(exist_ok=True)
    (tmp_path / "images.yaml").write_text(
        f"name: nightly\nsources: [{{repository: {upstream.registry.host}/team/app}}]\n"
    )
    file = tmp_path / "serve.toml"
    file.write_text(
        'workers = 2\n[[sync]]\nfile = "images.yaml"\nevery = "24h"\nplain-http = true\n'
    )
    return file


def test_a_server_syncs_once_and_its_runs_can_be_undone(
    settings: Path, upstream: Upstream, tmp_path: Path
) -> None:
    root, host = tmp_path / "store", upstream.registry.host
    with Mirror(root, "--config", str(settings)) as mirror:
        until(lambda: ended(mirror))
        (run,) = ended(mirror)
        assert (run["sync"], run["exit_code"], run["moved"], run["failed"]) == ("nightly", 0, 2, 0)
        # Every worker reports the run, and serves what it has brought.
        for _ in range(4):
            text = mirror.request("GET", "/metrics")[2].decode()
            assert 'storectl_sync_moved_images{sync="nightly"} 2' in text
            assert mirror.request("GET", f"/v2/{host}/team/app/manifests/1")[0] == 200
        assert mirror.request("GET", "/readyz")[2] == b"ok\n"
        # A file that is not valid any more changes nothing.
        settings.write_text(settings.read_text() + "nope = 1\n")
        mirror.process.send_signal(signal.SIGHUP)
        until(lambda: "line 6: unknown setting 'nope' of a sync" in mirror.log.read_text())
    with _again(root, settings) as mirror:
        # The sync has run less than a day ago, and the new one is due.
        until(lambda: [one["sync"] for one in ended(mirror)] == ["nightly", "other"])
    assert run["run"] in storectl(root, "log", run["run"])
    storectl(root, "rollback", run["run"])
    listed = storectl(root, "images").splitlines()
    assert all("<none>" in line for line in listed if host in line)


def _again(root: Path, settings: Path) -> Mirror:
    text = settings.read_text().removesuffix("nope = 1\n")
    (settings.parent / "other.txt").write_text("127.0.0.1:1/absent:1\n")
    settings.write_text(f'{text}[[sync]]\nfile = "other.txt"\nretry = 0\n')
    return Mirror(root, "--config", str(settings))


def test_a_server_that_is_stopped_ends_its_sync_and_keeps_what_was_fetched(
    settings: Path, tmp_path: Path
) -> None:
    root = tmp_path / "store"
    with Mirror(root, "--config", str(settings)) as mirror:
        until(lambda: "began sync" in mirror.log.read_text())
        assert mirror.stop() == 0
    text = mirror.log.read_text()
    # On a fast machine, it may have ended just before.
    assert "stopped sync" in text or ended(mirror)
    with Mirror(root, "--config", str(settings)) as mirror:
        until(lambda: ended(mirror))
    assert ended(mirror)[-1]["exit_code"] == 0


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("every = '1h'\n", "line 1: a sync needs a file"),
        ("file = 'x.yaml'\nevery = '1s'\n", "line 3: invalid every"),
        ("file = 'absent.yaml'\n", "absent.yaml"),
    ],
)
def test_a_server_does_not_start_with_a_sync_that_is_not_valid(
    table: str, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "serve.toml"
    file.write_text(f"[[sync]]\n{table}")
    words = ["--root", str(tmp_path / "store"), "serve", "--config", str(file)]
    done = subprocess.run(
        [sys.executable, "-m", "storectl", *words], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert not (tmp_path / "store").exists()


def test_a_sync_ends_with_the_worker_that_runs_it(
    settings: Path, upstream: Upstream, tmp_path: Path
) -> None:
    def began() -> int:
        return mirror.log.read_text().count("began sync")

    first = "import mirror.jobs.syncs as s; s.LOOK_INTERVAL_S = 0.2"
    upstream.registry.always(Hang(), path="/manifests/")
    with Mirror(tmp_path / "store", "--config", str(settings), first=first) as mirror:
        until(lambda: upstream.registry.count(path="/manifests/") > 0)
        (leader,) = [one for one in children(mirror.process.pid) if children(one)]
        (sync,) = children(leader)
        os.kill(leader, signal.SIGKILL)
        until(lambda: began() == 2)
        # The next one has begun when this one had ended.
        assert not is_running(sync)
        assert ended(mirror) == []
        upstream.registry.clear()
        until(lambda: [one["exit_code"] for one in ended(mirror)] == [0])
        assert began() == 2
