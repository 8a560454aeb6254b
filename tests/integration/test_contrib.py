"""The systemd unit, health check and nginx site of contrib/ work unchanged."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from base64 import b64encode
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import bcrypt
import pytest

from mirror.access.throttle import BURST
from store.model.digests import Digest
from tests.integration.test_mirror_renewal import certificate
from tests.support.mirror_process import NO_REFILL, Mirror
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CONTRIB = Path(__file__).parents[2] / "contrib"
UNIT = CONTRIB / "storectl.service"
MOST_EXPOSED = 15
"""The highest exposure of the service that ``systemd-analyze security`` may find, in tenths."""
INSTALLED = "/opt/storectl/bin/storectl"


def settings(section: str) -> dict[str, list[str]]:
    """Return the settings in one section of the systemd unit."""
    found: dict[str, list[str]] = {}
    inside = False
    for line in UNIT.read_text().splitlines():
        if line.startswith("["):
            inside = line == f"[{section}]"
        elif inside and "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / UNIT.name
    # The unit names the installed program, which is missing here: use Python in its place.
    unit.write_text(UNIT.read_text().replace(INSTALLED, sys.executable))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_service_is_exposed_to_little(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    shutil.copy(UNIT, tmp_path)
    analyze = ["systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}"]
    done = subprocess.run(
        [*analyze, str(tmp_path / UNIT.name)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_sysusers_file_creates_the_user_of_the_unit(tmp_path: Path) -> None:
    if not shutil.which("systemd-sysusers"):
        pytest.skip("systemd-sysusers is not installed")
    (tmp_path / "etc").mkdir()
    create = ["systemd-sysusers", f"--root={tmp_path}", str(CONTRIB / "storectl.sysusers")]
    subprocess.run(create, check=True, capture_output=True, timeout=300)
    service = settings("Service")
    (user,) = service["User"]
    name, _, number, _, _, home, shell = (tmp_path / "etc/passwd").read_text().strip().split(":")
    assert (name, [name]) == (user, service["Group"])
    assert home == f"/var/lib/{service['StateDirectory'][0]}"
    assert shell.endswith("/nologin")
    assert int(number) != 0


def test_the_unit_starts_a_server_that_says_when_it_is_ready_and_when_it_stops(
    tmp_path: Path,
) -> None:
    service = settings("Service")
    assert service["Type"] == ["notify"]
    own = dict(one.split("=", 1) for one in shlex.split(service["Environment"][0]))
    assert own == {
        "STORECTL_ROOT": "/var/lib/storectl",
        "STORECTL_SERVE": "--listen 127.0.0.1:5000",
    }
    program, verb, options = service["ExecStart"][0].split()
    assert (program, verb, options) == (INSTALLED, "serve", "$STORECTL_SERVE")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        address = tmp_path / "notify"
        channel.bind(str(address))
        channel.settimeout(PATIENCE_S)
        environment = {
            **os.environ,
            "STORECTL_ROOT": str(tmp_path / "store"),
            "NOTIFY_SOCKET": str(address),
        }
        command = [
            sys.executable,
            "-m",
            "storectl",
            verb,
            "--listen",
            "127.0.0.1:0",
            "--workers",
            "2",
        ]
        with (
            (tmp_path / "log").open("wb") as log,
            subprocess.Popen(command, env=environment, stdout=log, stderr=log) as server,
        ):
            assert channel.recv(100) == b"READY=1"
            server.send_signal(signal.SIGHUP)
            server.send_signal(signal.SIGTERM)
            assert channel.recv(100) == b"STOPPING=1"
            assert server.wait(PATIENCE_S) == 0


def healthy(port: int) -> bool:
    return (
        subprocess.run(
            [sys.executable, str(CONTRIB / "healthcheck.py"), str(port)], timeout=300, check=False
        ).returncode
        == 0
    )


@pytest.mark.parametrize("tls", [False, True], ids=["HTTP", "TLS"])
def test_the_health_check_asks_the_server(tls: bool, tmp_path: Path) -> None:
    options: Sequence[str] = ()
    if tls:
        chain, key = certificate(tmp_path, "server")
        options = ("--tls-cert", str(chain), "--tls-key", str(key))
    with Mirror(tmp_path / "store", *options) as mirror:
        # A failed health check may take a few seconds, so wait for the server.
        until(lambda: healthy(mirror.port))
        if not tls:
            mirror.process.send_signal(signal.SIGSTOP)
            assert not healthy(mirror.port)
            mirror.process.send_signal(signal.SIGCONT)
    assert not healthy(mirror.port)


# --- behind nginx ---------------------------------------------------------------------------------

MAIN = """
daemon off;
pid {folder}/pid;
error_log stderr;
worker_processes 1;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {site};
}}
"""


@contextlib.contextmanager
def nginx(folder: Path, mirror: Mirror) -> Iterator[tuple[int, ssl.SSLContext]]:
    """Run nginx with the site of contrib/, in which only addresses and file names are replaced."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("nginx is not installed")
    chain, key = certificate(folder, "proxy")
    # nginx inherits a listening socket, as in an upgrade of its binary: another process could take
    # a port that was only seen to be free.
    listener = socket.create_server(("127.0.0.1", 0))
    port = int(listener.getsockname()[1])
    site = (CONTRIB / "nginx.conf").read_text()
    for old, new in (
        ("127.0.0.1:5000;", f"127.0.0.1:{mirror.port};"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("/etc/nginx/tls/fullchain.pem", str(chain)),
        ("/etc/nginx/tls/key.pem", str(key)),
    ):
        assert site.count(old) == 1
        site = site.replace(old, new)
    (folder / "site.conf").write_text(site)
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, site=folder / "site.conf"))
    command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf")]
    environment = {**os.environ, "NGINX": f"{listener.fileno()};"}
    with (folder / "nginx.log").open("wb") as log, listener:
        running = subprocess.Popen(
            command, stderr=log, env=environment, pass_fds=[listener.fileno()]
        )
    with running:
        try:
            until(lambda: (folder / "pid").exists() or running.poll() is not None)
            assert running.poll() is None, (folder / "nginx.log").read_text()
            yield port, ssl.create_default_context(cafile=str(chain))
        finally:
            running.terminate()


def test_behind_nginx_every_client_keeps_its_address(tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text(f"alice:{bcrypt.hashpw(b'right', bcrypt.gensalt(4)).decode()}\n")
    data = random.Random(16).randbytes(3_000_000)
    path = f"/v2/app/blobs/uploads/?digest={Digest.of(data)}"
    options = ["--htpasswd", str(users), "--trusted-proxy", "127.0.0.1"]
    with (
        Mirror(tmp_path / "store", *options, first=NO_REFILL) as mirror,
        nginx(tmp_path, mirror) as (port, context),
    ):

        def ask(
            method: str,
            path: str,
            body: bytes | None = None,
            *,
            client: str,
            login: str | None = None,
            **headers: str,
        ) -> tuple[int, str, bytes]:
            connection = http.client.HTTPSConnection(
                "127.0.0.1", port, timeout=PATIENCE_S, context=context, source_address=(client, 0)
            )
            if login is not None:
                headers["Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
            try:
                connection.request(
                    method,
                    path,
                    body,
                    {name.replace("_", "-"): value for name, value in headers.items()},
                )
                with connection.getresponse() as response:
                    return (
                        response.status,
                        response.headers.get("WWW-Authenticate", ""),
                        response.read(),
                    )
            finally:
                connection.close()

        # The client is sent to the token service at the address that it used, not at the mirror's
        # own address.
        assert ask("GET", "/v2/", client="127.0.0.2")[:2] == (
            401,
            f'Bearer realm="https://127.0.0.1:{port}/token",service="127.0.0.1:{port}"',
        )
        for number in range(BURST):
            assert (
                ask(
                    "GET",
                    "/v2/",
                    client="127.0.0.2",
                    login="alice:wrong",
                    X_Forwarded_For=f"203.0.113.{number}",
                )[0]
                == 401
            )
        assert ask("GET", "/v2/", client="127.0.0.2", login="alice:wrong")[0] == 429
        assert ask("GET", "/v2/", client="127.0.0.3", login="alice:wrong")[0] == 401
        assert ask("POST", path, data, client="127.0.0.3", login="alice:right")[0] == 201
        assert ask("GET", f"/v2/app/blobs/{Digest.of(data)}", client="127.0.0.4") == (200, "", data)
        # From an address that is not a trusted proxy, forwarded headers are ignored.
        direct = http.client.HTTPConnection(
            "127.0.0.1", mirror.port, timeout=PATIENCE_S, source_address=("127.0.0.5", 0)
        )
        direct.request("GET", "/healthz", headers={"X-Forwarded-For": "203.0.113.7"})
        assert direct.getresponse().read() == b"ok\n"
        direct.close()
        assert mirror.stop() == 0
        asked = [
            json.loads(line)
            for line in mirror.log.read_text().splitlines()
            if '"mirror.access"' in line
        ]
    # The server writes a log line after it sends the answer, and may have received the next request
    # by then. So the test counts the lines and ignores their order.
    assert Counter(one["remote"] for one in asked) == {
        "127.0.0.2": BURST + 2,
        "127.0.0.3": 2,
        "127.0.0.4": 1,
        "127.0.0.5": 1,
    }
