"""A server that pulls through from another server, in processes of their own."""

from __future__ import annotations

import io
import json
import os
import signal
from typing import TYPE_CHECKING

from store import Store
from store.catalog import repositories
from store.formats.image.manifests import Document
from store.model.digests import Digest
from store.model.references import Repository
from storectl import cli
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip
from tests.support.mirror_process import Mirror
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

MANIFESTS = "/v2/team/app/manifests"
ACCEPT = {"Accept": "application/vnd.oci.image.manifest.v1+json"}


def served(root: Path) -> str:
    """Fill a store with an image, and return the digest of its manifest."""
    layout = Layout()
    manifest = layout.image(gzip(A), gzip(B))
    for tag in ("1", "other"):
        layout.root(manifest, f"docker.io/team/app:{tag}")
    path = root.with_suffix(".tar")
    path.write_bytes(layout.tar())
    with Store.open(root, create=True) as store:
        store.import_archive(path)
    return str(manifest["digest"])


def pulled(mirror: Mirror, root: Path) -> str:
    """Pull the image into a new store, and return the digest that the client prints."""
    digests = root.with_suffix(".digests")
    arguments = ["pull", "-q", "--plain-http", "--digest-file", str(digests)]
    code = cli.run(["--root", str(root), *arguments, f"{mirror.host}/team/app:1"])
    assert code == os.EX_OK
    with Store.open(root) as store:
        assert list(store.fsck()) == []
    return digests.read_text().strip()


def test_an_image_is_pulled_through_and_stays_without_upstream(tmp_path: Path) -> None:
    digest = served(tmp_path / "far")
    near = tmp_path / "near"
    with Mirror(tmp_path / "far") as far:
        upstream = ("--upstream", f"docker.io=http://{far.host}")
        with Mirror(near, *upstream, "--upstream-max-age", "0") as mirror:
            assert pulled(mirror, tmp_path / "first") == digest
            until(lambda: mirror.request("GET", "/v2/team/app/tags/list")[0] == 200)
            status, headers, _ = mirror.request("GET", f"{MANIFESTS}/1", headers=ACCEPT)
            assert (status, headers["Warning"]) == (200, None)
            far.stop()
            status, headers, body = mirror.request("GET", f"{MANIFESTS}/1", headers=ACCEPT)
            assert (status, str(Digest.of(body))) == (200, digest)
            assert headers["Warning"].startswith('299 - "last checked ')
            assert pulled(mirror, tmp_path / "second") == digest
            assert mirror.request("GET", f"{MANIFESTS}/2", headers=ACCEPT)[0] == 503
    with Store.open(near) as store:
        assert list(store.fsck()) == []
    with Mirror(near, *upstream, "--offline", "--upstream-max-age", "0") as mirror:
        assert pulled(mirror, tmp_path / "third") == digest
        # The list that the registry has sent before the restart: only one of its tags is here.
        status, headers, body = mirror.request("GET", "/v2/team/app/tags/list")
        assert (status, json.loads(body)["tags"]) == (200, ["1", "other"])
        assert headers["Warning"].startswith('299 - "last checked ')
        assert int(headers["Age"]) >= 0
        for path, code in (
            (f"{MANIFESTS}/2", "MANIFEST_UNKNOWN"),
            (f"{MANIFESTS}/{Digest.of(b'absent')}", "MANIFEST_UNKNOWN"),
            (f"/v2/team/app/blobs/{Digest.of(b'absent')}", "BLOB_UNKNOWN"),
        ):
            status, _, body = mirror.request("GET", path, headers=ACCEPT)
            assert (status, json.loads(body)["errors"][0]["code"]) == (404, code)


def test_credentials_are_not_for_every_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    auths = {"auths": {"registry.example": {"auth": "dXNlcjpzZWNyZXQ="}}}
    (tmp_path / "config.json").write_text(json.dumps(auths))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    serve = ["--root", str(tmp_path / "store"), "serve", "--upstream", "registry.example"]
    assert cli.run([*serve, "--listen", "0.0.0.0:0"]) == 2
    said = capsys.readouterr().err
    assert "there are credentials for registry.example" in said
    assert "secret" not in said
    assert not (tmp_path / "store").exists()


def test_a_hangup_changes_the_upstreams(tmp_path: Path) -> None:
    digest = served(tmp_path / "far")
    file = tmp_path / "serve.toml"
    table = '[[upstream]]\nname = "docker.io"\nurl = "http://{host}"\n{more}'
    with Mirror(tmp_path / "far") as far:
        file.write_text(table.format(host=far.host, more='deny = ["team/*"]\n'))
        with Mirror(tmp_path / "near", "--config", str(file)) as mirror:
            assert mirror.request("GET", f"{MANIFESTS}/1", headers=ACCEPT)[0] == 404
            for more, said in (
                ("nope = 1\n", "serve.toml, line 4: unknown setting 'nope'"),
                ('allow = ["team/*"]\n', "loaded the new settings"),
            ):
                file.write_text(table.format(host=far.host, more=more))
                mirror.process.send_signal(signal.SIGHUP)
                until(lambda said=said: said in mirror.log.read_text())  # type: ignore[misc]
            until(lambda: mirror.request("GET", f"{MANIFESTS}/1", headers=ACCEPT)[0] == 200)
            assert pulled(mirror, tmp_path / "first") == digest
            assert "need a restart" not in mirror.log.read_text()


def test_a_manifest_of_the_registry_opens_no_content_of_other_repositories(tmp_path: Path) -> None:
    """Somebody pushes manifests that list the digests of content in another repository."""
    layout = Layout()
    secret = layout.image(gzip(A))
    layout.root(secret, "docker.io/private/app:1")
    with Store.open(tmp_path / "near", create=True) as store:
        store.import_archive(io.BytesIO(layout.tar()))
    hidden = Document.parse(layout.blobs[secret["digest"]])
    other = Layout()
    public = other.image(gzip(B))
    other.root(other.index(secret, public), "docker.io/team/app:1")
    with Store.open(tmp_path / "far", create=True) as store:
        store.import_archive(io.BytesIO(other.tar()))
    upstream = ("--upstream", "docker.io=http://{}")
    with Mirror(tmp_path / "far", "--accept-missing-blobs") as far:
        sent = hidden.data
        push = far.request("PUT", f"{MANIFESTS}/copy", sent, {"Content-Type": hidden.media_type})
        assert push[0] == 201
        with Mirror(tmp_path / "near", upstream[0], upstream[1].format(far.host)) as mirror:
            for tag in ("copy", "1"):
                assert mirror.request("GET", f"{MANIFESTS}/{tag}", headers=ACCEPT)[0] == 200
            shown = Document.parse(other.blobs[public["digest"]])
            assert mirror.request("GET", f"{MANIFESTS}/{shown.digest}", headers=ACCEPT)[0] == 200
            for link in shown.links:
                assert mirror.request("GET", f"/v2/team/app/blobs/{link.digest}")[0] == 200
            until(lambda: mirror.request("GET", "/v2/team/app/tags/list")[0] == 200)
            for link in hidden.links:
                path = f"/blobs/{link.digest}"
                assert mirror.request("GET", f"/v2/private/app{path}")[0] == 200
                for _ in range(2):
                    assert mirror.request("GET", f"/v2/team/app{path}")[0] == 404
    with Store.open(tmp_path / "near") as store, store.read() as connection:
        digests = [link.digest for link in hidden.links]
        assert not repositories.held(connection, Repository("docker.io", "team/app"), digests)
