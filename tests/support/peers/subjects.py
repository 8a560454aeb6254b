"""The subjects of the matrices: images, indexes and artifacts with names and known digests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

from tests.support.images import A, Archive, B, layer
from tests.support.layouts import CONFIG, Layout, gzip

if TYPE_CHECKING:
    from collections.abc import Sequence

PLATFORMS: Final = ("linux/amd64", "linux/arm64/v8", "linux/s390x")
CREATED: Final = "2024-01-01T00:00:00Z"
C: Final = layer("c.txt", b"gamma\n")


@final
@dataclass(frozen=True, eq=False)
class Part:
    """A named image, index or artifact.

    ``root`` is the digest of the part's manifest or index. ``image`` is the ID of the part's image
    for this machine's platform, or None for an artifact.
    """

    repository: str
    tag: str
    root: str
    image: str | None
    layout: Layout

    @property
    def name(self) -> str:
        """The name as Docker's users write it."""
        return f"{self.repository}:{self.tag}"

    @property
    def what(self) -> str:
        """The word for this part in a cell of a table, used if the parts have different results."""
        return self.repository.rpartition("/")[2] if self.image is not None else "artifact"


@final
@dataclass(frozen=True, eq=False)
class Subject:
    """Parts that are produced and consumed together."""

    key: str
    title: str
    parts: tuple[Part, ...]

    def tar(self) -> bytes:
        """Return all parts as a layout in a tar."""
        layout = Layout()
        for part in self.parts:
            layout.blobs |= part.layout.blobs
            layout.roots += part.layout.roots
        return layout.tar()


def docker_archive(parts: Sequence[Part]) -> bytes:
    """Return the images as a Docker archive; their manifests are not in the archive."""
    archive = Archive()
    entries = []
    for number, part in enumerate(parts):
        config = part.layout.blobs[str(part.image)]
        archive.file(f"{number}.json", config)
        plain = {gzip_name(data): data for data in (A, B, C)}
        manifest = json.loads(part.layout.blobs[part.root])
        for position, link in enumerate(manifest["layers"]):
            archive.file(f"{number}-{position}.tar", plain[link["digest"]])
        layers = [f"{number}-{position}.tar" for position in range(len(manifest["layers"]))]
        entries.append({"Config": f"{number}.json", "RepoTags": [part.name], "Layers": layers})
    return archive.manifest(*entries).bytes()


def gzip_name(data: bytes) -> str:
    """Return the digest of a layer's gzip blob in these subjects."""
    layout = Layout()
    name: str = layout.blob(gzip(data).data, "")["digest"]
    return name


def _runnable(layout: Layout, *layers: bytes, platform: str = PLATFORMS[0]) -> dict[str, Any]:
    history = [
        {"created": CREATED, "created_by": f"step {number}"} for number in range(len(layers))
    ]
    members = {
        "created": CREATED,
        "config": {"Env": ["PATH=/bin"], "Cmd": ["/a"]},
        "history": history,
    }
    return layout.image(*map(gzip, layers), platform=platform, config=members)


def _part(layout: Layout, root: dict[str, Any], name: str) -> Part:
    layout.root(root, f"docker.io/{name}")
    repository, _, tag = name.rpartition(":")
    document = json.loads(layout.blobs[root["digest"]])
    manifest = document["manifests"][0]["digest"] if "manifests" in document else root["digest"]
    described = json.loads(layout.blobs[manifest])["config"]
    return Part(
        repository,
        tag,
        root["digest"],
        described["digest"] if described["mediaType"] == CONFIG else None,
        layout,
    )


def _image(name: str, *layers: bytes) -> Part:
    layout = Layout()
    return _part(layout, _runnable(layout, *layers), name)


def _index(name: str) -> Part:
    layout = Layout()
    return _part(
        layout,
        layout.index(*(_runnable(layout, A, B, platform=platform) for platform in PLATFORMS)),
        name,
    )


def _artifact(name: str, subject: Part) -> Part:
    layout = Layout()
    size = len(subject.layout.blobs[subject.root])
    about = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": subject.root,
        "size": size,
    }
    return _part(
        layout,
        layout.artifact(
            b"signed", subject=about, artifact_type="application/vnd.example.signature"
        ),
        name,
    )


def subjects() -> tuple[Subject, ...]:
    """Return all subjects."""
    signed = _image("matrix/signed:1", A, C)
    return (
        Subject("image", "one image", (_image("matrix/image:1", A, B),)),
        Subject(
            "images",
            "two images",
            (_image("matrix/first:1", A, B), _image("matrix/second:1", A, C, B)),
        ),
        Subject("index", "an index for three platforms", (_index("matrix/index:1"),)),
        Subject(
            "referrers",
            "an image and an artifact that refers to it",
            (signed, _artifact("matrix/signed:signature", signed)),
        ),
    )
