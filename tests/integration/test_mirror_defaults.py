"""``storectl serve`` without users: pushes from other machines, and web pages."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select

from store import Store
from store.db.schema import event
from store.model.digests import Digest
from tests.support import images
from tests.support.mirror_process import Mirror
from tests.support.pushes import import_archive
from tests.support.raw_http import RawConnection
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

EVERYWHERE = "0.0.0.0"  # noqa: S104 - the server must be reachable from other machines
BLOB = b"pushed by anybody"
UPLOADS = "/v2/library/demo/blobs/uploads/"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with the image demo:1."""
    with Store.open(tmp_path / "store", create=True) as store:
        import_archive(store, images.image(images.A, tags=("demo:1",)).bytes())
    return tmp_path / "store"


def push(mirror: Mirror, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    status, _, body = mirror.request(
        "POST", f"{UPLOADS}?digest={Digest.of(BLOB)}", BLOB, dict(headers or {})
    )
    return status, body


def changes(mirror: Mirror) -> dict[str, int]:
    """Request every kind of change, and return the status of each answer."""
    status, headers, manifest = mirror.request("GET", "/v2/library/demo/manifests/1")
    assert status == http.client.OK
    digest = headers["Docker-Content-Digest"]
    layer = Digest.of(images.A)
    asked: list[tuple[str, str, str, Any]] = [
        ("upload", "POST", UPLOADS, None),
        ("upload at once", "POST", f"{UPLOADS}?digest={Digest.of(BLOB)}", BLOB),
        ("mount", "POST", f"/v2/library/b/blobs/uploads/?mount={layer}&from=library/demo", None),
        ("status", "GET", f"{UPLOADS}some-upload", None),
        ("chunk", "PATCH", f"{UPLOADS}some-upload", BLOB),
        ("finish", "PUT", f"{UPLOADS}some-upload?digest={Digest.of(BLOB)}", b""),
        ("cancel", "DELETE", f"{UPLOADS}some-upload", None),
        ("tag", "PUT", "/v2/library/demo/manifests/2", manifest),
        ("delete blob", "DELETE", f"/v2/library/demo/blobs/{layer}", None),
        ("delete tag", "DELETE", "/v2/library/demo/manifests/1", None),
        ("delete manifest", "DELETE", f"/v2/library/demo/manifests/{digest}", None),
    ]
    return {
        name: mirror.request(method, path, body, {"Content-Type": MANIFEST})[0]
        for name, method, path, body in asked
    }


def test_other_machines_may_only_read(root: Path) -> None:
    with Mirror(root, address=EVERYWHERE) as mirror:
        assert set(changes(mirror).values()) == {403}
        status, body = push(mirror)
        assert status == http.client.FORBIDDEN
        assert b'"code":"DENIED"' in body
        assert b"--open" in body
        assert mirror.request("GET", f"/v2/library/demo/blobs/{Digest.of(images.A)}")[::2] == (
            http.client.OK,
            images.A,
        )
        assert mirror.json("/v2/library/demo/tags/list")["tags"] == ["1"]
        assert mirror.request("GET", "/archives/oci/demo:1")[0] == http.client.OK
        # Any host name and any page may read.
        foreign = {"Host": "mirror.example.com", "Origin": "http://x.example"}
        assert mirror.request("GET", "/v2/_catalog", headers=foreign)[0] == http.client.OK
        # The store itself stays writable.
        assert mirror.request("GET", "/readyz")[0] == http.client.OK
        assert "clients may only read" in mirror.log.read_text()
        assert "--open" in mirror.log.read_text()


def test_open_registry_lets_other_machines_push_and_warns(root: Path) -> None:
    with Mirror(root, "--open", address=EVERYWHERE) as mirror:
        found = changes(mirror)
        assert (found["upload"], found["upload at once"], found["mount"]) == (202, 201, 201)
        assert (found["tag"], found["delete tag"]) == (201, 202)
        assert "every client that can connect may push and delete" in mirror.log.read_text()


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "127.0.0.2"])
def test_programs_on_this_machine_may_push(address: str, root: Path) -> None:
    with Mirror(root, address=address) as mirror:
        connection = http.client.HTTPConnection(address, mirror.port, timeout=PATIENCE_S)
        connection.request("POST", f"{UPLOADS}?digest={Digest.of(BLOB)}", BLOB)
        assert connection.getresponse().status == http.client.CREATED
        connection.close()
        assert "WARNING" not in mirror.log.read_text().upper()


@pytest.mark.parametrize(
    "options",
    [("--trusted-proxy", "127.0.0.1"), ("--url", "https://mirror.example.com")],
    ids=["trusted proxy", "url"],
)
def test_clients_of_a_proxy_may_only_read(options: tuple[str, ...], root: Path) -> None:
    with Mirror(root, *options) as mirror:
        assert set(changes(mirror).values()) == {403}
    with Mirror(root, *options, "--open") as mirror:
        assert push(mirror)[0] == http.client.CREATED


def test_read_only_registry_refuses_changes_as_before(root: Path) -> None:
    with Mirror(root, "--read-only", address=EVERYWHERE) as mirror:
        assert set(changes(mirror).values()) == {405}
        assert "may only read" not in mirror.log.read_text()


def test_page_whose_name_was_rebound_to_this_machine_gets_nothing(root: Path) -> None:
    with Mirror(root) as mirror:
        rebound = {
            "Host": f"rebound.example:{mirror.port}",
            "Origin": f"http://rebound.example:{mirror.port}",
        }
        for headers in (rebound, {"Host": rebound["Host"]}):
            for method, path in (
                ("GET", "/v2/"),
                ("GET", "/v2/_catalog"),
                ("GET", "/metrics"),
                ("GET", "/token"),
                ("GET", "/archives/oci/demo:1"),
                ("GET", "/nowhere"),
                ("GET", "/v2/library/demo/manifests/1"),
                ("DELETE", "/v2/library/demo/manifests/1"),
                ("OPTIONS", "/v2/"),
            ):
                status, _, body = mirror.request(method, path, headers=headers)
                assert status == http.client.MISDIRECTED_REQUEST, (method, path)
                assert b"--allowed-host" in body
            assert push(mirror, headers)[0] == http.client.MISDIRECTED_REQUEST
            for path in ("/healthz", "/readyz"):
                assert mirror.request("GET", path, headers=headers)[0] == http.client.OK
        assert mirror.json("/v2/library/demo/tags/list")["tags"] == ["1"]


def test_pages_of_other_sites_change_nothing(root: Path, tmp_path: Path) -> None:
    simple = {"Content-Type": "text/plain"}
    foreign = [
        {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "null"},
        {"Origin": "http://localhost:8080"},
        {"Sec-Fetch-Site": "cross-site"},
    ]
    users = tmp_path / "users"
    users.write_text("")
    for options, address in (
        ((), "127.0.0.1"),
        (("--open",), EVERYWHERE),
        (("--htpasswd", str(users)), "127.0.0.1"),
    ):
        with Mirror(root, *options, address=address) as mirror:
            for headers in foreign:
                status, body = push(mirror, {**simple, **headers})
                assert status == http.client.FORBIDDEN
                assert b"pages of other sites" in body
            own = push(mirror, {"Origin": f"http://127.0.0.1:{mirror.port}"})[0]
            assert own == (http.client.UNAUTHORIZED if options[:1] == ("--htpasswd",) else 201)


@pytest.mark.parametrize(
    "options", [("--open",), ("--rules", "rules.toml")], ids=["open", "rules for all"]
)
def test_rebound_page_changes_nothing_where_everybody_may_push(
    options: tuple[str, ...], root: Path, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.toml"
    rules.touch(0o600)
    rules.write_text('[[rule]]\nrepositories = ["**"]\nwho = ["@all"]\nallow = ["read", "write"]\n')
    given = tuple(str(rules) if one == rules.name else one for one in options)
    with Mirror(root, *given, address=EVERYWHERE) as mirror:
        host = f"rebound.example:{mirror.port}"
        rebound = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
        token = mirror.json("/token")["token"]
        for credentials in ({}, {"Authorization": f"Bearer {token}"}):
            status, body = push(mirror, {**rebound, **credentials})
            assert status == http.client.MISDIRECTED_REQUEST
            assert b"--allowed-host" in body
        # Programs do not send Origin, and a page that the server's address has sent is its own.
        assert push(mirror, {"Host": host})[0] == http.client.CREATED
        own = f"127.0.0.1:{mirror.port}"
        assert push(mirror, {"Host": own, "Origin": f"http://{own}"})[0] == http.client.CREATED
    with Mirror(root, *given, "--allowed-host", "rebound.example", address=EVERYWHERE) as mirror:
        host = f"rebound.example:{mirror.port}"
        assert push(mirror, {"Host": host, "Origin": f"http://{host}"})[0] == http.client.CREATED


def test_reads_that_pages_of_other_sites_cause_change_nothing(root: Path) -> None:
    image = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    link = {**image, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    variant, archive = "/v2/library/demo/manifests/1-gzip", "/archives/docker/demo:1"

    def state(mirror: Mirror) -> object:
        with Store.open(mirror.root) as store, store.read() as connection:
            events = connection.execute(select(func.count()).select_from(event)).scalar()
        return events, mirror.json("/v2/library/demo/tags/list")["tags"]

    for address in ("127.0.0.1", EVERYWHERE):
        with Mirror(root, "--offer", "gzip", address=address) as mirror:
            before = state(mirror)
            is_local = address == "127.0.0.1"
            for path in (variant, archive):
                status = mirror.request("GET", path, headers=image)[0]
                assert status == (403 if is_local else 404 if path == variant else 200)
            assert mirror.request("GET", archive, headers=link)[0] == http.client.OK
            assert mirror.request("GET", variant, headers=link)[0] == http.client.NOT_FOUND
            assert state(mirror) == before


@pytest.mark.parametrize(
    ("options", "host"),
    [
        ((), "localhost:5000"),
        ((), "registry.localhost"),
        ((), "LOCALHOST."),
        ((), "[::1]:5000"),
        (("--allowed-host", "host.docker.internal"), "host.docker.internal:5000"),
        (("--url", "http://mirror.test:5000"), "mirror.test"),
    ],
)
def test_names_of_the_server_are_answered(options: tuple[str, ...], host: str, root: Path) -> None:
    with Mirror(root, *options) as mirror:
        assert mirror.request("GET", "/v2/_catalog", headers={"Host": host})[0] == http.client.OK


def test_operator_may_have_hosts_checked_beyond_loopback(root: Path) -> None:
    with Mirror(root, "--open", "--allowed-host", "mirror.test", address=EVERYWHERE) as mirror:
        for host, status in (
            ("mirror.test", http.client.OK),
            ("localhost:5000", http.client.OK),
            ("rebound.example", http.client.MISDIRECTED_REQUEST),
        ):
            assert mirror.request("GET", "/v2/", headers={"Host": host})[0] == status


def test_trusted_proxy_names_the_host(root: Path) -> None:
    headers = {"Host": "backend", "X-Forwarded-Host": "mirror.example.com"}
    with Mirror(root, "--trusted-proxy", "127.0.0.1") as mirror:
        assert mirror.request("GET", "/v2/", headers=headers)[0] == http.client.OK
    with Mirror(root, "--trusted-proxy", "10.0.0.1") as mirror:
        assert mirror.request("GET", "/v2/", headers=headers)[0] == 421


def test_request_of_http_1_0_needs_no_host(root: Path) -> None:
    with Mirror(root) as mirror:
        for version, status in (("1.0", 200), ("1.1", 400)):
            with RawConnection(mirror.port) as connection:
                connection.send(f"GET /v2/ HTTP/{version}\r\n\r\n".encode())
                assert connection.reply().status == status
