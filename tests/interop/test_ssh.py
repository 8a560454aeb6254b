"""A push and a pull through a real sshd on the loopback interface."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from storectl import cli
from storectl.output.exit_codes import ExitCode
from tests.support.engine import SEARCH_PATH
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip
from tests.support.peers.process import Server, free_port, listens

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("ssh")]
_TREE: Final = Path(__file__).parents[2]


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Start sshd for this user, with a key; let storectl use it, and be found there."""
    sshd = shutil.which("sshd", path=SEARCH_PATH)
    if sshd is None or shutil.which("ssh") is None:
        pytest.skip("needs sshd and ssh: openssh-server, openssh-client")
    port = free_port()
    for name in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)]
        subprocess.run(command, check=True)
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "storectl"
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(_TREE))} exec {sys.executable} -m storectl "$@"\n'
    )
    program.chmod(0o755)
    config = tmp_path / "sshd_config"
    config.write_text(
        f"""Port {port}
ListenAddress 127.0.0.1
HostKey {tmp_path}/host
AuthorizedKeysFile {tmp_path}/user.pub
PasswordAuthentication no
StrictModes no
UsePAM no
PidFile none
SetEnv PATH={folder}:{os.environ["PATH"]}
"""
    )
    if os.geteuid() == 0:
        # The folder of the system's sshd, which its own start makes.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    server = Server(
        [sshd, "-D", "-e", "-f", str(config)], tmp_path / "log", dict(os.environ)
    ).await_start(lambda: listens(port))
    options = (
        *("-i", str(tmp_path / "user"), "-F", "none", "-o", "BatchMode=yes"),
        *("-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={tmp_path}/known"),
        *("-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes"),
    )
    monkeypatch.setenv("STORECTL_SSH", shlex.join(("ssh", *options)))
    yield port
    server.stop()


def run(root: Path, *arguments: str) -> int:
    return cli.run(["--root", str(root), *arguments])


def test_an_image_goes_through_sshd_and_comes_back(
    port: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    layout = Layout()
    large = gzip(os.urandom(3_000_000))
    index = layout.root(
        layout.index(
            layout.image(gzip(A), large, platform="linux/amd64"),
            layout.image(gzip(B), platform="linux/arm64"),
        ),
        "docker.io/team/app:1",
    )
    layout.root(layout.artifact(b"signed", subject=index))
    (tmp_path / "app.tar").write_bytes(layout.tar())
    assert run(tmp_path / "own", "import", "-q", str(tmp_path / "app.tar")) == 0
    there = f"ssh://{getpass.getuser()}@127.0.0.1:{port}{tmp_path}/a far $store"
    assert run(tmp_path / "own", "push", "-q", "--referrers", "team/app:1", there) == 0
    pull = ("pull", "-q", "--all-platforms", "--referrers", f"{there}::team/app:1")
    assert run(tmp_path / "near", *pull) == 0
    capfd.readouterr()
    assert run(tmp_path / "near", "digest", "store:team/app:1") == 0
    assert index["digest"] in capfd.readouterr().out
    assert run(tmp_path / "near", "fsck", "-q") == 0
    assert (tmp_path / "a far $store").is_dir()


def test_a_key_that_is_refused_ends_in_one_line(
    port: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "user").unlink()
    there = f"ssh://{getpass.getuser()}@127.0.0.1:{port}{tmp_path}/far::team/app:1"
    assert run(tmp_path / "near", "pull", there) == ExitCode.REGISTRY_UNAVAILABLE
    shown = capfd.readouterr().err
    assert "could not connect" in shown
    assert "Traceback" not in shown
