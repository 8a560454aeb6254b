"""A throw-away store, a clock that stands still, and nothing of the user's environment."""

from __future__ import annotations

import io
import os
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

import exporter
from store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A run in the background of a shell, or under nohup, ignores these signals, and so would everything that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# How long an example takes says nothing on a machine that does other things as well. In CI the examples are the same every time.
settings.register_profile("storectl", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ, print_blob=True)
settings.load_profile("storectl")

GOLDEN = Path(__file__).parent / "golden"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("STORECTL_ROOT", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(root: Path) -> Iterator[Store]:
    with Store.open(root, create=True, clock=lambda: NOW) as opened:
        yield opened


@pytest.fixture(params=["file", "pipe"])
def take_in(request: pytest.FixtureRequest, store: Store, tmp_path: Path) -> Callable[[bytes], object]:
    """Imports bytes, once as a file that can be sought and once as a stream."""

    def from_file(data: bytes) -> object:
        path = tmp_path / "archive.tar"
        path.write_bytes(data)
        return store.import_archive(path)

    def from_pipe(data: bytes) -> object:
        return store.import_archive(io.BytesIO(data))

    return from_file if request.param == "file" else from_pipe


@pytest.fixture
def save(store: Store) -> Callable[..., bytes]:
    def run(*names: str) -> bytes:
        out = io.BytesIO()
        with exporter.open_save(store, names) as export:
            export.write(out)
            assert len(out.getvalue()) == export.size_bytes
        return out.getvalue()

    return run
