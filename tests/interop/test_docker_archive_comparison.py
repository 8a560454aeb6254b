"""Peers get the same results from Docker's save and from storectl's save of the same images."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.comparable_contents import images_of_engine
from tests.support.configs import ImageCase, sound_cases
from tests.support.docker_comparison import ImageComparison
from tests.support.engine import require
from tests.support.images import A, B, config
from tests.support.layouts import REF_NAME
from tests.support.peers import docker
from tests.support.peers.claims import claims
from tests.support.peers.process import PeerRefusal
from tests.support.peers.workshop import Workshop
from tests.support.related_images import families
from tests.support.sampling import sample
from tests.support.saved_archives import saved_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.support.storectl_adapter import Storectl

pytestmark = [
    pytest.mark.interop,
    pytest.mark.xdist_group("comparison peers"),
    pytest.mark.timeout(1800),
]

IMAGES: Final = max(4, int(os.environ.get("STORECTL_INTEROP_CONFIGS", "60")) // 20)
SEED: Final = int(os.environ.get("STORECTL_INTEROP_SEED", "20")) + 2


@pytest.fixture(scope="module")
def workshop() -> Iterator[Workshop]:
    require("dockerd", "skopeo", "podman", "umoci")
    with Workshop() as shop:
        yield shop


def docker_load(shop: Workshop, archive: Path, _names: Sequence[str]) -> object:
    shop.docker.clear()
    docker.load(shop.docker, archive.read_bytes())
    return images_of_engine(shop.docker)


def podman_load(shop: Workshop, archive: Path, _names: Sequence[str]) -> object:
    shop.podman.clear()
    shop.podman.run("load", "--quiet", "--input", archive)
    return shop.podman.image_ids()


def skopeo_copy(shop: Workshop, archive: Path, names: Sequence[str]) -> object:
    found = []
    for name in names:
        target = shop.fresh("copied")
        shop.skopeo.copy(f"docker-archive:{archive}:{name}", f"dir:{target}")
        found.append(
            {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in target.iterdir()}
        )
    return found


def umoci_unpack(shop: Workshop, archive: Path, names: Sequence[str]) -> object:
    """Unpack with umoci, which reads only layouts; skopeo converts the archive first."""
    found = []
    for name in names:
        layout, bundle = shop.fresh("layout"), shop.fresh("bundle")
        shop.skopeo.copy(f"docker-archive:{archive}:{name}", f"oci:{layout}:1")
        found.append((shop.umoci.unpack(layout, "1", bundle), tree(bundle / "rootfs")))
    return found


def images() -> list[ImageCase]:
    """Draw plain images and images with odd content; umoci unpacks few of the odd images."""
    plain = [
        image
        for family in sample(families(), IMAGES // 2, seeded=SEED)
        for image in family
        if image.layers
    ]
    return [
        ImageCase(config(A, B, A), (A, B, A)),
        *sample(sound_cases(), IMAGES, seeded=SEED),
        *plain,
    ]


READERS: Final[tuple[Callable[[Workshop, Path, Sequence[str]], object], ...]] = (
    docker_load,
    podman_load,
    skopeo_copy,
    umoci_unpack,
)


def tree(folder: Path) -> list[tuple[str, bytes]]:
    """Return the files of a folder."""
    return sorted(
        (
            str(one.relative_to(folder)),
            one.read_bytes() if one.is_file() and not one.is_symlink() else b"",
        )
        for one in folder.rglob("*")
    )


def outcome(
    reader: Callable[[Workshop, Path, Sequence[str]], object],
    shop: Workshop,
    archive: Path,
    names: Sequence[str],
) -> tuple[bool, object]:
    """Return whether the peer accepts the archive, and the peer's result or error message."""
    try:
        return True, reader(shop, archive, names)
    except PeerRefusal as refusal:
        return False, refusal.message


def test_a_peer_that_loads_dockers_save_loads_ours(workshop: Workshop, storectl: Storectl) -> None:
    comparison = ImageComparison(workshop.docker, storectl)
    assert comparison.compare(images()) == []
    groups = [[name] for name in comparison.loaded] + [comparison.loaded[-3:]]
    pairs = []
    for names in groups:
        theirs, ours = workshop.fresh("docker.tar"), workshop.fresh("storectl.tar")
        theirs.write_bytes(workshop.docker.save(names))
        ours.write_bytes(storectl.save(saved_names(theirs.read_bytes())))
        pairs.append((names, theirs, ours))
    for reader in READERS:
        taken = 0
        for names, theirs, ours in pairs:
            wanted, got = (
                outcome(reader, workshop, theirs, names),
                outcome(reader, workshop, ours, names),
            )
            assert got == wanted, f"{reader.__name__} of {names}: {theirs.read_bytes()!r}"
            taken += wanted[0]
        assert taken, f"{reader.__name__} accepted no archive"


def test_umoci_unpacks_our_layout_if_it_unpacks_dockers_save(
    workshop: Workshop, storectl: Storectl
) -> None:
    comparison = ImageComparison(workshop.docker, storectl)
    assert comparison.compare(images()) == []
    unpacked = 0
    for name in comparison.loaded:
        archive, layout, bundle = (
            workshop.fresh("docker.tar"),
            workshop.fresh("layout"),
            workshop.fresh("bundle"),
        )
        archive.write_bytes(workshop.docker.save([name]))
        taken, found = outcome(umoci_unpack, workshop, archive, [name])
        if not taken:
            continue
        assert isinstance(found, list)
        storectl.save_layout(name, layout)
        ((root, *_),) = [claims(layout).roots]
        workshop.umoci.unpack(layout, root["annotations"][REF_NAME], bundle)
        assert tree(bundle / "rootfs") == found[0][1]
        unpacked += 1
    assert unpacked
