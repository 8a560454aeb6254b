"""Contestants that keep a copy of a repository equal with its registry.

storectl and hauler sync into a store, and skopeo into a folder. None of them sends anything.
"""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Final

from bench.contestants import ours
from bench.contestants.command import Command
from bench.contestants.peers import NEWEST_SKOPEO, SKOPEO
from bench.contestants.servers import OURS, Served
from bench.corpora.generated import KIB, MIB, ImageSpec, LayerSpec, write_archive
from bench.corpora.tags import write_store
from bench.workshop import program, storectl

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bench.contestants.servers import Running
    from bench.workshop import Workshop

HAULER: Final = "hauler"

REMEMBERED: Final = f"{OURS} --max-age"
"""storectl, which does not ask for tags that it has checked a short time ago."""

_TAGGED: Final = "team00/app00000"
"""The repository of `write_store`."""

_PATH: Final = "bench/synced"


def moved_tags(shop: Workshop, server: str, *, tags: int, moved: int) -> Sequence[Command]:
    """Return contestants that sync a repository again, some of whose tags have moved.

    storectl has synced it before. skopeo remembers nothing, and copies all tags.

    Args:
        shop: Creates the folders.
        server: The name of the registry in `SERVERS`.
        tags: The number of tags.
        moved: How many of them have moved since the first sync.
    """
    folder = shop.folder()
    template = folder / "template"

    def feed(running: Running) -> tuple[str, int]:
        store, scratch = folder / "store", folder / "scratch"
        scratch.mkdir()
        write_store(store, scratch, repositories=1, tags=tags)
        _push(running, store, _TAGGED)
        ours.empty_store(template)
        _sync(running, template, folder)
        write_archive(scratch / "other.tar", [ImageSpec("other:1", (LayerSpec(2, 8 * KIB),))])
        _run(store, "import", "-q", str(scratch / "other.tar"))
        for number in range(moved):
            _run(store, "tag", "other:1", f"{_TAGGED}:v{number:03d}")
        _push(running, store, _TAGGED)
        return _PATH, 0

    def copied(out: Path) -> None:
        shutil.copytree(template, out)

    served = Served(server, shop, feed)
    return [
        _ours(shop, served, OURS, copied),
        _ours(shop, served, REMEMBERED, copied, "--max-age", "24h"),
        *_skopeo(shop, served),
    ]


def shared_base(shop: Workshop, server: str, *, images: int, base_bytes: int) -> Sequence[Command]:
    """Return contestants that sync images on one base for the first time.

    Args:
        shop: Creates the folders.
        server: The name of the registry in `SERVERS`.
        images: The number of images; each is a tag of one repository.
        base_bytes: The size of the layer that all of them have.
    """
    folder = shop.folder()

    def feed(running: Running) -> tuple[str, int]:
        archive, base = folder / "family.tar", LayerSpec(0, base_bytes)
        specs = [
            ImageSpec(f"family:v{number}", (base, LayerSpec(number + 1, MIB // 4)))
            for number in range(images)
        ]
        write_archive(archive, specs)
        store = folder / "store"
        ours.empty_store(store)
        _run(store, "import", "-q", str(archive))
        _push(running, store, "family")
        return _PATH, 0

    served = Served(server, shop, feed)
    return [
        _ours(shop, served, OURS, ours.empty_store),
        *_skopeo(shop, served),
        _hauler(shop, served, images),
    ]


def _ours(
    shop: Workshop, served: Served, name: str, store: Callable[[Path], None], *options: str
) -> Command:
    def setup(folder: Path) -> None:
        running, _, _ = served.ready()
        _write_file(running, folder)
        store(folder / "out")

    return Command(
        name,
        shop,
        lambda folder: [
            *(storectl(), "--root", str(folder / "out"), "sync", "-q", "--plain-http"),
            *(*options, str(folder / "sync.yaml")),
        ],
        setup=setup,
        requests=served.requests,
    )


def _skopeo(shop: Workshop, served: Served) -> list[Command]:
    def client(name: str, *, newest: bool) -> Command:
        def argv(folder: Path) -> Sequence[str]:
            running, path, _ = served.ready()
            return [
                *(program("skopeo", newest=newest), "sync", "--insecure-policy"),
                *("--src", "docker", "--dest", "dir", "--src-tls-verify=false"),
                *(f"127.0.0.1:{running.port}/{path}", str(folder / "out")),
            ]

        def setup(folder: Path) -> None:
            argv(folder)
            (folder / "out").mkdir()

        return Command(name, shop, argv, setup=setup, requests=served.requests)

    return [client(NEWEST_SKOPEO, newest=True), client(SKOPEO, newest=False)]


def _hauler(shop: Workshop, served: Served, images: int) -> Command:
    def setup(folder: Path) -> None:
        program(HAULER, newest=True)
        running, path, _ = served.ready()
        # hauler does not list the tags of a repository.
        names = (f"127.0.0.1:{running.port}/{path}:v{number}\n" for number in range(images))
        (folder / "images.txt").write_text("".join(names))

    return Command(
        HAULER,
        shop,
        lambda folder: [
            *(program(HAULER, newest=True), "--log-level", "error", "store", "sync"),
            *("--haulerdir", str(folder / "hauler"), "--tempdir", str(folder)),
            *("--store", str(folder / "out"), "--image-txt", str(folder / "images.txt")),
        ],
        setup=setup,
        requests=served.requests,
    )


def _write_file(running: Running, folder: Path) -> Path:
    path = folder / "sync.yaml"
    path.write_text(f"name: bench\nsources: [{{repository: '127.0.0.1:{running.port}/{_PATH}'}}]\n")
    return path


def _push(running: Running, store: Path, name: str) -> None:
    target = f"127.0.0.1:{running.port}/{_PATH}"
    # Docker's archives have uncompressed layers, which registries do not expect.
    _run(store, "push", "-q", "--plain-http", "--all-tags", "--layers", "gzip", name, target)


def _sync(running: Running, store: Path, folder: Path) -> None:
    _run(store, "sync", "-q", "--plain-http", str(_write_file(running, folder)))


def _run(store: Path, *words: str) -> None:
    subprocess.run(
        [storectl(), "--root", str(store), *words], check=True, stdout=subprocess.DEVNULL
    )
