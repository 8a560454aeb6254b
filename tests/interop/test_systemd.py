"""systemd starts the unit of contrib/ with all its restrictions, and the service works."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.booted_systemd import PROGRAM, Systemd
from tests.support.engine import require

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("systemd")]

CONTRIB: Final = Path(__file__).parents[2] / "contrib"
LOG: Final = """[Service]
StandardOutput=append:/run/storectl.log
StandardError=append:/run/storectl.log
"""
PUSH_AND_PULL: Final = """
import hashlib, http.client, json

def ask(method, path, body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", 5000, timeout=60)
    connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
    answer = connection.getresponse()
    return answer.status, answer.read()

def put(data):
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    status, said = ask("POST", f"/v2/app/blobs/uploads/?digest={digest}", data)
    assert status == 201, said
    return {"digest": digest, "size": len(data)}

config = put(b"{}")
layer = put(bytes(3_000_000))
manifest = json.dumps({
    "schemaVersion": 2,
    "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "config": config | {"mediaType": "application/vnd.oci.empty.v1+json"},
    "layers": [layer | {"mediaType": "application/octet-stream"}],
}).encode()
kind = "application/vnd.oci.image.manifest.v1+json"
status, said = ask("PUT", "/v2/app/manifests/1", manifest, Content_Type=kind)
assert status == 201, said
assert ask("GET", "/v2/app/manifests/1", Accept=kind) == (200, manifest)
assert ask("GET", f"/v2/app/blobs/{layer['digest']}") == (200, bytes(3_000_000))
"""


def test_the_hardened_service_serves_reloads_and_stops(tmp_path: Path) -> None:
    require("bash", "unshare", "nsenter", "ip", "systemctl", "systemd-sysusers")
    files = {
        "/opt/storectl/bin/storectl": PROGRAM,
        "/etc/sysusers.d/storectl.conf": (CONTRIB / "storectl.sysusers").read_text(),
        "/etc/storectl/serve.env": "STORECTL_SERVE=--listen 127.0.0.1:5000 --workers 2\n",
        "/run/units/storectl.service.d/log.conf": LOG,
    }
    with Systemd(tmp_path, CONTRIB / "storectl.service", files) as systemd:
        systemd.await_state("active")
        main = systemd.shown("MainPID")
        status = dict(
            line.split(":\t", 1)
            for line in systemd.run("cat", f"/proc/{main}/status").splitlines()
            if ":\t" in line
        )
        user = systemd.run("id", "--user", "storectl").strip()
        assert status["Uid"].split() == [user] * 4
        assert user != "0"
        assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")} == {0}
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
        systemd.run(sys.executable, "-c", PUSH_AND_PULL)
        systemd.run("systemctl", "reload", "storectl")
        systemd.run(sys.executable, "-c", PUSH_AND_PULL)
        systemd.run("systemctl", "stop", "storectl")
        assert (systemd.shown("Result"), systemd.shown("ExecMainStatus")) == ("success", "0")
        assert systemd.shown("NRestarts") == "0"
        log = systemd.run("cat", "/run/storectl.log")
        assert "Traceback" not in log
        assert "Operation not permitted" not in log
        modes = systemd.run("find", "/var/lib/storectl", "-perm", "/077", "-not", "-type", "l")
        assert modes == ""
