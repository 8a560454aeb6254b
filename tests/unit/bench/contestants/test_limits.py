from __future__ import annotations

from typing import TYPE_CHECKING

from bench.contestants.limits import Bare

if TYPE_CHECKING:
    from pathlib import Path


def test_the_cost_of_bare_work_is_that_of_every_file(tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"data")
    large.write_bytes(bytes(1 << 25))
    one = Bare("sha256", "sha256", lambda: [small]).run()
    both = Bare("sha256", "sha256", lambda: [small, large]).run()
    assert 0 < one.wall_s < both.wall_s
    assert one.cpu_s < both.cpu_s
    assert one.peak_bytes == 0
