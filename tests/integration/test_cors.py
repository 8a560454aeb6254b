"""``serve --cors-origin``: pages of other origins read the registry, and change nothing."""

from __future__ import annotations

import base64
import http.client
from typing import TYPE_CHECKING

import bcrypt
import pytest

from store import Store
from store.model.digests import Digest
from tests.support import images
from tests.support.mirror_process import Mirror
from tests.support.pushes import import_archive

if TYPE_CHECKING:
    from pathlib import Path

UI = "https://ui.example.com"
EVIL = "https://evil.example"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - the server must be reachable from other machines
MANIFEST = "/v2/library/demo/manifests/1"
PATHS = ("/v2/", "/v2/_catalog", "/v2/library/demo/tags/list", MANIFEST)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with the image demo:1."""
    with Store.open(tmp_path / "store", create=True) as store:
        import_archive(store, images.image(images.A, tags=("demo:1",)).bytes())
    return tmp_path / "store"


def page(origin: str, **more: str) -> dict[str, str]:
    """Return the headers that a browser sends for a page of an origin."""
    return {
        "Origin": origin,
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "cors",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }


def readable(headers: http.client.HTTPMessage, origin: str, *, credentials: bool) -> bool:
    """Return what a browser decides: whether a page may read an answer."""
    allowed = headers.get("Access-Control-Allow-Origin")
    if credentials:
        return allowed == origin and headers.get("Access-Control-Allow-Credentials") == "true"
    return allowed in ("*", origin)


def preflight(mirror: Mirror, origin: str, method: str = "GET") -> http.client.HTTPMessage:
    status, headers, body = mirror.request(
        "OPTIONS",
        MANIFEST,
        headers=page(
            origin,
            Access_Control_Request_Method=method,
            Access_Control_Request_Headers="authorization",
        ),
    )
    assert (status == http.client.NO_CONTENT) == ("Access-Control-Allow-Methods" in headers)
    assert status != http.client.NO_CONTENT or not body
    return headers


@pytest.mark.parametrize("address", ["127.0.0.1", EVERYWHERE])
def test_page_of_a_listed_origin_reads(address: str, root: Path) -> None:
    with Mirror(root, "--cors-origin", UI, address=address) as mirror:
        for path in PATHS:
            status, headers, _ = mirror.request("GET", path, headers=page(UI))
            assert status == http.client.OK, path
            assert readable(headers, UI, credentials=True), path
            assert "Docker-Content-Digest" in headers["Access-Control-Expose-Headers"]
            assert headers["Vary"] == "Origin"
        status, headers, _ = mirror.request("GET", "/v2/none/tags/list", headers=page(UI))
        assert status == http.client.NOT_FOUND
        assert readable(headers, UI, credentials=True)
        asked = preflight(mirror, UI)
        assert readable(asked, UI, credentials=True)
        assert asked["Access-Control-Allow-Methods"] == "GET, HEAD"
        layer = Digest.of(images.A)
        status, headers, _ = mirror.request(
            "GET", f"/v2/library/demo/blobs/{layer}", headers=page(UI, Range="bytes=0-9")
        )
        assert status == http.client.PARTIAL_CONTENT
        assert readable(headers, UI, credentials=True)


@pytest.mark.parametrize("address", ["127.0.0.1", EVERYWHERE])
@pytest.mark.parametrize("options", [(), ("--cors-origin", UI)])
def test_pages_of_other_origins_read_nothing(
    address: str, options: tuple[str, ...], root: Path
) -> None:
    with Mirror(root, *options, address=address) as mirror:
        for path in PATHS:
            status, headers, _ = mirror.request("GET", path, headers=page(EVIL))
            assert not readable(headers, EVIL, credentials=False)
            assert status == (http.client.FORBIDDEN if address == "127.0.0.1" else http.client.OK)
        assert "Access-Control-Allow-Origin" not in preflight(mirror, EVIL)


def test_every_page_may_read_without_credentials(root: Path) -> None:
    with Mirror(root, "--cors-origin", "*", "--cors-origin", UI) as mirror:
        _, headers, _ = mirror.request("GET", MANIFEST, headers=page(EVIL))
        assert readable(headers, EVIL, credentials=False)
        assert not readable(headers, EVIL, credentials=True)
        _, headers, _ = mirror.request("GET", MANIFEST, headers=page(UI))
        assert readable(headers, UI, credentials=True)
    assert "every web page" in mirror.log.read_text()


@pytest.mark.parametrize("origin", [UI, "*"])
@pytest.mark.parametrize("address", ["127.0.0.1", EVERYWHERE])
def test_pages_change_nothing_wherever_they_come_from(
    origin: str, address: str, root: Path
) -> None:
    with Mirror(root, "--open", "--cors-origin", origin, address=address) as mirror:
        _, _, manifest = mirror.request("GET", MANIFEST)
        blob = b"pushed by a page"
        for method, path, body in (
            ("POST", f"/v2/library/demo/blobs/uploads/?digest={Digest.of(blob)}", blob),
            ("PUT", "/v2/library/demo/manifests/2", manifest),
            ("DELETE", MANIFEST, None),
        ):
            for headers in (page(UI), {"Origin": UI}):
                status, _, _ = mirror.request(method, path, body, headers)
                assert status == http.client.FORBIDDEN, (method, headers)
            assert method not in preflight(mirror, UI, method)["Access-Control-Allow-Methods"]
        assert mirror.json("/v2/library/demo/tags/list")["tags"] == ["1"]


def test_rebound_name_of_a_listed_origin_is_still_refused(root: Path) -> None:
    origin = "http://ui.example.com"
    with Mirror(root, "--cors-origin", origin) as mirror:
        host = {"Host": f"ui.example.com:{mirror.port}"}
        for headers in (page(origin) | host, host):
            status, _, _ = mirror.request("GET", MANIFEST, headers=headers)
            assert status == http.client.MISDIRECTED_REQUEST
        status, _, _ = mirror.request(
            "OPTIONS", MANIFEST, headers=page(origin, Access_Control_Request_Method="GET") | host
        )
        assert status == http.client.MISDIRECTED_REQUEST


def test_reads_of_listed_pages_make_no_variant(root: Path) -> None:
    with Mirror(root, "--offer", "gzip", "--cors-origin", UI) as mirror:
        for headers in (page(UI), {"Origin": UI}):
            status, _, _ = mirror.request("GET", f"{MANIFEST}-gzip", headers=headers)
            assert status == http.client.NOT_FOUND
        assert mirror.request("GET", f"{MANIFEST}-gzip")[0] == http.client.OK


def test_page_can_log_in(root: Path, tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text(f"alice:{bcrypt.hashpw(b'secret', bcrypt.gensalt(4)).decode()}\n")
    users.chmod(0o600)
    with Mirror(root, "--htpasswd", str(users), "--no-anonymous", "--cors-origin", UI) as mirror:
        status, headers, _ = mirror.request("GET", MANIFEST, headers=page(UI))
        assert status == http.client.UNAUTHORIZED
        assert readable(headers, UI, credentials=True)
        assert "WWW-Authenticate" in headers["Access-Control-Expose-Headers"]
        # A preflight carries no credentials.
        assert readable(preflight(mirror, UI), UI, credentials=True)
        password = f"Basic {base64.b64encode(b'alice:secret').decode()}"
        for path in ("/token?service=x", MANIFEST):
            status, headers, _ = mirror.request(
                "GET", path, headers=page(UI, Authorization=password)
            )
            assert status == http.client.OK
            assert readable(headers, UI, credentials=True)


def test_without_the_option_nothing_is_added(root: Path) -> None:
    with Mirror(root, address=EVERYWHERE) as mirror:
        _, headers, _ = mirror.request("GET", MANIFEST, headers=page(UI))
        assert not [name for name in headers if name.lower().startswith("access-control")]
        assert "Vary" not in headers
        status, headers, _ = mirror.request(
            "OPTIONS", MANIFEST, headers=page(UI, Access_Control_Request_Method="GET")
        )
        assert status == http.client.METHOD_NOT_ALLOWED
