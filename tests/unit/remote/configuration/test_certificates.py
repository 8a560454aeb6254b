from __future__ import annotations

from pathlib import Path

import pytest

from remote.configuration import certificates
from remote.configuration.certificates import (
    Certificates,
    certificate_folders,
    certificates_for,
    certificates_in,
)
from store.errors import InvalidInput


def filled(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_the_folders_of_the_user_come_before_those_of_the_system() -> None:
    system = tuple(Path("/etc", name, "certs.d") for name in ("containers", "docker", "containerd"))
    assert certificate_folders({}) == system
    assert certificate_folders({"HOME": "/home/me"}) == (
        Path("/home/me/.config/containers/certs.d"),
        Path("/home/me/.config/docker/certs.d"),
        *system,
    )
    assert certificate_folders({"XDG_CONFIG_HOME": "/c"})[0] == Path("/c/containers/certs.d")


def test_authorities_and_pairs_are_told_by_their_names(tmp_path: Path) -> None:
    one = filled(tmp_path / "a" / "q.io:5000", "ca.crt", "me.cert", "me.key", "hosts.toml", "b.pem")
    two = filled(tmp_path / "b" / "q.io:5000", "other.crt", "lone.key")
    filled(tmp_path / "b" / "q.io", "wrong.crt")
    folders = (tmp_path / "a", tmp_path / "none", tmp_path / "b")
    assert certificates_for("q.io:5000", folders) == Certificates(
        (one / "ca.crt", two / "other.crt"), ((one / "me.cert", one / "me.key"),)
    )
    assert certificates_for("quay.io", folders) == Certificates()


def test_a_certificate_without_a_key_is_refused_with_both_names(tmp_path: Path) -> None:
    filled(tmp_path / "q.io", "me.cert")
    with pytest.raises(InvalidInput, match=r"the certificate me\.cert has no key me\.key"):
        certificates_in(tmp_path / "q.io")


@pytest.mark.parametrize("registry", ["", ".", "..", "../etc", "a/b"])
def test_a_name_never_leads_out_of_the_folder(tmp_path: Path, registry: str) -> None:
    filled(tmp_path / "certs.d", "ca.crt")
    (tmp_path / "ca.crt").touch()
    assert certificates_for(registry, (tmp_path / "certs.d",)) == Certificates()


def test_a_folder_with_too_many_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates, "MAX_FILES", 2)
    folder = filled(tmp_path / "q.io", "a", "b", "c")
    with pytest.raises(InvalidInput, match="more than 2 files"):
        certificates_in(folder)


def test_a_file_in_place_of_the_folder_has_no_certificates(tmp_path: Path) -> None:
    (tmp_path / "q.io").touch()
    assert certificates_in(tmp_path / "q.io") == Certificates()


def test_hosts_toml_adds_to_the_files_of_its_folder(tmp_path: Path) -> None:
    folder = filled(tmp_path / "q.io", "ca.crt", "other.pem")
    (folder / "hosts.toml").write_text("ca = ['ca.crt', 'other.pem']\nskip_verify = true")
    assert certificates_for("q.io", (tmp_path,)) == Certificates(
        (folder / "ca.crt", folder / "other.pem"), (), skip_verify=True
    )
