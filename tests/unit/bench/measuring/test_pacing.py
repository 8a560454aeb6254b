from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.measuring import pacing

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "tcp_congestion_control"
    path.write_text("bbr\n")
    monkeypatch.setattr(pacing, "SETTING", path)
    return path


def test_the_setting_is_restored_after_an_interrupt(setting: Path) -> None:
    def measure() -> None:
        with pacing.none() as unpaced:
            assert unpaced
            assert pacing.current() == "cubic"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure()
    assert setting.read_text().strip() == "bbr"


@pytest.mark.parametrize(("before", "unpaced"), [("bbr", False), ("cubic", True)])
def test_without_permission_the_setting_is_only_read(
    before: str,
    unpaced: bool,
    setting: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    setting.write_text(before)

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(type(setting), "write_text", refuse)
    with pacing.none() as found:
        assert found is unpaced


def test_a_system_without_the_setting_is_unknown(
    setting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing, "SETTING", tmp_path / "none" / "such")
    with pacing.none() as found:
        assert not found
    assert pacing.current() == "unknown"
    assert setting.exists()
