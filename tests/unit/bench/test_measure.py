from __future__ import annotations

import itertools
import subprocess
import sys
from typing import TYPE_CHECKING, TypeVar

import pytest

from bench import measure
from bench.corpora.generated import ImageSpec, LayerSpec, layer_tar, write_archive
from store import Store

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
    # The look that is being taken may have begun before: the one after it has seen everything when another one begins.
    until = len(os.listdir(sys.argv[1])) + 2
    while len(os.listdir(sys.argv[1])) < until:
        time.sleep(0.01)
"""


@pytest.fixture
def looks(tmp_path: Path) -> Path:
    """A folder in which a file stands for each look that has begun: so a program can wait until it has been looked at, on a busy machine too."""
    folder = tmp_path / "looks"
    folder.mkdir()
    return folder


def noted(look: Callable[[Argument], Result], looks: Path) -> Callable[[Argument], Result]:
    numbers = itertools.count()

    def looking(at: Argument) -> Result:
        (looks / str(next(numbers))).touch()
        return look(at)

    return looking


def test_a_run_is_measured_with_its_children(looks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "_family", noted(measure._family, looks))
    child = f"{SEEN}\nd = bytearray(96 << 20); time.sleep(0.3); sum(range(3_000_000)); seen()"
    sample = measure.run(
        python(
            "import subprocess, sys; subprocess.run([sys.executable, '-c', *sys.argv[1:]])",
            child,
            str(looks),
        )
    )
    assert sample.wall_s > 0.3
    assert sample.cpu_s > 0.03
    assert sample.peak_bytes > 96 * MIB


def test_what_lay_on_disk_and_went_again_is_temporary(
    tmp_path: Path, looks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "allocated", noted(measure.allocated, looks))
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
    sample = measure.run(python(SEEN + code, str(looks), str(watched)), watch=[watched])
    assert MIB <= sample.disk_bytes < 2 * MIB
    assert 6 * MIB <= sample.temporary_bytes < 8 * MIB


def test_a_failure_is_no_measurement() -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        measure.run(python("import sys; sys.exit('it broke')"))
    assert "it broke" in caught.value.stderr


def test_generated_images_are_the_same_each_time_and_can_be_imported(tmp_path: Path) -> None:
    base, top = LayerSpec(1, 200_000), LayerSpec(2, 100_000, noise=1, one_file=True)
    assert b"".join(layer_tar(base)) == b"".join(layer_tar(base))
    images = [ImageSpec("made:1", (base, top)), ImageSpec("made:2", (base,))]
    for name in ("one.tar", "two.tar"):
        write_archive(tmp_path / name, images)
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    with Store.open(tmp_path / "store", create=True) as store:
        report = store.import_archive(tmp_path / "one.tar")
    assert (report.new_images, report.new_layers) == (2, 2)
