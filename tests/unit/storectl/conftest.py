"""Fixtures: a fake store, and a command line that uses the fake store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from storectl import settings
from tests.support.fake_shell import NOW, FakeStore, Shell

if TYPE_CHECKING:
    from collections.abc import Mapping
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
    def resolve(
        root: str | None, environment: Mapping[str, str], *, debug: bool, lock_timeout_s: float
    ) -> settings.Settings:
        del root, environment, lock_timeout_s
        return settings.Settings(tmp_path, debug, lambda: NOW)

    def opened(_self: settings.Settings, **options: bool | None) -> FakeStore:
        fake.opened = options
        return fake

    monkeypatch.setattr(settings, "resolve", resolve)
    monkeypatch.setattr(settings.Settings, "open", opened)
    return Shell(fake, capsys)
