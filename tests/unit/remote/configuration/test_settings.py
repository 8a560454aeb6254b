from __future__ import annotations

from typing import TYPE_CHECKING

from remote.configuration.registries_conf import RegistriesConf
from remote.configuration.settings import ConfiguredRegistries
from remote.http.settings import RegistrySettings

if TYPE_CHECKING:
    from pathlib import Path

CONF = RegistriesConf.parse("[[registry]]\nlocation = 'a.io'\ninsecure = true", "r.conf")


def test_files_decide_where_flags_do_not() -> None:
    assert not ConfiguredRegistries(conf=CONF).settings_for("a.io").tls_verify
    assert ConfiguredRegistries(conf=CONF).settings_for("b.io") == RegistrySettings()
    assert ConfiguredRegistries(conf=CONF, tls_verify=True).settings_for("a.io").tls_verify
    assert not ConfiguredRegistries(tls_verify=False).settings_for("b.io").tls_verify
    assert ConfiguredRegistries(plain_http=True).settings_for("b.io").plain_http


def test_certificates_come_from_the_folder_that_was_named_alone(tmp_path: Path) -> None:
    (tmp_path / "certs.d" / "a.io").mkdir(parents=True)
    (tmp_path / "certs.d" / "a.io" / "ca.crt").touch()
    (tmp_path / "own").mkdir()
    for name in ("own.crt", "me.cert", "me.key"):
        (tmp_path / "own" / name).touch()
    folders = (tmp_path / "certs.d",)
    found = ConfiguredRegistries(folders).settings_for("a.io")
    assert found.ca_files == (tmp_path / "certs.d" / "a.io" / "ca.crt",)
    assert ConfiguredRegistries(folders).settings_for("b.io").ca_files == ()
    named = ConfiguredRegistries(folders, certificate_folder=tmp_path / "own").settings_for("a.io")
    assert named.ca_files == (tmp_path / "own" / "own.crt",)
    assert named.client_certificates == (
        (tmp_path / "own" / "me.cert", tmp_path / "own" / "me.key"),
    )


def test_hosts_toml_may_switch_the_check_of_the_certificate_off(tmp_path: Path) -> None:
    (tmp_path / "a.io").mkdir()
    (tmp_path / "a.io" / "hosts.toml").write_text("skip_verify = true")
    assert not ConfiguredRegistries((tmp_path,)).settings_for("a.io").tls_verify
    assert ConfiguredRegistries((tmp_path,), tls_verify=True).settings_for("a.io").tls_verify
