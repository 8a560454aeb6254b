"""A temporary store, a fixed clock, and an environment without the user's settings."""

from __future__ import annotations

import gc
import io
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

import exporter
from store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A shell's background job and nohup ignore these signals. Programs that the tests start would
# inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Draw the same examples in every run and set no deadline, so that no change fails by chance or on a
# busy machine. `--hypothesis-profile=search` draws other examples.
settings.register_profile(
    "suite", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "search", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("suite")

LONGEST_TEXT = 100
"""The characters of a string that may stand in a test's name."""
LONGEST_BYTES = 16
"""The bytes that may stand in a test's name: fewer than a gzip stream, which holds the time."""

GOLDEN = Path(__file__).parent / "golden"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a long argument by its parameter.

    pytest writes the whole value into the test's name. Two processes that name a test differently
    refuse to share the work: a compressed value may hold the second in which it was made.

    Returns:
        The name of the parameter, or None if the value is short.
    """
    if isinstance(val, str) and len(val) > LONGEST_TEXT:
        return argname
    if isinstance(val, bytes) and len(val) > LONGEST_BYTES:
        return argname
    return None


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("STORECTL_ROOT", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def own_process() -> Iterator[None]:
    """Restore the settings of this process that `storectl.cli.main` changes.

    These are the signal handlers, the timer, the hook for unraisable exceptions and the garbage
    collector's thresholds. A child process would inherit some of them, for example an ignored
    Ctrl-C.
    """
    handlers = {
        number: signal.getsignal(number)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
    }
    timer, hook, thresholds = (
        signal.getitimer(signal.ITIMER_REAL),
        sys.unraisablehook,
        gc.get_threshold(),
    )
    yield
    signal.setitimer(signal.ITIMER_REAL, *timer)
    for number, handler in handlers.items():
        signal.signal(number, handler)
    sys.unraisablehook = hook
    gc.set_threshold(*thresholds)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(root: Path) -> Iterator[Store]:
    with Store.open(root, create=True, clock=lambda: NOW) as opened:
        yield opened


@pytest.fixture(params=["file", "pipe"])
def import_bytes(
    request: pytest.FixtureRequest, store: Store, tmp_path: Path
) -> Callable[[bytes], object]:
    """Return a function that imports bytes: from a seekable file, or from a stream."""

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
