"""Every way in which a peer reads what we save."""

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
class Seen:
    """The digests by which a peer knows a part afterwards: of manifests, indexes and configs.

    ``remarks`` are refusals of a second look.
    """

    digests: frozenset[str]
    remarks: tuple[str, ...] = field(default=())


@final
@dataclass(frozen=True)
class Offer:
    """What a peer is given: an archive or folder, the part it is asked for, and the ``ref`` that its index.json calls this part."""

    path: Path
    part: Part
    ref: str
    several: bool


@final
@dataclass(frozen=True)
class Consumer:
    """A row of the table. ``take`` raises PeerRefusal. ``formats``: what the command is for."""

    peer: str
    command: str
    take: Callable[[Workshop, Offer], Seen]
    formats: tuple[str, ...] = ("legacy", "docker", "oci, tar", "oci, folder")


def _docker_load(shop: Workshop, offer: Offer) -> Seen:
    shop.docker.clear()
    docker.load(shop.docker, as_tar(offer.path, shop.fresh("folder.tar")).read_bytes())
    found = docker.image_id(shop.docker, offer.part.name)
    return Seen(frozenset(() if found is None else (found,)))


def _named(kind: str, offer: Offer) -> str:
    return f"{kind}:{offer.path}:{offer.part.name if kind == 'docker-archive' else offer.ref}"


def _skopeo_copy(kind: str) -> Callable[[Workshop, Offer], Seen]:
    def take(shop: Workshop, offer: Offer) -> Seen:
        target = shop.fresh("copied")
        shop.skopeo.copy(
            _named(kind, offer), f"dir:{target}", everything=True, preserve=kind != "docker-archive"
        )
        manifest = (target / "manifest.json").read_bytes()
        config = json.loads(manifest).get("config", {}).get("digest")
        return Seen(frozenset({digest(manifest)} | ({config} if config else set())))

    return take


def _podman_found(shop: Workshop) -> Seen:
    return Seen(frozenset(shop.podman.image_ids() | shop.podman.digests()))


def _podman_load(shop: Workshop, offer: Offer) -> Seen:
    shop.podman.clear()
    shop.podman.run("load", "--quiet", "--input", offer.path)
    return _podman_found(shop)


def _podman_pull(kind: str) -> Callable[[Workshop, Offer], Seen]:
    def take(shop: Workshop, offer: Offer) -> Seen:
        shop.podman.clear()
        shop.podman.run("pull", "--quiet", _named(kind, offer))
        return _podman_found(shop)

    return take


def _umoci_unpack(shop: Workshop, offer: Offer) -> Seen:
    layout = as_folder(offer.path, shop.fresh("layout"))
    bundle = shop.fresh("bundle")
    seen = shop.umoci.unpack(layout, offer.ref, bundle)
    assert (bundle / "rootfs" / "a.txt").read_text() == "alpha\n"
    return Seen(frozenset({seen}))


def _ctr_import(*options: str) -> Callable[[Workshop, Offer], Seen]:
    def take(shop: Workshop, offer: Offer) -> Seen:
        shop.containerd.clear()
        shop.containerd.import_archive(as_tar(offer.path, shop.fresh("folder.tar")), *options)
        images = shop.containerd.images()
        name = f"docker.io/{offer.part.name}"
        found = (
            [images[name], shop.containerd.config_digest(images[name])] if name in images else []
        )
        return Seen(frozenset(one for one in found if one))

    return take


def _crane_push(shop: Workshop, offer: Offer) -> Seen:
    repository = f"pushed/{shop.fresh('x').parent.name}"
    name = f"{shop.registry.host}/{repository}:1"
    shop.crane.run(
        "push", *(["--index"] if offer.path.is_dir() and offer.several else []), offer.path, name
    )
    found = {one for one, _ in shop.registry.everything(repository, "1")}
    remarks = []
    try:
        shop.crane.run("validate", "--remote", name)
    except PeerRefusal as exc:
        remarks.append(f"`crane validate` refuses it: “{exc.message}”")
    return Seen(frozenset(found), tuple(remarks))


# The formats that a transport of containers/image is for.
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
