"""Real clients pull from the mirror and push to it, and no digest changes."""

from __future__ import annotations

import io
import json
import subprocess
import tempfile
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from store import Store
from tests.support import images
from tests.support.engine import program, require
from tests.support.layouts import Layout, gzip, zstd
from tests.support.mirror_process import Mirror

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.engine import Engine

pytestmark = pytest.mark.interop

CONFIG = {"config": {"Cmd": ["/nothing"]}}


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    with Mirror(tmp_path / "store") as running:
        yield running


def import_beside(mirror: Mirror, archive: bytes) -> None:
    """Import an archive with a second command while the server runs."""
    with Store.open(mirror.root, create=True) as store:
        store.import_archive(io.BytesIO(archive))


def run(*command: str) -> str:
    done = subprocess.run(
        [program(command[0]), *command[1:]],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def manifest(mirror: Mirror, name: str, reference: str) -> tuple[str, dict[str, Any]]:
    status, headers, body = mirror.request("GET", f"/v2/{name}/manifests/{reference}")
    assert status == 200, body
    return headers["Docker-Content-Digest"], json.loads(body)


# --- Docker ---------------------------------------------------------------------------------------


def _through(docker: Engine, path: str) -> list[dict[str, Any]]:
    with docker.answer("POST", path, b"", {"X-Registry-Auth": "e30="}) as response:
        said = [json.loads(line) for line in response.read().splitlines() if line.strip()]
    assert response.status == 200, said
    assert not [one for one in said if "error" in one], said
    return said


def test_docker_pulls_an_imported_image_and_pushes_it_back(docker: Engine, mirror: Mirror) -> None:
    import_beside(
        mirror,
        images.image(
            images.A, images.B, tags=("team/app:1",), config={"Cmd": ["/nothing"]}
        ).bytes(),
    )
    digest, before = manifest(mirror, "team/app", "1")
    name = f"{mirror.host}/team/app"
    _through(docker, f"/images/create?fromImage={name}&tag=1")
    pulled = docker.inspect(f"{name}:1")
    assert pulled["Id"] == before["config"]["digest"]
    assert pulled["RepoDigests"] == [f"{name}@{digest}"]
    assert [one["digest"] for one in before["layers"]] == pulled["RootFS"]["Layers"]
    for _ in range(2):
        _through(docker, f"/images/{name}/push?tag=1")
        moved, after = manifest(mirror, "team/app", "1")
        assert after["config"]["digest"] == before["config"]["digest"]
        assert [one["digest"] for one in after["layers"]] == [
            one["digest"] for one in before["layers"]
        ]
        assert after["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
        assert mirror.json("/v2/team/app/tags/list")["tags"] == ["1"]
        assert manifest(mirror, "team/app", digest)[1] == before
        with Store.open(mirror.root) as store:
            assert [str(one.image_id) for one in store.images()] == [pulled["Id"]]
            with store.read() as connection:
                rows = connection.execute(
                    text(
                        "SELECT digest FROM content JOIN manifest ON manifest.content_id ="
                        " content.id"
                    )
                ).scalars()
                assert {str(one) for one in rows} == {digest, moved}
            assert list(store.fsck()) == []


def test_docker_pushes_an_image_of_its_own_and_gets_it_back(docker: Engine, mirror: Mirror) -> None:
    name = f"{mirror.host}/own"
    docker.load(images.image(images.A, tags=(f"{name}:1",), config={"Cmd": ["/own"]}).bytes())
    image_id = docker.inspect(f"{name}:1")["Id"]
    _through(docker, f"/images/{name}/push?tag=1")
    docker.request("DELETE", f"/images/{name}:1?force=1")
    _through(docker, f"/images/create?fromImage={name}&tag=1")
    assert docker.inspect(f"{name}:1")["Id"] == image_id
    with Store.open(mirror.root) as store:
        assert list(store.fsck()) == []


# --- skopeo, podman, buildah, crane ---------------------------------------------------------------


@pytest.mark.parametrize("layers", ["plain", "gzip", "zstd"])
def test_skopeo_pushes_and_pulls_with_digests(layers: str, mirror: Mirror, tmp_path: Path) -> None:
    require("skopeo")
    layout = Layout()
    if layers == "gzip":
        root = layout.image(gzip(images.A), gzip(images.B), config=CONFIG)
    elif layers == "zstd":
        root = layout.image(zstd(images.A), config=CONFIG)
    else:
        root = layout.image(images.A, images.B, config=CONFIG)
    layout.root(root, **{"org.opencontainers.image.ref.name": "1"})
    came = layout.folder(tmp_path / "came")
    run(
        "skopeo",
        "copy",
        "--insecure-policy",
        "--preserve-digests",
        "--dest-tls-verify=false",
        f"oci:{came}:1",
        f"docker://{mirror.host}/some/thing:1",
    )
    assert manifest(mirror, "some/thing", "1")[0] == root["digest"]
    run(
        "skopeo",
        "copy",
        "--insecure-policy",
        "--preserve-digests",
        "--src-tls-verify=false",
        f"docker://{mirror.host}/some/thing:1",
        f"oci:{tmp_path / 'went'}:1",
    )
    for name in (root["digest"], *layout.blobs):
        path = tmp_path / "went" / "blobs" / name.replace(":", "/")
        assert path.read_bytes() == layout.blobs[name]


def test_skopeo_copies_an_index_with_everything_in_it(mirror: Mirror, tmp_path: Path) -> None:
    require("skopeo")
    layout = Layout()
    children = [
        layout.image(gzip(images.A), platform="linux/amd64"),
        layout.image(gzip(images.B), platform="linux/arm64"),
    ]
    root = layout.index(*children)
    layout.root(root, **{"org.opencontainers.image.ref.name": "1"})
    came = layout.folder(tmp_path / "came")
    run(
        "skopeo",
        "copy",
        "--all",
        "--insecure-policy",
        "--preserve-digests",
        "--dest-tls-verify=false",
        f"oci:{came}:1",
        f"docker://{mirror.host}/multi:1",
    )
    assert manifest(mirror, "multi", "1")[0] == root["digest"]
    run(
        "skopeo",
        "copy",
        "--all",
        "--insecure-policy",
        "--preserve-digests",
        "--src-tls-verify=false",
        f"docker://{mirror.host}/multi:1",
        f"oci:{tmp_path / 'went'}:1",
    )
    assert (
        tmp_path / "went" / "blobs" / root["digest"].replace(":", "/")
    ).read_bytes() == layout.blobs[root["digest"]]


@pytest.mark.parametrize("client", ["podman", "buildah"])
def test_podman_and_buildah_pull_and_push(client: str, mirror: Mirror, tmp_path: Path) -> None:
    require(client)
    import_beside(
        mirror,
        images.image(
            images.A, images.B, tags=("team/app:1",), config={"Cmd": ["/nothing"]}
        ).bytes(),
    )
    _, before = manifest(mirror, "team/app", "1")
    # podman gets its own storage, apart from the machine's. It accepts no run root of more than 50
    # characters.
    with tempfile.TemporaryDirectory(prefix="run-") as running:
        base = [
            client,
            "--root",
            str(tmp_path / "storage"),
            "--runroot",
            running,
            "--storage-driver=vfs",
        ]
        image_id = run(
            *base, "pull", "-q", "--tls-verify=false", f"{mirror.host}/team/app:1"
        ).strip()
        assert before["config"]["digest"].endswith(image_id)
        run(*base, "push", "-q", "--tls-verify=false", image_id, f"docker://{mirror.host}/again:2")
    _, after = manifest(mirror, "again", "2")
    assert after["config"]["digest"] == before["config"]["digest"]


def test_a_pushed_image_can_be_saved(mirror: Mirror, tmp_path: Path) -> None:
    require("skopeo")
    archive = tmp_path / "image.tar"
    archive.write_bytes(images.image(images.A, images.B, tags=("team/app:1",)).bytes())
    run(
        "skopeo",
        "copy",
        "--insecure-policy",
        "--dest-tls-verify=false",
        f"docker-archive:{archive}",
        f"docker://{mirror.host}/team/app:1",
    )
    _, pushed = manifest(mirror, "team/app", "1")
    with Store.open(mirror.root) as store:
        (image,) = store.images()
        assert store.verify_image(image.image_id) == "verified"
        assert str(image.image_id) == pushed["config"]["digest"]
        import exporter

        out = io.BytesIO()
        with exporter.open_save(store, ("team/app:1",)) as export:
            export.write(out)
        assert len(out.getvalue()) == export.size_bytes
