"""What contrib/ has for running the mirror: the unit starts a server that tells systemd so, and the container's health check asks it."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.test_mirror_renewal import certificate
from tests.support.mirror import Mirror

if TYPE_CHECKING:
    from collections.abc import Sequence

CONTRIB = Path(__file__).parents[2] / "contrib"
UNIT = CONTRIB / "storectl.service"
INSTALLED = "/opt/storectl/bin/storectl"


def settings(section: str) -> dict[str, list[str]]:
    """What a section of the unit says."""
    found: dict[str, list[str]] = {}
    inside = False
    for line in UNIT.read_text().splitlines():
        if line.startswith("["):
            inside = line == f"[{section}]"
        elif inside and "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / UNIT.name
    # The program is not installed here; everything else is looked at.
    unit.write_text(UNIT.read_text().replace(INSTALLED, sys.executable))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_starts_a_server_that_says_when_it_is_ready_and_when_it_stops(tmp_path: Path) -> None:
    service = settings("Service")
    assert service["Type"] == ["notify"]
    own = dict(one.split("=", 1) for one in shlex.split(service["Environment"][0]))
    assert own == {"STORECTL_ROOT": "/var/lib/storectl", "STORECTL_SERVE": "--listen 127.0.0.1:5000"}
    program, verb, options = service["ExecStart"][0].split()
    assert (program, verb, options) == (INSTALLED, "serve", "$STORECTL_SERVE")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        address = tmp_path / "notify"
        channel.bind(str(address))
        channel.settimeout(60)
        environment = {**os.environ, "STORECTL_ROOT": str(tmp_path / "store"), "NOTIFY_SOCKET": str(address)}
        command = [sys.executable, "-m", "storectl", verb, "--listen", "127.0.0.1:0", "--workers", "2"]
        with (tmp_path / "log").open("wb") as log, subprocess.Popen(command, env=environment, stdout=log, stderr=log) as server:
            assert channel.recv(100) == b"READY=1"
            server.send_signal(signal.SIGHUP)
            server.send_signal(signal.SIGTERM)
            assert channel.recv(100) == b"STOPPING=1"
            assert server.wait(60) == 0


def healthy(port: int) -> bool:
    return subprocess.run([sys.executable, str(CONTRIB / "healthcheck.py"), str(port)], timeout=60, check=False).returncode == 0


@pytest.mark.parametrize("tls", [False, True], ids=["HTTP", "TLS"])
def test_the_health_check_asks_the_server(tls: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a table
    options: Sequence[str] = ()
    if tls:
        chain, key = certificate(tmp_path, "server")
        options = ("--tls-cert", str(chain), "--tls-key", str(key))
    with Mirror(tmp_path / "store", *options) as mirror:
        assert healthy(mirror.port)
        if not tls:
            mirror.process.send_signal(signal.SIGSTOP)
            assert not healthy(mirror.port)
            mirror.process.send_signal(signal.SIGCONT)
    assert not healthy(mirror.port)
