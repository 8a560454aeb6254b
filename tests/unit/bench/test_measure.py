from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from bench import measure
from bench.corpora.generated import ImageSpec, LayerSpec, layer_tar, write_archive
from store import Store

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


def test_a_run_is_measured_with_its_children() -> None:
    code = (
        "import subprocess, sys, time; subprocess.run([sys.executable, '-c', 'd = bytearray(96 << 20); import time; time.sleep(0.3); sum(range(3_000_000))'])"
    )
    sample = measure.run(python(code))
    assert sample.wall_s > 0.3
    assert sample.cpu_s > 0.03
    assert sample.peak_bytes > 96 * MIB


def test_what_lay_on_disk_and_went_again_is_temporary(tmp_path: Path) -> None:
    code = """
import os, sys, time
with open(sys.argv[1] + '/stays', 'wb') as file: file.write(os.urandom(1 << 20))
with open(sys.argv[1] + '/goes', 'wb') as file: file.write(os.urandom(4 << 20))
time.sleep(0.5)
os.unlink(sys.argv[1] + '/goes')
with open(sys.argv[1] + '/nameless', 'wb') as file:
    os.unlink(sys.argv[1] + '/nameless')
    file.write(os.urandom(6 << 20))
    file.flush()
    time.sleep(0.5)
"""
    sample = measure.run(python(code, str(tmp_path)), watch=[tmp_path])
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
