"""The mirror as clients use it: over plain HTTP without a user, or over TLS with a user."""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import subprocess
from typing import TYPE_CHECKING, Final, Self, final

import bcrypt

from store import Store
from store.errors import StoreError
from store.model.digests import Digest
from store.model.references import Repository
from store.registry.registry import Registry
from tests.support.mirror_process import Mirror
from tests.support.peers.buildah import Buildah
from tests.support.peers.containerd import Containerd
from tests.support.peers.podman import Podman
from tests.support.peers.process import Programs

if TYPE_CHECKING:
    from pathlib import Path

    from store.registry.registry import ServedManifest

USER: Final = "alice"
PASSWORD: Final = "open sesame"  # noqa: S105 - not a secret: the server belongs to the test


@final
class Endpoint:
    """A mirror with its own store, and clients configured for the mirror; closing stops all."""

    def __init__(self, folder: Path, *, tls: bool) -> None:
        folder.mkdir()
        self._stack = contextlib.ExitStack()
        self.folder = folder
        self.tls = tls
        self.title = "TLS, as a user" if tls else "HTTP"
        self.authority = folder / "server.pem"
        options = ["-q"]
        if tls:
            options += [*_certificate(folder), *_users(folder), "--no-anonymous"]
        self.mirror = self._stack.enter_context(Mirror(folder / "store", *options))
        self.host = self.mirror.host
        (folder / "auth").mkdir()
        account = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        accounts = folder / "auth" / "config.json"
        accounts.write_text(json.dumps({"auths": {self.host: {"auth": account}} if tls else {}}))
        own = {"DOCKER_CONFIG": str(accounts.parent), "REGISTRY_AUTH_FILE": str(accounts)} | (
            {"SSL_CERT_FILE": str(self.authority)} if tls else {}
        )
        self.programs = Programs(folder / "programs", **own)
        self.podman = Podman(self.programs, folder / "podman")
        self.buildah = Buildah(self.programs, folder / "buildah")
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stack.close()

    @functools.cached_property
    def containerd(self) -> Containerd:
        """A containerd with this endpoint as its mirror."""
        daemon = Containerd(self.programs, self.folder / "ctrd")
        self._stack.callback(daemon.stop)
        return daemon

    @functools.cached_property
    def containerd_2(self) -> Containerd:
        """A containerd 2 with this endpoint as its mirror."""
        daemon = Containerd(self.programs, self.folder / "ctrd2", suffix="-2")
        self._stack.callback(daemon.stop)
        return daemon

    @property
    def engine_account(self) -> str:
        """The user's account, encoded for Docker Engine's header X-Registry-Auth."""
        account = (
            {"username": USER, "password": PASSWORD, "serveraddress": self.host} if self.tls else {}
        )
        return base64.urlsafe_b64encode(json.dumps(account).encode()).decode()

    def fresh(self, name: str) -> Path:
        """Return a path at which no file exists."""
        self._count += 1
        folder = self.folder / "work" / str(self._count)
        folder.mkdir(parents=True)
        return folder / name

    # --- the store of the mirror ------------------------------------------------------------------

    def import_archive(self, archive: bytes) -> None:
        """Import an archive while the server runs."""
        path = self.fresh("archive.tar")
        path.write_bytes(archive)
        with Store.open(self.mirror.root) as store:
            store.import_archive(path)

    def manifest(self, repository: str, reference: str) -> ServedManifest | None:
        """Return the manifest that the mirror serves under a tag or a digest, or None."""
        with Store.open(self.mirror.root) as store:
            try:
                return Registry(store).manifest(
                    Repository.parse(f"docker.io/{repository}"),
                    Digest.parse(reference) if ":" in reference else reference,
                )
            except StoreError:
                return None

    def findings(self) -> list[str]:
        """Return the damage that fsck finds, and images whose layers differ from their configs."""
        with Store.open(self.mirror.root) as store:
            wrong = [
                f"{image.image_id} is {state}"
                for image in store.images()
                if (state := store.verify_image(image.image_id)) != "verified"
            ]
            return wrong + [str(finding) for finding in store.fsck()]


def _certificate(folder: Path) -> list[str]:
    chain, key = folder / "server.pem", folder / "server.key"
    subject = ["-subj", "/CN=mirror", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-keyout",
        str(key),
        "-out",
        str(chain),
        *subject,
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return ["--tls-cert", str(chain), "--tls-key", str(key)]


def _users(folder: Path) -> list[str]:
    users = folder / "users"
    users.write_text(
        f"{USER}:{bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(rounds=4)).decode()}\n"
    )
    return ["--htpasswd", str(users)]
