"""OCI image layouts, built document by document, valid or as broken as a test needs.

For example:

    layout = Layout()
    app = layout.image(A, gzip(B), platform="linux/amd64")
    layout.root(layout.index(app, layout.absent("linux/arm64")), "docker.io/team/app:1")
    layout.root(layout.artifact(b"signature", subject=app))
    layout.tar()
"""

from __future__ import annotations

import gzip as gzip_module
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import zstandard

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
CONFIG: Final = "application/vnd.oci.image.config.v1+json"
LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
FOREIGN_LAYER: Final = "application/vnd.oci.image.layer.nondistributable.v1.tar"
EMPTY: Final = "application/vnd.oci.empty.v1+json"
CONTAINERD_NAME: Final = "io.containerd.image.name"
REF_NAME: Final = "org.opencontainers.image.ref.name"

Descriptor = dict[str, Any]


def digest(data: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def encode(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Blob:
    """A layer's blob in a layout: ``data`` is the same as ``plain``, or decodes to ``plain``."""

    plain: bytes
    data: bytes
    suffix: str = ""
    urls: tuple[str, ...] = ()
    """The URLs of a foreign layer, whose blob is not in the layout."""


def plain(data: bytes) -> Blob:
    return Blob(data, data)


def gzip(data: bytes, level: int = 6) -> Blob:
    return Blob(data, gzip_module.compress(data, level, mtime=0), "+gzip")


def zstd(data: bytes, level: int = 3) -> Blob:
    return Blob(data, zstandard.ZstdCompressor(level=level).compress(data), "+zstd")


def foreign(blob: Blob, *urls: str) -> Blob:
    """Return this layer with ``urls``; a layout then gets the layer's descriptor, not its blob."""
    return replace(blob, urls=urls)


@dataclass
class Layout:
    """An image layout: ``blobs`` by digest, and ``roots`` for index.json.

    A test may change blobs and roots before it calls `tar` or `folder`.
    """

    blobs: dict[str, bytes] = field(default_factory=dict)
    roots: list[Descriptor] = field(default_factory=list)
    files: dict[str, bytes] = field(
        default_factory=lambda: {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
    )

    def blob(
        self, data: bytes, media_type: str, *, algorithm: str = "sha256", **members: object
    ) -> Descriptor:
        """Add ``data`` as a blob; return its descriptor with ``members``."""
        name = digest(data, algorithm)
        self.blobs[name] = data
        return {"mediaType": media_type, "digest": name, "size": len(data), **members}

    def document(
        self, document: object, media_type: str, *, algorithm: str = "sha256", **members: object
    ) -> Descriptor:
        return self.blob(encode(document), media_type, algorithm=algorithm, **members)

    def image(
        self,
        *layers: Blob | bytes,
        platform: str = "linux/amd64",
        algorithm: str = "sha256",
        config: dict[str, Any] | None = None,
        **members: object,
    ) -> Descriptor:
        """Add an image for ``platform``; return its manifest's descriptor.

        ``config`` has further members for the config, and ``members`` further members for the
        manifest.
        """
        blobs = [blob if isinstance(blob, Blob) else plain(blob) for blob in layers]
        fields = platform_fields(platform)
        document = {
            **fields,
            **(config or {}),
            "rootfs": {
                "type": "layers",
                "diff_ids": [digest(blob.plain, algorithm) for blob in blobs],
            },
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.document(document, CONFIG, algorithm=algorithm),
            "layers": [self.layer(blob, algorithm) for blob in blobs],
            **members,
        }
        return self.document(manifest, MANIFEST, algorithm=algorithm, platform=fields)

    def layer(self, blob: Blob, algorithm: str = "sha256") -> Descriptor:
        """Add a layer's blob, unless the layer is foreign; return its descriptor."""
        if blob.urls:
            return {
                "mediaType": FOREIGN_LAYER + blob.suffix,
                "digest": digest(blob.data, algorithm),
                "size": len(blob.data),
                "urls": list(blob.urls),
            }
        return self.blob(blob.data, LAYER + blob.suffix, algorithm=algorithm)

    def artifact(
        self,
        *blobs: bytes,
        subject: Descriptor | None = None,
        artifact_type: str = "application/vnd.example.thing",
        blob_type: str = "text/plain",
        **members: object,
    ) -> Descriptor:
        """Add a manifest of an artifact, with ``subject`` if it is set; return its descriptor."""
        manifest: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": artifact_type,
            "config": {**self.blob(b"{}", EMPTY), "data": "e30="},
            "layers": [self.blob(data, blob_type) for data in blobs],
            **members,
        }
        if subject is not None:
            manifest["subject"] = {key: subject[key] for key in ("mediaType", "digest", "size")}
        return self.document(manifest, MANIFEST, artifactType=artifact_type)

    def attestation(
        self, image: Descriptor, statement: bytes = b'{"_type":"https://in-toto.io/Statement/v0.1"}'
    ) -> Descriptor:
        """Add an attestation of an image as buildx adds it to an index; return its descriptor."""
        layer = self.blob(
            statement,
            "application/vnd.in-toto+json",
            annotations={"in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2"},
        )
        config = self.document(
            {
                "architecture": "unknown",
                "os": "unknown",
                "config": {},
                "rootfs": {"type": "layers", "diff_ids": [digest(statement)]},
            },
            CONFIG,
        )
        return self.document(
            {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]},
            MANIFEST,
            annotations={
                "vnd.docker.reference.digest": image["digest"],
                "vnd.docker.reference.type": "attestation-manifest",
            },
            platform={"architecture": "unknown", "os": "unknown"},
        )

    def index(
        self, *manifests: Descriptor, algorithm: str = "sha256", **members: object
    ) -> Descriptor:
        """Add an index of ``manifests``; return its descriptor."""
        return self.document(
            {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(manifests), **members},
            INDEX,
            algorithm=algorithm,
        )

    def absent(self, platform: str = "linux/s390x", media_type: str = MANIFEST) -> Descriptor:
        """Return the descriptor of a manifest that is not in the layout."""
        return {
            "mediaType": media_type,
            "digest": digest(platform.encode()),
            "size": 123,
            "platform": platform_fields(platform),
        }

    def root(self, descriptor: Descriptor, *names: str, **annotations: str) -> Descriptor:
        """Add a root to index.json: one entry for each full name, or one entry without a name."""
        for name in names:
            given = {CONTAINERD_NAME: name, REF_NAME: name.rpartition(":")[2], **annotations}
            self.roots.append(
                {**descriptor, "annotations": {**descriptor.get("annotations", {}), **given}}
            )
        if not names:
            self.roots.append(
                {**descriptor, "annotations": {**descriptor.get("annotations", {}), **annotations}}
                if annotations
                else descriptor
            )
        return descriptor

    def members(self) -> dict[str, bytes]:
        """Return every file by its path."""
        index = encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": self.roots})
        blobs = {f"blobs/{name.replace(':', '/')}": data for name, data in self.blobs.items()}
        return {**blobs, "index.json": index, **self.files}

    def tar(self) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            for name, data in self.members().items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        return out.getvalue()

    def folder(self, path: Path) -> Path:
        for name, data in self.members().items():
            file = path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        return path

    def dir_folder(self, path: Path) -> Path:
        """Write the first root into a folder in skopeo's ``dir:`` format; return the folder."""
        path.mkdir(parents=True, exist_ok=True)
        # skopeo writes version 1.2 only if a digest has another algorithm than sha256.
        minor = 1 if all(name.startswith("sha256:") for name in self.blobs) else 2
        (path / "version").write_bytes(f"Directory Transport Version: 1.{minor}\n".encode())
        top = self.roots[0]["digest"]
        children = {link["digest"] for link in json.loads(self.blobs[top]).get("manifests", ())}
        for name, data in self.blobs.items():
            bare = name.removeprefix("sha256:").replace(":", "-")
            (
                path
                / (
                    "manifest.json"
                    if name == top
                    else f"{bare}.manifest.json"
                    if name in children
                    else bare
                )
            ).write_bytes(data)
        return path


def platform_fields(text: str) -> dict[str, str]:
    """Return ``os/architecture[/variant]`` as the fields of a descriptor's platform."""
    return dict(zip(("os", "architecture", "variant"), text.split("/"), strict=False))
