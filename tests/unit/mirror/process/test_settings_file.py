"""Settings are read again; an invalid file changes nothing, and one line says so."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mirror.process.settings_file import SettingsFile
from store.errors import InvalidInput

if TYPE_CHECKING:
    import pytest


def test_new_settings_replace_the_old_ones(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    file = SettingsFile(1, lambda: (2, ("listen", "workers")))
    file.refresh(logs=True)
    assert file.value == 2
    assert caplog.messages == [
        "loaded the new settings",
        "these settings need a restart: listen, workers",
    ]
    file.refresh(logs=False)
    assert len(caplog.messages) == 2


def test_an_invalid_file_keeps_the_old_settings(caplog: pytest.LogCaptureFixture) -> None:
    def reread() -> tuple[int, tuple[str, ...]]:
        raise InvalidInput("serve.toml, line 2: unknown setting 'x'")

    file = SettingsFile(1, reread)
    for logs in (False, True):
        file.refresh(logs=logs)
    assert file.value == 1
    (line,) = caplog.messages
    assert line == "cannot load the new settings: serve.toml, line 2: unknown setting 'x'"


def test_without_a_file_nothing_is_read(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    SettingsFile(1).refresh(logs=True)
    assert caplog.messages == []
