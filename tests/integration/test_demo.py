"""The README's demo succeeds, prints the promised output, and notices a difference."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.compare_golden import CLOCK_TIMES, IDENTICAL, REASON, compare

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"


def test_the_demo_ends_with_a_table_of_identical_archives(tmp_path: Path) -> None:
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
    table = done.stdout[done.stdout.index("ARCHIVE ") :]
    results = {line.split()[0]: line for line in table.splitlines() if ".tar " in line}
    assert set(results) == {path.name for path in GOLDEN.glob("*.tar")}
    clock = {name for name, line in results.items() if line.endswith(CLOCK_TIMES)}
    assert clock == {"duplicate-layers.tar", "parent-and-tags.tar", "timestamps.tar"}
    assert all(line.endswith(IDENTICAL) for name, line in results.items() if name not in clock)
    assert table.endswith(f"5 of 8 archives are byte-identical.\n{REASON}\n")
    assert "DIFFERENT" not in done.stdout
    assert not list(tmp_path.iterdir()), "the temporary store is removed"


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
    assert compare(archive, archive) == IDENTICAL
