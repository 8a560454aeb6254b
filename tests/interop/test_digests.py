"""Every digest survives the way from a registry through two archives and the store to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

from exporter import SaveOptions, atomic_file, open_save
from exporter.options import Format
from tests.support.engine import require
from tests.support.images import A, B, layer
from tests.support.layouts import CONFIG, MANIFEST, Layout, digest, gzip, plain, zstd
from tests.support.peers import docker
from tests.support.peers.claims import claims
from tests.support.peers.registry import Registry
from tests.support.peers.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from store import Store
    from tests.support.layouts import Descriptor

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("digests")]
REPOSITORY: Final = "team/app"
C: Final = layer("c.txt", b"gamma\n")


@pytest.fixture(scope="module")
def workshop() -> Iterator[Workshop]:
    require("dockerd", "skopeo", "docker-registry")
    with Workshop() as shop:
        yield shop


@pytest.fixture
def far(workshop: Workshop) -> Iterator[Registry]:
    """Start an empty registry that receives the images at the end."""
    server = Registry(workshop.programs, workshop.fresh("registry"))
    try:
        yield server
    finally:
        server.stop()


def cosigned(layout: Layout, signed: Descriptor) -> Descriptor:
    """Add a signature as cosign makes it, an image without a tar layer; return its descriptor."""
    payload = (
        b'{"critical":{"image":{"docker-manifest-digest":"%s"},"type":"cosign container image'
        b' signature"}}' % signed["digest"].encode()
    )
    config = layout.document(
        {
            "architecture": "",
            "os": "",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest(payload)]},
        },
        CONFIG,
    )
    link = layout.blob(
        payload,
        "application/vnd.dev.cosign.simplesigning.v1+json",
        annotations={"dev.cosignproject.cosign/signature": "MEUC"},
    )
    return layout.document(
        {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [link]}, MANIFEST
    )


@dataclass(frozen=True)
class Release:
    """A release: the tags of an index, of its signature and of an artifact that refers to it."""

    layout: Layout
    index: Descriptor
    tags: tuple[str, ...]


def release() -> Release:
    layout = Layout()
    history: dict[str, Any] = {
        "created": "2024-01-01T00:00:00Z",
        "history": [{"created_by": "one"}, {"created_by": "two"}],
    }
    images = [
        layout.image(gzip(A), gzip(B, level=1), platform="linux/amd64", config=history),
        layout.image(gzip(A), zstd(C), platform="linux/arm64/v8", config=history),
        layout.image(
            plain(A),
            gzip(B),
            platform="linux/s390x",
            config=history,
            annotations={"org.example.unknown": "kept"},
        ),
    ]
    attestations = (
        layout.attestation(one, b'{"about":"%s"}' % one["digest"].encode()) for one in images
    )
    index = layout.index(*images, *attestations, annotations={"a": "b"})
    approval = layout.artifact(
        b"approved", subject=index, artifact_type="application/vnd.example.approval"
    )
    tags = {
        "1": index,
        f"{index['digest'].replace(':', '-')}.sig": cosigned(layout, index),
        "approval": approval,
    }
    for tag, manifest in tags.items():
        layout.root(manifest, f"docker.io/{REPOSITORY}:{tag}")
    return Release(layout, index, tuple(tags))


@pytest.fixture(scope="module")
def near(workshop: Workshop) -> Release:
    """Push the release to the registry from which skopeo fetches."""
    made = release()
    folder = made.layout.folder(workshop.fresh("layout"))
    for tag in made.tags:
        workshop.skopeo.copy(
            f"oci:{folder}:{tag}",
            f"docker://{workshop.registry.host}/{REPOSITORY}:{tag}",
            everything=True,
            preserve=True,
        )
    return made


@pytest.fixture
def filled(workshop: Workshop, near: Release, store: Store) -> Store:
    """Make a store that has imported the archive that skopeo wrote from the registry."""
    for tag in near.tags:
        archive = workshop.fresh("fetched.tar")
        name = f"{REPOSITORY}:{tag}"
        workshop.skopeo.copy(
            f"docker://{workshop.registry.host}/{name}",
            f"oci-archive:{archive}:{name}",
            everything=True,
            preserve=True,
        )
        store.import_archive(archive)
    return store


def saved(workshop: Workshop, store: Store, names: list[str], form: Format) -> Path:
    path = workshop.fresh("saved.tar")
    with open_save(store, names, options=SaveOptions(form)) as export, atomic_file(path) as file:
        export.write(file)
    return path


@pytest.mark.parametrize("form", [Format.DOCKER, Format.OCI])
def test_every_digest_and_every_byte_crosses(
    workshop: Workshop, near: Release, filled: Store, far: Registry, form: Format
) -> None:
    archive = saved(workshop, filled, [f"{REPOSITORY}:{tag}" for tag in near.tags], form)
    for tag in near.tags:
        workshop.skopeo.copy(
            f"oci-archive:{archive}:{tag}",
            f"docker://{far.host}/{REPOSITORY}:{tag}",
            everything=True,
            preserve=True,
        )
    assert far.tags(REPOSITORY) == workshop.registry.tags(REPOSITORY) == set(near.tags)
    crossed: dict[str, bytes] = {}
    for tag in near.tags:
        there = dict(far.everything(REPOSITORY, tag))
        assert there == dict(workshop.registry.everything(REPOSITORY, tag))
        crossed |= there
    assert crossed == near.layout.blobs


def test_importing_a_docker_archive_of_the_same_image_keeps_every_digest(
    workshop: Workshop, near: Release, filled: Store
) -> None:
    name = f"{REPOSITORY}:1"
    docker.pull(workshop.docker, f"{workshop.registry.host}/{name}", name)
    archive = workshop.fresh("docker.tar")
    archive.write_bytes(workshop.docker.save([name]))
    report = filled.import_archive(archive)
    assert report.lines == (f"Loaded image: {name}",)
    assert not report.changed
    (tag,) = filled.inspect(name).references
    assert str(tag.manifest) == near.index["digest"]
    for form in (Format.DOCKER, Format.OCI):
        assert claims(saved(workshop, filled, [name], form)).digests() == {near.index["digest"]}
