"""Docker Engine 28 (scripts/build_peers.sh) and storectl read and write the same archives."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.archives import PackedImage, pack
from tests.support.configs import sound_cases
from tests.support.docker_vectors import GOLDEN, GOLDEN_NAMES
from tests.support.engine import Engine, EngineRefusal, require
from tests.support.images import A, Archive, B, config, digest
from tests.support.layouts import Layout, gzip, plain
from tests.support.sampling import sample
from tests.support.saved_archives import difference, saved_names
from tests.support.storectl_adapter import Storectl

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("engine-28")]
CONFIGS = int(os.environ.get("STORECTL_INTEROP_CONFIGS", "60"))
TOGETHER = 6
"""The number of images in one archive."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    require("dockerd-28", "containerd")
    with Engine(tmp_path_factory.mktemp("engine"), name="dockerd-28", version="28.") as running:
        yield running


@pytest.fixture
def storectl(tmp_path: Path) -> Iterator[Storectl]:
    with Storectl(tmp_path / "store") as opened:
        yield opened


def errors(messages: Sequence[dict[str, str]]) -> list[str]:
    return [message["error"] for message in messages if "error" in message]


def lines(messages: Sequence[dict[str, str]]) -> str:
    return "".join(message.get("stream", "") for message in messages)


def test_generated_images_are_saved_as_docker_28_saves_them(
    engine: Engine, storectl: Storectl
) -> None:
    engine.clear()
    compared: list[str] = []
    for number, case in enumerate(sample(sound_cases(), CONFIGS, seeded=28)):
        name = f"generated/image:{number}"
        archive = pack([PackedImage(case.config, case.layers, (name,))])
        storectl.load(archive)
        if errors(engine.load(archive)):
            # Docker 28 may refuse a config that Docker 20.10 accepts; storectl can still save it.
            assert storectl.save([name], "docker")
            continue
        try:
            theirs = engine.save([name])
        except EngineRefusal as refusal:
            # Docker can read offsets of a day and more, but cannot write them.
            assert "MarshalJSON" in str(refusal), case  # noqa: PT017 - the save is tested, not the error
            assert storectl.save([name], "docker")
            continue
        assert difference(theirs, storectl.save([name], "docker")) is None, case
        compared.append(name)
    assert len(compared) > CONFIGS / 2
    for start in range(0, len(compared), TOGETHER):
        theirs = engine.save(compared[start : start + TOGETHER])
        assert difference(theirs, storectl.save(saved_names(theirs), "docker")) is None


@pytest.mark.parametrize("name", GOLDEN_NAMES)
def test_docker_28_saves_images_of_docker_20_10_as_storectl_does(
    name: str, engine: Engine, storectl: Storectl
) -> None:
    engine.clear()
    golden = (GOLDEN / f"{name}.tar").read_bytes()
    assert not errors(engine.load(golden))
    storectl.load(golden)
    theirs = engine.save(saved_names(golden))
    assert difference(theirs, storectl.save(saved_names(theirs), "docker")) is None
    recorded = (GOLDEN / "docker-28" / f"{name}.tar").read_bytes()
    assert sorted(saved_names(recorded)) == sorted(saved_names(theirs))


@pytest.mark.parametrize("archive_format", ["docker", "legacy"])
def test_docker_28_and_storectl_load_each_others_archives(
    archive_format: str, engine: Engine, storectl: Storectl, tmp_path: Path
) -> None:
    engine.clear()
    base, child = (
        config(A, created="2020-01-01T00:00:00Z"),
        config(A, B, A, created="2021-01-01T00:00:00Z", author="me"),
    )
    archive = Archive().file("a", A).file("b", B).file("base", base).file("child", child)
    archive.manifest(
        {"Config": "base", "RepoTags": None, "Layers": ["a"]},
        {
            "Config": "child",
            "RepoTags": ["team/app:1", "localhost:5000/app:2"],
            "Layers": ["a", "b", "a"],
            "Parent": digest(base),
        },
    )
    storectl.load(archive.bytes())
    ours = storectl.save(["team/app:1", "localhost:5000/app:2", digest(base)], archive_format)
    said = engine.load(ours)
    assert not errors(said)
    # If the last image has no tag, Docker 28 lists the IDs of all images as well, like Docker
    # 20.10.
    assert lines(said).startswith("Loaded image: team/app:1\nLoaded image: localhost:5000/app:2\n")
    found = engine.inspect("team/app:1")
    assert (found["Id"], found["Parent"]) == (digest(child), digest(base))
    theirs = engine.save(["team/app:1", "localhost:5000/app:2", digest(base)])
    with Storectl(tmp_path / "other") as other:
        other.load(theirs)
        assert other.image_id("localhost:5000/app:2") == digest(child)
        assert other.images()[digest(child)].parent == digest(base)
        assert (
            other.save(["team/app:1", "localhost:5000/app:2", digest(base)], archive_format) == ours
        )


def test_docker_28_lists_an_untagged_image_in_the_index_only_as_the_first(
    engine: Engine, storectl: Storectl
) -> None:
    engine.clear()
    images = [config(A, author=str(number)) for number in range(3)]
    archive = Archive().file("a", A)
    for number, image in enumerate(images):
        archive.file(str(number), image)
    archive.manifest(
        *({"Config": str(number), "RepoTags": None, "Layers": ["a"]} for number in range(3))
    )
    assert not errors(engine.load(archive.bytes()))
    theirs = engine.save([digest(image) for image in images])
    assert theirs.count(b"vnd.oci.image.manifest.v1+json") == 3 + 1
    storectl.load(theirs)
    assert (
        storectl.save([digest(image) for image in images], "docker").count(
            b"vnd.oci.image.manifest.v1+json"
        )
        == 3 + 3
    )


# --- with its containerd image store --------------------------------------------------------------


@pytest.mark.parametrize("archive_format", ["docker", "oci"])
def test_the_containerd_store_of_docker_28_keeps_manifests_and_platforms(
    archive_format: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    require("dockerd-28", "containerd")
    layout = Layout()
    index = layout.index(
        layout.image(gzip(A), gzip(B)), layout.image(gzip(A), platform="linux/arm64")
    )
    layout.root(index, "docker.io/team/multi:1")
    layout.root(layout.image(plain(A), gzip(B)), "docker.io/team/one:1")
    names = ["team/multi:1", "team/one:1"]
    options = {
        "drivers": ("overlayfs", "native"),
        "options": ["--feature=containerd-snapshotter=true"],
    }
    with (
        Storectl(tmp_path / "here") as here,
        Storectl(tmp_path / "there") as there,
        Engine(
            tmp_path_factory.mktemp("engine"),
            name="dockerd-28",
            version="28.",
            **options,  # type: ignore[arg-type]  # two of its options
        ) as engine,
    ):
        here.load(layout.tar())
        ours = here.save(names, archive_format)
        said = engine.load(ours)
        assert not errors(said)
        assert lines(said) == "Loaded image: team/multi:1\nLoaded image: team/one:1\n"
        theirs = engine.save(names)
        assert index["digest"].encode() in theirs
        there.load(theirs)
        assert there.save(names, archive_format) == ours
