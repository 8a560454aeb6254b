"""The demo of the README: it succeeds, says what it promises, and would notice a difference."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.compare_golden import compare

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"


def test_the_demo_shows_every_golden_archive_come_back_equal(tmp_path: Path) -> None:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "TMPDIR": str(tmp_path),
    }
    done = subprocess.run(
        ["bash", "scripts/demo.sh"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    verdicts = [
        line
        for line in done.stdout.splitlines()
        if ".tar  " in line or line.endswith("byte for byte")
    ]
    assert {line.split()[0] for line in verdicts if "equal" in line} == {
        path.name for path in GOLDEN.glob("*.tar")
    }
    assert "DIFFERENT" not in done.stdout
    assert not list(tmp_path.iterdir()), "the throw-away store is thrown away"


@pytest.mark.parametrize("archive", ["single-layer.tar", "duplicate-layers.tar"])
def test_a_flipped_byte_is_a_difference(archive: str, tmp_path: Path) -> None:
    data = (GOLDEN / archive).read_bytes()
    for offset in (0, 100, 512 + 124, len(data) // 2, len(data) - 1500, len(data) - 1):
        changed = bytearray(data)
        changed[offset] ^= 1
        got = tmp_path / f"{offset}.tar"
        got.write_bytes(changed)
        assert compare(GOLDEN / archive, got) is None, offset


@pytest.mark.parametrize("archive", sorted(GOLDEN.glob("*.tar")), ids=lambda path: path.name)
def test_an_archive_is_equal_to_itself(archive: Path) -> None:
    assert compare(archive, archive) == "equal, byte for byte"
