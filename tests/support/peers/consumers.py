"""Every command by which a peer reads archives of storectl."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, final

from tests.support.layouts import digest
from tests.support.peers import docker
from tests.support.peers.process import PeerRefusal
from tests.support.peers.workshop import as_folder, as_tar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.peers.subjects import Part
    from tests.support.peers.workshop import Workshop


@final
@dataclass(frozen=True)
class PeerDigests:
    """The digests of manifests, indexes and configs by which a peer identifies a part.

    ``remarks`` are the peer's messages if it refused further commands.
    """

    digests: frozenset[str]
    remarks: tuple[str, ...] = field(default=())


@final
@dataclass(frozen=True)
class SavedPart:
    """A saved archive or folder with one part; ``ref`` is the part's name in index.json."""

    path: Path
    part: Part
    ref: str
    several: bool


@final
@dataclass(frozen=True)
class Consumer:
    """A command that reads ``formats``, with its row in the table of docs/interop.md.

    ``read`` returns the digests by which the peer identifies a part, or raises PeerRefusal.
    """

    peer: str
    command: str
    read: Callable[[Workshop, SavedPart], PeerDigests]
    formats: tuple[str, ...] = ("legacy", "docker", "oci, tar", "oci, folder")


def _docker_load(shop: Workshop, saved: SavedPart) -> PeerDigests:
    shop.docker.clear()
    docker.load(shop.docker, as_tar(saved.path, shop.fresh("folder.tar")).read_bytes())
    found = docker.image_id(shop.docker, saved.part.name)
    return PeerDigests(frozenset(() if found is None else (found,)))


def _named(kind: str, saved: SavedPart) -> str:
    return f"{kind}:{saved.path}:{saved.part.name if kind == 'docker-archive' else saved.ref}"


def _skopeo_copy(kind: str) -> Callable[[Workshop, SavedPart], PeerDigests]:
    def read(shop: Workshop, saved: SavedPart) -> PeerDigests:
        target = shop.fresh("copied")
        shop.skopeo.copy(
            _named(kind, saved), f"dir:{target}", everything=True, preserve=kind != "docker-archive"
        )
        manifest = (target / "manifest.json").read_bytes()
        config = json.loads(manifest).get("config", {}).get("digest")
        return PeerDigests(frozenset({digest(manifest)} | ({config} if config else set())))

    return read


def _podman_found(shop: Workshop) -> PeerDigests:
    return PeerDigests(frozenset(shop.podman.image_ids() | shop.podman.digests()))


def _podman_load(shop: Workshop, saved: SavedPart) -> PeerDigests:
    shop.podman.clear()
    shop.podman.run("load", "--quiet", "--input", saved.path)
    return _podman_found(shop)


def _podman_pull(kind: str) -> Callable[[Workshop, SavedPart], PeerDigests]:
    def read(shop: Workshop, saved: SavedPart) -> PeerDigests:
        shop.podman.clear()
        shop.podman.run("pull", "--quiet", _named(kind, saved))
        return _podman_found(shop)

    return read


def _umoci_unpack(shop: Workshop, saved: SavedPart) -> PeerDigests:
    layout = as_folder(saved.path, shop.fresh("layout"))
    bundle = shop.fresh("bundle")
    seen = shop.umoci.unpack(layout, saved.ref, bundle)
    assert (bundle / "rootfs" / "a.txt").read_text() == "alpha\n"
    return PeerDigests(frozenset({seen}))


def _ctr_import(*options: str) -> Callable[[Workshop, SavedPart], PeerDigests]:
    def read(shop: Workshop, saved: SavedPart) -> PeerDigests:
        shop.containerd.clear()
        shop.containerd.import_archive(as_tar(saved.path, shop.fresh("folder.tar")), *options)
        images = shop.containerd.images()
        name = f"docker.io/{saved.part.name}"
        found = (
            [images[name], shop.containerd.config_digest(images[name])] if name in images else []
        )
        return PeerDigests(frozenset(digest for digest in found if digest))

    return read


def _crane_push(shop: Workshop, saved: SavedPart) -> PeerDigests:
    repository = f"pushed/{shop.fresh('x').parent.name}"
    name = f"{shop.registry.host}/{repository}:1"
    shop.crane.run(
        "push", *(["--index"] if saved.path.is_dir() and saved.several else []), saved.path, name
    )
    found = {digest for digest, _ in shop.registry.everything(repository, "1")}
    remarks = []
    try:
        shop.crane.run("validate", "--remote", name)
    except PeerRefusal as exc:
        remarks.append(f"`crane validate` refuses it: “{exc.message}”")
    return PeerDigests(frozenset(found), tuple(remarks))


# The formats that each transport of containers/image reads.
TRANSPORTS: Final = {
    "docker-archive": ("legacy", "docker"),
    "oci-archive": ("docker", "oci, tar"),
    "oci": ("oci, folder",),
}

CONSUMERS: Final = (
    Consumer("Docker", "docker load", _docker_load),
    *(
        Consumer("skopeo", f"skopeo copy --all {kind}:", _skopeo_copy(kind), formats)
        for kind, formats in TRANSPORTS.items()
    ),
    Consumer("podman", "podman load", _podman_load),
    *(
        Consumer("podman", f"podman pull {kind}:", _podman_pull(kind), formats)
        for kind, formats in TRANSPORTS.items()
    ),
    Consumer("umoci", "umoci unpack", _umoci_unpack),
    Consumer("containerd", "ctr images import", _ctr_import()),
    Consumer(
        "containerd",
        "ctr images import --all-platforms --no-unpack",
        _ctr_import("--all-platforms", "--no-unpack"),
    ),
    Consumer("crane", "crane push", _crane_push),
)
