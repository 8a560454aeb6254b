"""Fixtures: a fake store, and a command line that uses the fake store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.fake_shell import FakeStore, Shell, faked_shell

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def fake() -> FakeStore:
    return FakeStore()


@pytest.fixture
def shell(
    fake: FakeStore,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Shell:
    return faked_shell(fake, capsys, monkeypatch, tmp_path)
