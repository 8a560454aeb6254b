"""Image layouts that are imported and saved again, and the parts of the saved archives."""

from __future__ import annotations

import gzip as gzip_module
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

import exporter
from exporter import Format, Layers, SaveOptions
from store import Platform, Store
from tests.support.images import A, Archive, B, layer
from tests.support.layouts import (
    CONTAINERD_NAME,
    Descriptor,
    Layout,
    gzip,
    zstd,
)

if TYPE_CHECKING:
    from collections.abc import Callable


C = layer("c.txt", b"gamma\n")


AMD64, ARM64, S390X = (Platform.parse(f"linux/{name}") for name in ("amd64", "arm64", "s390x"))


BOTH = pytest.mark.parametrize("format_", [Format.OCI, Format.DOCKER])


def import_into(store: Store, source: Layout | Archive | bytes) -> None:
    """Import a layout, an archive or a tar from memory."""
    data = (
        source.tar()
        if isinstance(source, Layout)
        else source.bytes()
        if isinstance(source, Archive)
        else source
    )
    store.import_archive(io.BytesIO(data))


def save(store: Store, *names: str, notes: list[str] | None = None, **options: Any) -> bytes:  # noqa: ANN401 - any option
    """Save images with these fields of `SaveOptions`; return the archive."""
    out = io.BytesIO()
    with exporter.open_save(store, names, options=SaveOptions(**options)) as export:
        export.write(out)
        assert len(out.getvalue()) == export.size_bytes
        if notes is not None:
            notes += export.notes
    return out.getvalue()


def files(archive: bytes) -> dict[str, bytes]:
    """Return the files of a tar, by name."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {
            member.name: taken.read()
            for member in tar
            if (taken := tar.extractfile(member)) is not None
        }


def blobs(archive: bytes) -> dict[str, bytes]:
    """Return the blobs of a layout in a tar, by digest."""
    return {
        name.removeprefix("blobs/").replace("/", ":"): data
        for name, data in files(archive).items()
        if name.startswith("blobs/")
    }


def listed(archive: bytes) -> list[Descriptor]:
    """Return the descriptors in index.json."""
    found: list[Descriptor] = json.loads(files(archive)["index.json"])["manifests"]
    return found


def names_of(archive: bytes) -> dict[str, list[str]]:
    """Return the full names in index.json by the digest that they name."""
    found: dict[str, list[str]] = {}
    for root in listed(archive):
        name = root.get("annotations", {}).get(CONTAINERD_NAME)
        found.setdefault(root["digest"], []).extend([] if name is None else [name])
    return found


class Sample:
    """An index of two platforms with an attestation, and artifacts that refer to it.

    The artifacts are a signature by subject, a note about the signature, and a signature by tag.
    """

    def __init__(self) -> None:
        self.layout = Layout()
        self.amd64 = self.layout.image(gzip(A), zstd(B))
        self.arm64 = self.layout.image(gzip(A), gzip(C), platform="linux/arm64/v8")
        self.attestation = self.layout.attestation(self.amd64)
        self.top = self.layout.index(
            self.amd64, self.attestation, self.arm64, annotations={"kept": "é"}
        )
        self.layout.root(self.top, "docker.io/team/app:1", "docker.io/team/app:latest")
        self.inside = set(self.layout.blobs)
        self.signature = self.layout.root(self.layout.artifact(b"signature", subject=self.top))
        self.about = self.layout.root(
            self.layout.artifact(b"about the signature", subject=self.signature)
        )
        self.tag = f"docker.io/team/app:{self.top['digest'].replace(':', '-')}.sig"
        self.tagged = self.layout.root(self.layout.artifact(b"cosigned"), self.tag)


def below(layout: Layout, *manifests: Descriptor) -> set[str]:
    """Return the digests of these manifests, their configs and their layers."""
    found = set()
    for manifest in manifests:
        document = json.loads(layout.blobs[manifest["digest"]])
        found |= {
            manifest["digest"],
            document["config"]["digest"],
            *(blob["digest"] for blob in document["layers"]),
        }
    return found


DECODED: dict[Layers, Callable[[bytes], bytes]] = {
    Layers.GZIP: gzip_module.decompress,
    Layers.ZSTD: lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
    Layers.PLAIN: bytes,
}


def compact(document: object) -> bytes:
    """Return a document as compact JSON."""
    return json.dumps(document, separators=(",", ":")).encode()
