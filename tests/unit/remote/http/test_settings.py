from __future__ import annotations

from remote.http.settings import RegistrySettings, SameSettings


def test_every_registry_has_the_same_settings() -> None:
    settings = RegistrySettings(plain_http=True)
    source = SameSettings(settings)
    assert source.settings_for("a.example") is source.settings_for("b.example") is settings
