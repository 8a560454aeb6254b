"""Permissions that are removed while a request sends its body."""

from __future__ import annotations

import http.client
import json
import signal
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from store import Store
from store.db.schema import content
from store.model.digests import Digest
from tests.support.layouts import MANIFEST
from tests.support.logins import USERS, basic
from tests.support.mirror_process import Mirror
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RULES = """
[[rule]]
repositories = ["app"]
who = ["@users"]
allow = ["read", "write"]
"""
EMPTY = b"{}"
BLOB = b"a blob that arrives slowly"
DOCUMENT = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.empty.v1+json",
            "digest": str(Digest.of(EMPTY)),
            "size": len(EMPTY),
        },
        "layers": [],
    }
).encode()
ALICE = {"Authorization": basic("alice", "secret"), "Content-Type": MANIFEST}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    users, rules = tmp_path / "users", tmp_path / "rules.toml"
    users.touch(0o600)
    users.write_bytes(b"alice:%s\n" % USERS["alice"])
    rules.touch(0o600)
    rules.write_text(RULES)
    return users, rules


@pytest.fixture
def mirror(tmp_path: Path, files: tuple[Path, Path]) -> Iterator[Mirror]:
    Store.open(tmp_path / "store", create=True).close()
    users, rules = files
    with Mirror(tmp_path / "store", "--htpasswd", str(users), "--rules", str(rules)) as running:
        uploads = f"/v2/app/blobs/uploads/?digest={Digest.of(EMPTY)}"
        assert running.request("POST", uploads, EMPTY, ALICE)[0] == http.client.CREATED
        yield running


def begun(mirror: Mirror, method: str, path: str, body: bytes) -> http.client.HTTPConnection:
    """Begin a request; its first byte arrives, and the server waits for the others."""
    connection = http.client.HTTPConnection("127.0.0.1", mirror.port, timeout=PATIENCE_S)
    connection.putrequest(method, path)
    for name, value in {**ALICE, "Content-Length": str(len(body))}.items():
        connection.putheader(name, value)
    connection.endheaders(body[:1])
    return connection


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/v2/app/manifests/late", DOCUMENT),
        ("POST", f"/v2/app/blobs/uploads/?digest={Digest.of(BLOB)}", BLOB),
    ],
    ids=["manifest", "blob"],
)
@pytest.mark.parametrize("removed", ["user", "permission"])
def test_request_that_outlasts_its_permission_changes_nothing(
    removed: str, method: str, path: str, body: bytes, mirror: Mirror, files: tuple[Path, Path]
) -> None:
    users, rules = files
    connection = begun(mirror, method, path, body)
    # The server reads requests in order of arrival, so the begun request was authorised before.
    assert mirror.request("GET", "/v2/app/tags/list", None, ALICE)[0] == http.client.OK
    if removed == "user":
        users.write_text("")
    else:
        rules.write_text(RULES.replace('"read", "write"', '"read"'))
    mirror.process.send_signal(signal.SIGHUP)
    until(lambda: "loaded the new users" in mirror.log.read_text())
    connection.send(body[1:])
    status = connection.getresponse().status
    connection.close()
    assert status == (401 if removed == "user" else 403)
    with Store.open(mirror.root) as store:
        assert Digest.of(body) not in store_digests(store)


def store_digests(store: Store) -> set[Digest]:
    """Return the digests of all stored content."""
    with store.read() as connection:
        return set(connection.execute(select(content.c.digest)).scalars())
