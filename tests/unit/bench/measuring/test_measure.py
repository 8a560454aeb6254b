from __future__ import annotations

import itertools
import subprocess
import sys
from typing import TYPE_CHECKING, TypeVar

import pytest

from bench.measuring import measure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Argument = TypeVar("Argument")
Result = TypeVar("Result")

MIB = 1 << 20


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


SEEN = """
import os, sys, time

def seen():
    # A sample may be in progress. The one after it has seen everything when a third one begins.
    until = len(os.listdir(sys.argv[1])) + 2
    while len(os.listdir(sys.argv[1])) < until:
        time.sleep(0.01)
"""


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """Return a folder in which each sample creates a file when it begins.

    A measured program counts these files to wait for a sample, even on a busy machine.
    """
    folder = tmp_path / "samples"
    folder.mkdir()
    return folder


def noted(take: Callable[[Argument], Result], samples: Path) -> Callable[[Argument], Result]:
    numbers = itertools.count()

    def taking(at: Argument) -> Result:
        (samples / str(next(numbers))).touch()
        return take(at)

    return taking


def test_a_run_is_measured_with_its_children(
    samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "_family", noted(measure._family, samples))
    child = f"{SEEN}\nd = bytearray(96 << 20); time.sleep(0.3); sum(range(3_000_000)); seen()"
    sample = measure.run(
        python(
            "import subprocess, sys; subprocess.run([sys.executable, '-c', *sys.argv[1:]])",
            child,
            str(samples),
        )
    )
    assert sample.wall_s > 0.3
    assert sample.cpu_s > 0.03
    assert sample.peak_bytes > 96 * MIB


def test_disk_space_that_was_freed_again_is_temporary(
    tmp_path: Path, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "allocated", noted(measure.allocated, samples))
    watched = tmp_path / "watched"
    watched.mkdir()
    code = """
with open(sys.argv[2] + '/stays', 'wb') as file: file.write(os.urandom(1 << 20))
with open(sys.argv[2] + '/goes', 'wb') as file: file.write(os.urandom(4 << 20))
seen()
os.unlink(sys.argv[2] + '/goes')
with open(sys.argv[2] + '/nameless', 'wb') as file:
    os.unlink(sys.argv[2] + '/nameless')
    file.write(os.urandom(6 << 20))
    file.flush()
    seen()
"""
    sample = measure.run(python(SEEN + code, str(samples), str(watched)), watch=[watched])
    assert MIB <= sample.disk_bytes < 2 * MIB
    assert 6 * MIB <= sample.temporary_bytes < 8 * MIB


def test_a_failure_raises_the_end_of_standard_error() -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        measure.run(python("import sys; sys.exit('it broke')"))
    assert "it broke" in caught.value.stderr
