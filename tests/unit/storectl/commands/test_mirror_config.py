"""`mirror-config`: one valid file on standard output, all else on standard error or in DIR."""

from __future__ import annotations

import io
import json
import stat
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest
import yaml  # type: ignore[import-untyped]  # the types would be one more dependency

from storectl.commands.mirror_config import CLIENTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.fake_shell import Shell

URL = "http://mirror.example:5000"
TLS = "https://mirror.example:5000"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"
PARSERS: dict[str, Callable[[str], object]] = {
    "docker": json.loads,
    "containerd": tomllib.loads,
    **dict.fromkeys(("podman", "buildah", "skopeo"), tomllib.loads),
    "cri-o": tomllib.loads,
    "k3s": yaml.safe_load,
    "rke2": yaml.safe_load,
    "buildkit": tomllib.loads,
    "openshift": lambda text: list(yaml.safe_load_all(text)),
}


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    path.write_text(f"subject=/CN=x\n{CERTIFICATE}a comment\n{CERTIFICATE}")
    return path


@pytest.fixture
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("opensesame\nmore\n"))


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("url", [URL, TLS])
def test_standard_output_is_one_file_without_a_comment(client: str, url: str, shell: Shell) -> None:
    text = shell("mirror-config", client, url)
    assert PARSERS[client](text)
    assert "#" not in text
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert "mirror.example:5000" in text
    assert shell.err.startswith("place: /")
    assert "note: " in shell.err


@pytest.mark.parametrize("client", CLIENTS)
def test_what_is_printed_is_what_is_written(
    client: str, shell: Shell, tmp_path: Path, authority: Path
) -> None:
    words = ("mirror-config", client, TLS, "--ca", str(authority))
    text = shell(*words)
    told = shell.err
    place = told.partition("place: ")[2].partition("\n")[0]
    written = shell(*words, "--write", str(tmp_path / "host")).splitlines()
    assert written[0] == f"{tmp_path / 'host'}{place}"
    assert (tmp_path / "host" / place[1:]).read_text() == text
    assert all(f"also: {path[len(str(tmp_path / 'host')) :]} with" in told for path in written[1:])
    # A second run replaces the files of the first one.
    assert shell(*words, "--write", str(tmp_path / "host")).splitlines() == written


@pytest.mark.usefixtures("password")
@pytest.mark.parametrize("client", CLIENTS)
def test_password_is_only_in_files_that_their_owner_alone_reads(
    client: str, shell: Shell, tmp_path: Path
) -> None:
    folder = tmp_path / "host"
    words = ("mirror-config", client, TLS, "--user", "alice", "--password-stdin")
    shell(*words, "--write", str(folder))
    secrets = ("opensesame", "YWxpY2U6b3BlbnNlc2FtZQ==")
    assert not any(secret in shell.out + shell.err for secret in secrets)
    found = {path: path.read_text() for path in folder.rglob("*") if path.is_file()}
    holders = [path for path, text in found.items() if any(one in text for one in secrets)]
    assert len(holders) == (0 if client == "openshift" else 1)
    for path in holders:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.usefixtures("password")
def test_password_is_printed_only_if_the_main_file_has_it(shell: Shell) -> None:
    words = (TLS, "--user", "alice", "--password-stdin")
    assert "opensesame" in shell("mirror-config", "k3s", *words)
    assert "(mode 0600)" in shell.err


def test_certificates_are_copied_without_the_text_between_them(
    shell: Shell, tmp_path: Path, authority: Path
) -> None:
    shell("mirror-config", "podman", TLS, "--ca", str(authority), "--write", str(tmp_path / "host"))
    assert (
        tmp_path / "host/etc/containers/certs.d/mirror.example:5000/ca.crt"
    ).read_text() == 2 * CERTIFICATE


def test_file_of_somebody_else_is_a_conflict(shell: Shell, tmp_path: Path) -> None:
    words = ("mirror-config", "docker", URL, "--write", str(tmp_path))
    path = tmp_path / "etc/docker/daemon.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    shell(*words, code=6)
    assert str(path) in shell.err
    assert "--force" in shell.err
    assert path.read_text() == "{}"
    shell(*words, "--force")
    assert URL in path.read_text()


def test_containerd_has_a_file_for_each_registry(shell: Shell, tmp_path: Path) -> None:
    words = ("mirror-config", "containerd", URL, "--upstream", "docker.io", "--upstream", "quay.io")
    shell(*words, code=2)
    assert shell.out == ""
    assert "--write" in shell.err
    written = shell(*words, "--write", str(tmp_path)).splitlines()
    assert [path.removeprefix(str(tmp_path)) for path in written] == [
        "/etc/containerd/certs.d/docker.io/hosts.toml",
        "/etc/containerd/certs.d/quay.io/hosts.toml",
        "/etc/containerd/conf.d/storectl.toml",
    ]


@pytest.mark.parametrize("version", ["2.2", "v2.4.2", "2.3.0-rc.1", "3", "2.2.0~ds1", "2.2+b1"])
def test_version_of_the_client_may_have_more_parts(version: str, shell: Shell) -> None:
    assert "referrers" in shell("mirror-config", "containerd", URL, "--client-version", version)


@pytest.mark.parametrize(
    "words",
    [
        ("docker", "--sealed"),
        ("buildkit", "--sealed"),
        ("podman", "--client-version", "4.3"),
        ("docker", "--client-version", "new"),
        ("docker", "--client-version", "2" * 5),
        ("podman", "--force"),
        ("podman", "--password-stdin"),
        ("podman", "--user", "alice"),
        ("podman", "--user", ""),
        ("podman", "--user", "a:b", "--password-stdin"),
        ("podman", "--user", "a\nb", "--password-stdin"),
    ],
)
def test_wrong_options_are_refused(
    words: tuple[str, ...], shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("word\n"))
    shell("mirror-config", words[0], TLS, *words[1:], code=2)
    assert shell.out == ""


@pytest.mark.parametrize("text", ["", "\n", "a\tb\n", "x" * 1025])
def test_invalid_passwords_are_refused(
    text: str, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    shell("mirror-config", "k3s", TLS, "--user", "alice", "--password-stdin", code=2)
    assert shell.out == ""


@pytest.mark.parametrize("text", ["", "no certificate", CERTIFICATE[:40], "x" * (1 << 20) + "\n"])
def test_invalid_certificates_are_refused(text: str, shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text(text)
    shell("mirror-config", "k3s", TLS, "--ca", str(path), code=4)
    assert shell.out == ""


def test_certificates_need_tls(shell: Shell, authority: Path) -> None:
    shell("mirror-config", "k3s", URL, "--ca", str(authority), code=2)


@pytest.mark.parametrize(
    "url",
    [
        ":5000",
        "http://",
        "ftp://x",
        "http://x/y",
        "http://x?y",
        "http://user:word@x",
        "http://x:99999",
        'http://x"',
        "http://[x]",
    ],
)
def test_invalid_urls_are_refused(url: str, shell: Shell) -> None:
    shell("mirror-config", "docker", url, code=2)
    assert shell.out == ""


@pytest.mark.parametrize(
    "domain", ["", "corp", 'a.b"', "quay.io/team", "quay.io\n[x]", "Quay.io", "a.example_5000"]
)
def test_invalid_upstreams_are_refused(domain: str, shell: Shell) -> None:
    shell("mirror-config", "podman", URL, "--upstream", domain, code=2)
    assert shell.out == ""


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1]:5000",
        "https://mirror.example",
        "mirror",
        "10.0.0.1:80",
        "https://mirror.example/",
    ],
)
def test_valid_urls_are_accepted(url: str, shell: Shell) -> None:
    assert shell("mirror-config", "docker", url)
