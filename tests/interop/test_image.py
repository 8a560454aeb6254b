"""The container file of contrib/ makes an image that runs in Docker without privileges.

The container writes only to its volume.
"""

from __future__ import annotations

import http.client
import io
import json
import os
import re
import subprocess
import tarfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final
from urllib.parse import quote, urlencode

import bcrypt
import pytest

from storectl.version import __version__
from tests.support import images, python_base_image
from tests.support.debian import PROXIES
from tests.support.engine import EngineError, program, require
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.engine import Engine

pytestmark = [pytest.mark.interop, pytest.mark.slow, pytest.mark.xdist_group("image")]

CHECKOUT: Final = Path(__file__).parents[2]
CONTAINERFILE: Final = "contrib/Containerfile"
BASE: Final = "storectl-base:test"
NAME: Final = "storectl-image:test"
USER: Final = 10001
DEADLINE_S: Final = 300
USERS: Final = "/etc/storectl/users"
PASSWORD: Final = "correct horse battery staple"  # noqa: S105 - for these tests only


def write_context(target: Path) -> None:
    """Write the files of a checkout that .dockerignore allows, and the container file."""
    let_through = [
        line[1:]
        for line in (CHECKOUT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    with tarfile.open(target, "w") as tar:
        for name in (*let_through, CONTAINERFILE):
            tar.add(
                CHECKOUT / name,
                name,
                filter=lambda info: None if "__pycache__" in info.name else info,
            )


@pytest.fixture(scope="module")
def image(docker: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Build the image on a minimal Debian with Python."""
    require("debootstrap", "tar")
    folder = tmp_path_factory.mktemp("image")
    base, context = folder / "base.tar", folder / "context.tar"
    python_base_image.write(base)
    write_context(context)
    with base.open("rb") as file:
        repository, _, tag = BASE.partition(":")
        status, said = docker.request(
            "POST",
            f"/images/create?{urlencode({'fromSrc': '-', 'repo': repository, 'tag': tag})}",
            file,
        )
        assert status == http.client.OK, said
    with context.open("rb") as file:
        docker.build(
            file,
            NAME,
            {"BASE": BASE} | {name: os.environ[name] for name in PROXIES if name in os.environ},
            dockerfile=CONTAINERFILE,
        )
    yield NAME
    docker.remove((NAME, BASE))


@final
class Container:
    """A container of the image in its own network, where every port is free.

    Its users are those of the file `users`, if there is one.
    """

    def __init__(
        self, docker: Engine, image: str, volume: str, *arguments: str, users: Path | None = None
    ) -> None:
        self._docker = docker
        settings: dict[str, Any] = {
            "Image": image,
            "Cmd": list(arguments),
            # The first health check runs after one interval, which is half a minute in the image.
            "Healthcheck": {"Interval": 500_000_000},
            "HostConfig": {
                "NetworkMode": "none",
                "ReadonlyRootfs": True,
                "CapDrop": ["ALL"],
                "SecurityOpt": ["no-new-privileges"],
                "Binds": [f"{volume}:/var/lib/storectl"],
            },
        }
        if users is not None:
            settings["Cmd"] = ["--htpasswd", USERS, *arguments]
            settings["HostConfig"]["Binds"].append(f"{users}:{USERS}:ro")
        self._id: str = self._ask("POST", "/containers/create", settings)["Id"]

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:  # noqa: ANN401 - JSON
        with self._docker.answer(
            method, path, json.dumps(body or {}).encode(), {"Content-Type": "application/json"}
        ) as response:
            said = response.read()
        assert response.status < http.client.BAD_REQUEST, said
        return json.loads(said) if said else None

    def start(self) -> None:
        self._ask("POST", f"/containers/{self._id}/start")

    @property
    def state(self) -> Any:  # noqa: ANN401 - JSON
        return self._ask("GET", f"/containers/{self._id}/json")["State"]

    def await_health(self, wanted: str) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while (state := self.state)["Health"]["Status"] != wanted:
            if not state["Running"] or time.monotonic() > deadline:
                raise EngineError(f"the container is not {wanted}: {state}\n{self.log()}")
            time.sleep(0.1)

    def log(self) -> str:
        with self._docker.answer(
            "GET", f"/containers/{self._id}/logs?stdout=1&stderr=1"
        ) as response:
            return response.read().decode(errors="replace")

    def run(self, *command: str) -> str:
        """Run a program of this machine in the container's network; return its output."""
        inside = (
            program("nsenter"),
            f"--net=/proc/{self.state['Pid']}/ns/net",
            "--",
            program(command[0]),
            *command[1:],
        )
        done = subprocess.run(
            inside, capture_output=True, text=True, timeout=DEADLINE_S, check=False
        )
        assert done.returncode == 0, done.stderr + self.log()
        return done.stdout

    def changes(self) -> list[str]:
        """Return the changes to the image's files in the container."""
        return [one["Path"] for one in self._ask("GET", f"/containers/{self._id}/changes") or ()]

    def stop(self) -> int:
        """Stop the container as ``docker stop`` does and return its exit code."""
        self._ask("POST", f"/containers/{self._id}/stop?t=30")
        code: int = self.state["ExitCode"]
        return code

    def remove(self) -> None:
        self._docker.request("DELETE", f"/containers/{self._id}?force=1&v=1")


@contextmanager
def running(
    docker: Engine, image: str, volume: str, users: Path | None, *arguments: str
) -> Iterator[Container]:
    container = Container(docker, image, volume, *arguments, users=users)
    try:
        container.start()
        container.await_health("healthy")
        yield container
    finally:
        container.remove()


def push(container: Container, layout: Path) -> None:
    container.run(
        "skopeo",
        "copy",
        "--insecure-policy",
        "--preserve-digests",
        "--dest-tls-verify=false",
        f"--dest-creds=alice:{PASSWORD}",
        f"oci:{layout}:1",
        "docker://127.0.0.1:5000/team/app:1",
    )


def pull(container: Container, target: Path) -> None:
    container.run(
        "skopeo",
        "copy",
        "--insecure-policy",
        "--preserve-digests",
        "--src-tls-verify=false",
        f"--src-creds=alice:{PASSWORD}",
        "docker://127.0.0.1:5000/team/app:1",
        f"oci:{target}:1",
    )


def test_the_image_serves_without_privileges_and_keeps_pushed_content(
    docker: Engine, image: str, tmp_path: Path
) -> None:
    require("skopeo", "nsenter")
    volume = f"storectl-test-{os.getpid()}"
    layout = Layout()
    layout.root(
        layout.image(gzip(images.A), gzip(images.B)), **{"org.opencontainers.image.ref.name": "1"}
    )
    came = layout.folder(tmp_path / "came")
    users = tmp_path / "users"
    users.write_text(f"alice:{bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()}\n")
    os.chown(users, USER, -1)
    users.chmod(0o600)
    try:
        # Other machines can reach the server, and it has no users.
        with running(docker, image, volume, None) as container:
            with pytest.raises(AssertionError, match="denied"):
                push(container, came)
            assert container.stop() == 0, container.log()
        with running(docker, image, volume, users) as container:
            status = Path(f"/proc/{container.state['Pid']}/status").read_text().splitlines()
            seen = dict(line.split(":\t", 1) for line in status if ":\t" in line)
            assert seen["Uid"].split() == [str(USER)] * 4
            assert {int(seen[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")} == {0}
            push(container, came)
            # Docker creates the place of the file of users.
            assert set(container.changes()) <= {*map(str, Path(USERS).parents), USERS}
            assert container.stop() == 0, container.log()
        # The volume holds what was pushed, and a read-only server serves it.
        with running(docker, image, volume, users, "--read-only") as container:
            pull(container, tmp_path / "went")
            assert "Traceback" not in container.log()
            assert container.stop() == 0, container.log()
    finally:
        docker.request("DELETE", f"/volumes/{quote(volume)}?force=1")
    for name, data in layout.blobs.items():
        assert (tmp_path / "went" / "blobs" / name.replace(":", "/")).read_bytes() == data


def test_the_image_has_the_packages_of_the_lock_and_no_installer(
    docker: Engine, image: str, tmp_path: Path
) -> None:
    saved = tmp_path / "image.tar"
    with saved.open("wb") as file:
        docker.save_to([image], file)
    names: set[str] = set()
    with tarfile.open(saved) as archive:
        for layer in json.load(archive.extractfile("manifest.json") or io.BytesIO())[0]["Layers"]:
            with tarfile.open(fileobj=archive.extractfile(layer)) as tar:
                names.update(tar.getnames())
    installed = set(
        re.findall(
            r"^opt/storectl/lib/.*/([^/]+)-([^-/]+)\.dist-info$", "\n".join(names), re.MULTILINE
        )
    )
    locked = set(
        re.findall(
            r"^([a-z0-9.-]+)==(\S+)", (CHECKOUT / "requirements.txt").read_text(), re.MULTILINE
        )
    )
    plain = {(name.lower().replace("_", "-"), version) for name, version in installed}
    assert plain - {("storectl", __version__)} <= locked
    assert {name for name, _ in plain} >= {"storectl", "aiohttp", "sqlalchemy", "zstandard"}
    assert not [name for name in names if name.startswith(("opt/build", "wheel", "src"))]


def test_a_server_that_does_not_answer_is_unhealthy(docker: Engine, image: str) -> None:
    volume = f"storectl-test-{os.getpid()}-silent"
    try:
        # The server listens on a port that the health check does not ask.
        container = Container(docker, image, volume, "--listen", "127.0.0.1:5001")
        try:
            container.start()
            container.await_health("unhealthy")
        finally:
            container.remove()
    finally:
        docker.request("DELETE", f"/volumes/{quote(volume)}?force=1")
