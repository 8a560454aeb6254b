"""A Debian image with apt layers, built in Docker, is imported and saved byte for byte.

Memory stays small, and only the store and the output are written.

STORECTL_INTEROP_DEBIAN gives the size: ``small`` as in CI, or ``full`` for an image of at least 800
MB.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.support import debian
from tests.support.engine import require
from tests.support.traced_commands import measured, outside, written_paths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.engine import Engine

pytestmark = [
    pytest.mark.interop,
    pytest.mark.slow,
    pytest.mark.xdist_group("debian"),
    pytest.mark.timeout(1800),
]

SIZE: Final = os.environ.get("STORECTL_INTEROP_DEBIAN", "small")
AT_LEAST: Final = {"small": 200_000_000, "full": 800_000_000}[SIZE]
PEAK_KIB: Final = 150 * 1024
NAME: Final = "debian/apt:layers"
STORECTL: Final = Path(sys.executable).with_name("storectl")
DEVICES: Final = (Path("/dev/null"), Path("/dev/tty"))


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder for copies of the image; remove it at the end of the module.

    pytest would keep its own folders for the next three runs.
    """
    with tempfile.TemporaryDirectory(prefix="debian-") as name:
        yield Path(name)


@pytest.fixture
def archive(docker: Engine, folder: Path) -> Path:
    """Return the archive that Docker saves of the image."""
    require("debootstrap", "strace", "cmp", "tar")
    debian.build(docker, folder, NAME, debian.STEPS[SIZE])
    path = folder / "docker.tar"
    with path.open("wb") as file:
        docker.save_to([NAME], file)
    docker.clear()
    return path


def assert_equal(one: Path, other: Path) -> None:
    done = subprocess.run(["cmp", one, other], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_writes_elsewhere_are_noticed(folder: Path) -> None:
    require("strace")
    made = folder / "made"
    script = (
        f"cd {folder}; echo x > stray; mkdir {made}; mv stray made/moved; ln -s made link; rm link;"
        " cat < made/moved > /dev/null"
    )
    written = written_paths(folder / "trace", "sh", "-c", script)
    assert outside(written, (made, *DEVICES)) == [str(folder / name) for name in ("link", "stray")]
    in_a_thread = (
        "import threading; from pathlib import Path;"
        f" threading.Thread(target=Path('{folder}/thread').write_bytes, args=(b'x',)).start()"
    )
    assert outside(
        written_paths(folder / "again", sys.executable, "-S", "-c", in_a_thread), DEVICES
    ) == [str(folder / "thread")]


def test_a_debian_image_comes_out_as_docker_saved_it(
    archive: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert archive.stat().st_size >= AT_LEAST
    temporary = folder / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    saved = folder / "saved.tar"
    storectl = (STORECTL, "--root", folder / "store")
    piped = (STORECTL, "--root", folder / "piped")

    runs = {
        "import -i FILE": measured(folder, *storectl, "import", "-q", "-i", archive),
        "save -o FILE": measured(folder, *storectl, "save", "-o", saved, NAME),
    }
    assert_equal(archive, saved)
    with subprocess.Popen(["cat", archive], stdout=subprocess.PIPE) as cat:
        runs["import from a pipe"] = measured(folder, *piped, "import", "-q", stdin=cat.stdout)
    with saved.open("wb") as file:
        runs["save to standard output"] = measured(folder, *piped, "save", NAME, stdout=file)
    assert_equal(archive, saved)
    shutil.rmtree(folder / "piped")

    # This test has its own store and output, so that the trace has every file that is made for
    # them.
    watched, target = folder / "watched", folder / "output" / "saved.tar"
    target.parent.mkdir()
    written = written_paths(
        folder / "import-trace", STORECTL, "--root", watched, "import", "-q", "-i", archive
    )
    written += written_paths(
        folder / "save-trace", STORECTL, "--root", watched, "save", "-o", target, NAME
    )
    assert_equal(archive, target)
    assert any(path.startswith(f"{watched}/blobs/") for path in written)
    assert any(path.startswith(str(target.parent)) for path in written)
    assert outside(written, (watched, target.parent, *DEVICES)) == []
    # During the save, an unfinished file lies beside the output.
    assert [one.name for one in target.parent.iterdir()] == [target.name]
    assert list(temporary.iterdir()) == []

    figures = [
        f"{SIZE} Debian image, {archive.stat().st_size:,} bytes; equal",
        f"  {len(written)} paths written, in the store and the output alone",
    ]
    figures += [
        f"  {what:24} {run.seconds:6.2f} s   VmHWM {run.peak_kib:,} KiB"
        for what, run in runs.items()
    ]
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(figures) + "\n")
    assert {what: run.peak_kib for what, run in runs.items() if run.peak_kib > PEAK_KIB} == {}
