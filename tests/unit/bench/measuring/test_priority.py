from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.measuring import priority

if TYPE_CHECKING:
    from pathlib import Path


def test_the_priority_is_restored_after_an_interrupt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = tmp_path / "autogroup"
    group.write_text("/autogroup-42 nice 3\n")
    monkeypatch.setattr(priority, "_OWN", group)

    def measure() -> None:
        with priority.first() as is_first:
            assert is_first
            assert group.read_text() == "-20"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure()
    assert group.read_text() == "3"


def test_a_system_without_groups_runs_at_its_usual_priority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(priority, "_OWN", tmp_path / "absent")
    with priority.first() as is_first:
        assert not is_first
    priority.also(0)
