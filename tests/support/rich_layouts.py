"""A layout with every kind of entry, imported and saved in every format."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING, Any

import exporter
from exporter import SaveOptions
from tests.support.images import A, B, E, layer
from tests.support.layouts import MANIFEST, Layout, digest, gzip, plain, zstd

if TYPE_CHECKING:
    from store import Store


C = layer("c.txt", b"gamma\n")


LARGE = layer("large", b"0123456789abcdef" * 20_000)


def save(store: Store, *names: str, **options: Any) -> bytes:  # noqa: ANN401 - the options of a save
    out = io.BytesIO()
    with exporter.open_save(store, names, options=SaveOptions(**options)) as export:
        export.write(out)
        assert len(out.getvalue()) == export.size_bytes
    return out.getvalue()


def files(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        found = {}
        for member in tar:
            assert (member.uid, member.uname, member.mode & 0o7000) == (0, "", 0)
            if member.isfile():
                found[member.name] = tar.extractfile(member).read()  # type: ignore[union-attr]
        return found


def blobs(archive: bytes) -> dict[str, bytes]:
    found = {
        name.removeprefix("blobs/").replace("/", ":"): data
        for name, data in files(archive).items()
        if name.startswith("blobs/")
    }
    for name, data in found.items():
        assert digest(data, name.partition(":")[0]) == name
    return found


def listed(archive: bytes) -> list[tuple[str, str, str]]:
    """Return the digest, full name and ref name of each entry of index.json."""
    index = json.loads(files(archive)["index.json"])
    entries = [(root["digest"], root.get("annotations", {})) for root in index["manifests"]]
    return [
        (
            name,
            notes.get("io.containerd.image.name", ""),
            notes.get("org.opencontainers.image.ref.name", ""),
        )
        for name, notes in entries
    ]


def rich_layout() -> tuple[Layout, dict[str, dict[str, Any]]]:
    """Return a layout with every kind of entry, and the layout's descriptors.

    - an index with three platforms and attestations
    - a signature, and a note on the signature
    - a cosign tag
    - a second repository with the same tag
    """
    layout = Layout()
    amd64 = layout.image(
        gzip(A),
        zstd(B),
        plain(LARGE),
        platform="linux/amd64",
        config={"config": {"Labels": {"stage": "prod"}}},
    )
    arm64 = layout.image(gzip(A), gzip(C), platform="linux/arm64/v8")
    arm = layout.image(gzip(C), platform="linux/arm/v7")
    top = layout.root(
        layout.index(amd64, layout.attestation(amd64), arm64, arm),
        "docker.io/team/app:1",
        "docker.io/team/app:latest",
    )
    signature = layout.root(layout.artifact(b"signed", subject=top))
    note = layout.root(layout.artifact(b"about the signature", subject=signature))
    cosign = layout.root(
        layout.artifact(b"cosign"), f"docker.io/team/app:{top['digest'].replace(':', '-')}.sig"
    )
    other = layout.root(layout.image(gzip(E), algorithm="sha512"), "example.org/other:1")
    return layout, {
        "amd64": amd64,
        "arm64": arm64,
        "arm": arm,
        "top": top,
        "signature": signature,
        "note": note,
        "cosign": cosign,
        "other": other,
    }


def foreign_layout() -> Layout:
    layout = Layout()
    image = layout.image(gzip(A), gzip(B))
    document = json.loads(layout.blobs.pop(image["digest"]))
    document["layers"][0] |= {
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "urls": ["https://example.org/a"],
    }
    del layout.blobs[document["layers"][0]["digest"]]
    layout.root(layout.document(document, MANIFEST), "docker.io/library/foreign:1")
    return layout


def run(store: Store, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "storectl", "--root", str(store.root), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
