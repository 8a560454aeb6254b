"""Contestants that run other programs, with their fastest settings, on the inputs of storectl."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench import workshop
from bench.contestants.command import Command
from bench.measuring import measure
from bench.measuring.measure import Daemon
from bench.missing import MissingError
from bench.workshop import program

if TYPE_CHECKING:
    from bench.model import Sample
    from bench.workshop import Workshop

DOCKER = "docker 20.10"
NEWEST_DOCKER = "docker 29 (containerd store)"
SKOPEO = "skopeo (Debian)"
NEWEST_SKOPEO = "skopeo (newest)"
DECODING = f"{SKOPEO}, decoding"
NEWEST_DECODING = f"{NEWEST_SKOPEO}, decoding"
PODMAN = "podman"


_RUNROOT: Final = Path(tempfile.gettempdir()) / f"bench-{os.getpid()}"
"""Podman's run root; Podman requires a short path."""


class DockerLoad:
    """A contestant that runs ``docker load`` with an empty engine.

    The engine does not sync layers to the disk, while storectl does.
    """

    def __init__(
        self, shop: Workshop, archive: Path, *, again: bool = False, newest: bool = False
    ) -> None:
        """Prepare the contestant.

        Args:
            shop: Starts the engine.
            archive: The archive to load.
            again: Whether the engine already holds the image.
            newest: Whether to run Docker 29 instead of Debian's Docker.
        """
        self.name = NEWEST_DOCKER if newest else DOCKER
        self._newest = newest
        self._shop = shop
        self._archive = archive
        self._again = again

    def prepare(self) -> None:
        """Remove all images from the engine; if ``again`` is set, load the archive once.

        Raises:
            MissingError: The engine cannot be started.
        """
        engine = self._shop.engine(newest=self._newest)
        engine.clear()
        if self._again:
            with self._archive.open("rb") as body:
                engine.load(body)
        workshop.warm(self._archive)
        workshop.sync()

    def run(self) -> Sample:
        """Run ``docker load``, and return the cost of the command and the engine."""
        words = ["load", "-q", "-i", str(self._archive)]
        return _docker(self._shop, words, [], newest=self._newest)

    def clean(self) -> None:
        """Remove all images from the engine."""
        with contextlib.suppress(MissingError):
            self._shop.engine(newest=self._newest).clear()


class DockerSave:
    """A contestant that runs ``docker save`` on an image in the engine."""

    def __init__(self, shop: Workshop, archive: Path, image: str, *, newest: bool = False) -> None:
        """Prepare the contestant.

        Args:
            shop: Starts the engine.
            archive: The archive with the image.
            image: The name of the image to save.
            newest: Whether to run Docker 29 instead of Debian's Docker.
        """
        self.name = NEWEST_DOCKER if newest else DOCKER
        self._newest = newest
        self._shop = shop
        self._archive = archive
        self._image = image
        self._folder = Path()
        self._loaded = False

    def prepare(self) -> None:
        """Load the image before the first round, and create a new folder.

        Raises:
            MissingError: The engine cannot be started.
        """
        if not self._loaded:
            with self._archive.open("rb") as body:
                self._shop.engine(newest=self._newest).load(body)
            self._loaded = True
        self._folder = self._shop.folder()
        workshop.sync()

    def run(self) -> Sample:
        """Run ``docker save``, and return the cost of the command and the engine."""
        return _docker(
            self._shop,
            ["save", "-o", str(self._folder / "out"), self._image],
            [self._folder / "out"],
            newest=self._newest,
        )

    def clean(self) -> None:
        """Remove the saved archive."""
        (self._folder / "out").unlink(missing_ok=True)


def _docker(shop: Workshop, arguments: list[str], results: list[Path], *, newest: bool) -> Sample:
    engine = shop.engine(newest=newest)
    return measure.run(
        [program("docker"), "-H", f"unix://{engine.socket}", *arguments],
        watch=[*results, engine.data / "tmp"],
        daemon=Daemon(engine.pids()),
    )


def skopeo_import(
    shop: Workshop, transport: str, archive: Path, codec: str, *, newest: bool
) -> Command:
    """Return the contestant that copies an archive to an image layout with skopeo.

    Args:
        shop: Creates the folders.
        transport: The format of the archive, as skopeo calls it.
        archive: The archive to copy.
        codec: The compression of layers that are not compressed: ``gzip``, or ``zstd`` at level 1.
        newest: Whether to run the newest skopeo instead of Debian's.
    """
    name = f"{NEWEST_SKOPEO if newest else SKOPEO}, {codec}"
    level = ["--dest-compress-level", "1"] if codec == "zstd" else []

    def argv(folder: Path) -> list[str]:
        return [
            program("skopeo", newest=newest),
            *(
                "--tmpdir",
                str(folder / "tmp"),
                "copy",
                "-q",
                "--insecure-policy",
                "--dest-compress-format",
                codec,
                *level,
            ),
            *(f"{transport}:{archive}", f"oci:{folder}/out:image"),
        ]

    return Command(
        name, shop, argv, inputs=[archive], setup=lambda _folder: _require("skopeo", newest=newest)
    )


def skopeo_decode(shop: Workshop, archive: Path, *, newest: bool) -> Command:
    """Return the contestant that copies an OCI archive with skopeo and decodes its layers.

    skopeo also hashes the decoded layers, to verify the diff IDs of the image.
    """

    def argv(folder: Path) -> list[str]:
        return [
            program("skopeo", newest=newest),
            *(
                "--tmpdir",
                str(folder / "tmp"),
                "copy",
                "-q",
                "--insecure-policy",
                "--dest-decompress",
            ),
            *(f"oci-archive:{archive}", f"dir:{folder}/out"),
        ]

    return Command(
        NEWEST_DECODING if newest else DECODING,
        shop,
        argv,
        inputs=[archive],
        setup=lambda _folder: _require("skopeo", newest=newest),
    )


def skopeo_save(
    shop: Workshop, source: Path, image: str, *, newest: bool, transport: str = "docker-archive"
) -> Command:
    """Return the contestant that copies an image layout to an archive with skopeo."""

    def argv(folder: Path) -> list[str]:
        return [
            program("skopeo", newest=newest),
            *("--tmpdir", str(folder / "tmp"), "copy", "-q", "--insecure-policy"),
            *(f"oci:{source}:{image}", f"{transport}:{folder}/out:{image}"),
        ]

    return Command(
        NEWEST_SKOPEO if newest else SKOPEO,
        shop,
        argv,
        inputs=[source],
        setup=lambda _folder: _require("skopeo", newest=newest),
    )


def podman_load(shop: Workshop, archive: Path) -> Command:
    """Return the contestant that runs ``podman load`` with an empty storage."""
    return Command(
        PODMAN,
        shop,
        lambda folder: [*_podman(folder / "out"), "load", "-q", "-i", str(archive)],
        inputs=[archive],
        setup=lambda _folder: _require("podman"),
        teardown=_unmount,
    )


class PodmanSave:
    """A contestant that runs ``podman save`` on an image in Podman's storage."""

    name = PODMAN

    def __init__(self, shop: Workshop, archive: Path, image: str) -> None:
        self._archive = archive
        self._storage = shop.folder() / "storage"
        self._command = Command(
            PODMAN,
            shop,
            lambda folder: [
                *_podman(self._storage),
                "save",
                "-q",
                "-o",
                str(folder / "out"),
                image,
            ],
        )

    def prepare(self) -> None:
        """Load the image before the first round.

        Raises:
            MissingError: Podman is not installed.
        """
        if not self._storage.exists():
            subprocess.run(
                [*_podman(self._storage), "load", "-q", "-i", str(self._archive)],
                check=True,
                stdout=subprocess.DEVNULL,
            )
        self._command.prepare()

    def run(self) -> Sample:
        """Run ``podman save``, and return the cost of the run."""
        return self._command.run()

    def clean(self) -> None:
        """Remove the saved archive, and unmount the storage, which is removed when the run ends."""
        self._command.clean()
        _unmount(self._storage)


def _podman(storage: Path) -> list[str]:
    return [
        program("podman"),
        "--root",
        str(storage),
        "--runroot",
        str(_RUNROOT),
        "--storage-driver",
        "overlay",
    ]


def _unmount(folder: Path) -> None:
    """Unmount all mounts below a folder, because Podman bind-mounts its storage folder."""
    shutil.rmtree(_RUNROOT, ignore_errors=True)
    for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
        point = line.split()[4]
        if Path(point).is_relative_to(folder):
            subprocess.run(["umount", "-l", point], check=False)


def _require(name: str, *, newest: bool = False) -> None:
    program(name, newest=newest)
