"""Logins of other programs that storectl reads, and logins of storectl that they read."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

import bcrypt
import pytest

from tests.support.engine import program, require
from tests.support.guarded_registry import VARIABLES
from tests.support.peers.process import Server, free_port, listens

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

pytestmark = pytest.mark.interop

CONFIG: Final = """version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {folder}/data}}}}
http: {{addr: "127.0.0.1:{port}"}}
auth: {{htpasswd: {{realm: test, path: {folder}/users}}}}
"""
USER: Final = ("alice", "correct horse")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start Debian's docker-registry with one user."""
    require("docker-registry")
    folder, port = tmp_path_factory.mktemp("registry"), free_port()
    user, password = USER
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(5)).decode()
    (folder / "users").write_text(f"{user}:{hashed}\n")
    (folder / "config.yml").write_text(CONFIG.format(folder=folder, port=port))
    command = [program("docker-registry"), "serve", f"{folder}/config.yml"]
    server = Server(command, folder / "log", dict(os.environ)).await_start(lambda: listens(port))
    yield f"localhost:{port}"
    server.stop()


@pytest.fixture(scope="module")
def tls_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Start docker-registry with TLS, for clients with a certificate, and without users.

    Yields:
        The registry, and the folder with the certificates: one for the server and the client.
    """
    require("docker-registry", "openssl")
    folder, port = tmp_path_factory.mktemp("tls"), free_port()
    command = (
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-nodes", "-days", "2", "-subj", "/CN=localhost"),
        *("-addext", "subjectAltName=DNS:localhost"),
        *("-keyout", f"{folder}/key", "-out", f"{folder}/cert"),
    )
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    text = CONFIG.format(folder=folder, port=port).replace(
        f'{{addr: "127.0.0.1:{port}"}}',
        f'{{addr: "127.0.0.1:{port}", tls: {{certificate: {folder}/cert, key: {folder}/key,'
        f" clientcas: [{folder}/cert]}}}}",
    )
    (folder / "config.yml").write_text(text.rpartition("auth:")[0])
    server = Server(
        [program("docker-registry"), "serve", f"{folder}/config.yml"],
        folder / "log",
        dict(os.environ),
    ).await_start(lambda: listens(port))
    yield f"localhost:{port}", folder
    server.stop()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return an environment with an empty home folder."""
    for name in ("home", "run"):
        (tmp_path / name).mkdir(mode=0o700)
    kept = {name: value for name, value in os.environ.items() if name.upper() not in VARIABLES}
    return {**kept, "HOME": str(tmp_path / "home"), "XDG_RUNTIME_DIR": str(tmp_path / "run")}


def run(environment: Mapping[str, str], *command: str, code: int = 0) -> str:
    done = subprocess.run(
        command,
        env=environment,
        input=USER[1],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def peer(name: str) -> str:
    """Return a program, or skip the test."""
    require(name)
    return program(name)


LOGINS: Final = {
    "podman": ("login", "--tls-verify=false", "-u", USER[0], "--password-stdin"),
    "skopeo": ("login", "--tls-verify=false", "-u", USER[0], "--password-stdin"),
    "buildah": ("login", "--tls-verify=false", "-u", USER[0], "--password-stdin"),
    "crane": ("auth", "login", "-u", USER[0], "--password-stdin"),
    "oras": ("login", "--plain-http", "-u", USER[0], "--password-stdin"),
}


@pytest.mark.parametrize("name", LOGINS)
def test_a_login_of_another_program_is_read(
    name: str, registry: str, environment: dict[str, str]
) -> None:
    run(environment, peer(name), *LOGINS[name], registry)
    said = run(environment, "storectl", "login", registry)
    assert "Authenticating with existing credentials" in said
    assert "Login Succeeded" in said
    said = run(environment, "storectl", "logout", registry)
    assert f"Removed login credentials for {registry}" in said
    assert "not a terminal" in run(environment, "storectl", "login", registry, code=2)


READERS: Final = {
    "podman": ("login", "--get-login"),
    "skopeo": ("list-tags", "--tls-verify=false"),
    "crane": ("catalog",),
}


@pytest.mark.parametrize("name", READERS)
def test_a_login_of_storectl_is_read_by_another_program(
    name: str, registry: str, environment: dict[str, str]
) -> None:
    reader = peer(name)
    command = (reader, *READERS[name])
    target = f"docker://{registry}/none" if name == "skopeo" else registry
    # Without a login, each program fails; skopeo then reports the missing repository.
    refused = subprocess.run(
        [*command, target], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert refused.returncode != 0
    run(environment, "storectl", "login", "-u", USER[0], "--password-stdin", registry)
    if name == "skopeo":
        said = run(environment, *command, target, code=1)
        assert "unauthorized" in refused.stderr
        assert "unauthorized" not in said
    else:
        said = run(environment, *command, target)
        assert name != "podman" or USER[0] in said


def test_dockers_client_reads_the_login_and_storectl_that_of_docker(
    registry: str, environment: dict[str, str], tmp_path: Path
) -> None:
    """Only the client of docker takes part: its store of credentials, without an engine."""
    docker = peer("docker")
    run(environment, "storectl", "login", "-u", USER[0], "--password-stdin", registry)
    said = run(environment, docker, "logout", registry)
    assert "Removing login credentials" in said
    config = json.loads((tmp_path / "home/.docker/config.json").read_text())
    assert registry not in config.get("auths", {})


@pytest.fixture
def password_store(environment: dict[str, str], tmp_path: Path) -> Iterator[dict[str, str]]:
    """Make a password store with a key without a passphrase."""
    require("docker-credential-pass", "pass", "gpg")
    keys = tmp_path / "gnupg"
    keys.mkdir(mode=0o700)
    found = {**environment, "GNUPGHOME": str(keys), "PASSWORD_STORE_DIR": str(tmp_path / "pass")}
    run(
        found,
        *("gpg", "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""),
        *(
            "--quick-gen-key",
            "storectl <storectl@example.org>",
            "future-default",
            "default",
            "never",
        ),
    )
    run(found, "pass", "init", "storectl@example.org")
    yield found
    run(found, "gpgconf", "--kill", "all")


@pytest.mark.parametrize("setting", ["credsStore", "credHelpers"])
def test_the_helper_of_debian_keeps_the_login_encrypted(
    registry: str, password_store: dict[str, str], tmp_path: Path, setting: str
) -> None:
    config = tmp_path / "home/.docker/config.json"
    config.parent.mkdir()
    helper = "pass" if setting == "credsStore" else {registry: "pass"}
    config.write_text(json.dumps({setting: helper}))
    run(password_store, "storectl", "login", "-u", USER[0], "--password-stdin", registry)
    assert json.loads(config.read_text()) == {setting: helper, "auths": {registry: {}}}
    assert not [
        path
        for path in (tmp_path / "home").rglob("*")
        if path.is_file() and USER[1].encode() in path.read_bytes()
    ]
    listed = json.loads(run(password_store, "docker-credential-pass", "list"))
    assert listed == {registry: USER[0]}
    said = run(password_store, "storectl", "login", registry)
    assert "docker-credential-pass... [Username: alice]" in said
    if shutil.which("crane"):
        run(password_store, "crane", "catalog", registry)
    run(password_store, "storectl", "logout", registry)
    assert json.loads(run(password_store, "docker-credential-pass", "list")) == {}
    assert json.loads(config.read_text())["auths"] == {}


def test_certificates_are_found_where_docker_and_podman_keep_them(
    tls_registry: tuple[str, Path], environment: dict[str, str], tmp_path: Path
) -> None:
    registry, made = tls_registry
    login = ("storectl", "login", "-u", "a", "--password-stdin", "--retry", "0")
    assert "certificate" in run(environment, *login, registry, code=12)
    for program_folder in ("containers", "docker"):
        folder = tmp_path / "home/.config" / program_folder / "certs.d" / registry
        folder.mkdir(parents=True)
        shutil.copy(made / "cert", folder / "ca.crt")
        # The registry wants a certificate as well.
        run(environment, *login, registry, code=12)
        shutil.copy(made / "cert", folder / "client.cert")
        shutil.copy(made / "key", folder / "client.key")
        assert "Login Succeeded" in run(environment, *login, registry)
        if program_folder == "containers":
            podman = (peer("podman"), "login", "-u", "a", "--password-stdin", registry)
            assert "Login Succeeded" in run(environment, *podman)
        named = tmp_path / program_folder
        shutil.move(folder, named)
        run(environment, *login, registry, code=12)
        assert "Login Succeeded" in run(environment, *login, "--cert-dir", str(named), registry)
