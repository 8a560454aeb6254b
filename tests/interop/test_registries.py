"""Content of every kind goes through registries of every kind, and no byte of it changes.

Each kind is pushed, pulled, copied, synced both ways, and pulled through our mirror. CI tries the
kinds that registries differ in, with two registries; STORECTL_REGISTRIES=full tries all.
"""

from __future__ import annotations

import json
import os
import tarfile
from typing import TYPE_CHECKING, Final

import pytest

from store import Store
from storectl import cli
from tests.support.engine import require
from tests.support.images import A, B, layer
from tests.support.layouts import Layout, gzip, plain, zstd
from tests.support.mirror_process import Mirror
from tests.support.peers.registries import REGISTRIES, RunningRegistry
from tests.support.peers.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.peers.registries import Software

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("registries")]
C: Final = layer("c.txt", b"gamma\n")
PLATFORMS: Final = ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/s390x")
HELM: Final = "application/vnd.cncf.helm"
IS_FULL: Final = os.environ.get("STORECTL_REGISTRIES") == "full"
CONTENTS: Final = ("index", "sha512", *(("single", "artifact", "chart") if IS_FULL else ()))
TRIED: Final = REGISTRIES if IS_FULL else REGISTRIES[:2]


def content(kind: str) -> Layout:
    """Return a layout with one root, and perhaps its referrers."""
    layout = Layout()
    if kind == "single":
        root = layout.image(gzip(A), zstd(B), plain(C))
    elif kind == "index":
        images = [layout.image(gzip(A), B, platform=one) for one in PLATFORMS]
        root = layout.index(*images, *(layout.attestation(one) for one in images))
        layout.root(layout.artifact(b"of the index", subject=root))
        signature = layout.root(layout.artifact(b"of an image", subject=images[1]))
        layout.root(layout.artifact(b"of a signature", subject=signature))
    elif kind == "artifact":
        root = layout.artifact(b"data", b"more")
    elif kind == "chart":
        root = layout.artifact(
            b"chart",
            artifact_type=f"{HELM}.config.v1+json",
            blob_type=f"{HELM}.chart.content.v1.tar+gzip",
        )
    else:
        # The manifest has the digest that every registry computes; what it lists has another.
        inner = layout.image(gzip(A), gzip(B), algorithm="sha512")
        document = json.loads(layout.blobs.pop(inner["digest"]))
        root = layout.document(document, inner["mediaType"])
    layout.root(root, f"docker.io/team/{kind}:1")
    return layout


@pytest.fixture(scope="module", params=TRIED, ids=lambda one: one.title)
def registry(request: pytest.FixtureRequest) -> Iterator[RunningRegistry]:
    software: Software = request.param
    if software.missing:
        pytest.skip(software.missing)
    require(*([] if software.program == "storectl" else [software.program]))
    with Workshop() as shop, RunningRegistry(software, shop.folder / "registry") as running:
        yield running


@pytest.mark.parametrize("kind", CONTENTS)
def test_no_byte_changes_on_any_way(
    registry: RunningRegistry, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in registry.environment.items():
        monkeypatch.setenv(name, value)
    layout = content(kind)
    archive = tmp_path / "all.tar"
    archive.write_bytes(layout.tar())

    def run(store: str, *arguments: str) -> None:
        assert cli.run(["--root", str(tmp_path / store), *arguments]) == os.EX_OK, arguments

    def require_same(store: str, name: str) -> None:
        """Require that a store has all of the content under a name."""
        saved = tmp_path / f"{store}.tar"
        run(store, "save", "-q", "--format=oci", "--referrers", "-o", str(saved), name)
        with tarfile.open(saved) as tar:
            blobs = {
                one.name.removeprefix("blobs/").replace("/", ":"): tar.extractfile(one).read()  # type: ignore[union-attr]
                for one in tar
                if one.isfile() and one.name.startswith("blobs/")
            }
        assert {key: blobs.get(key) for key in layout.blobs} == layout.blobs
        with Store.open(tmp_path / store) as opened:
            digest = str(opened.inspect_manifest(name).summary.digest)
            assert digest == layout.roots[-1]["digest"]
            assert list(opened.fsck()) == []

    everything = ("-q", "--all-platforms", "--referrers")
    pushed, copied, synced = (
        f"{registry.host}/{verb}/{kind}:1" for verb in ("pushed", "copied", "synced")
    )
    run("own", "import", "-q", str(archive))
    run("own", "push", "-q", "--referrers", f"team/{kind}:1", pushed)
    run("pulled", "pull", *everything, pushed)
    require_same("pulled", pushed)
    run("own", "copy", "-q", "--referrers", f"docker://{pushed}", f"docker://{copied}")
    file = tmp_path / "sync.yaml"
    source = f"image: '{copied}', platforms: all, referrers: true"
    file.write_text(
        f"sources: [{{{source}}}, {{{source}, to: 'docker://{synced}'}}]", encoding="utf-8"
    )
    run("synced", "sync", "-q", str(file))
    require_same("synced", copied)
    with Mirror(tmp_path / "near", "-q", "--upstream", f"docker.io={registry.url}") as near:
        through = f"{near.host}/synced/{kind}:1"
        run("through", "pull", *everything, through)
        require_same("through", through)
