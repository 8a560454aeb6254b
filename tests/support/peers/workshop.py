"""All peers in one folder, each started on its first use, and the images that they handle."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self, final

from exporter import SaveOptions, atomic_file, open_save
from store import Store
from tests.support.engine import Engine
from tests.support.peers.buildah import Buildah
from tests.support.peers.containerd import Containerd
from tests.support.peers.crane import Crane
from tests.support.peers.podman import Podman
from tests.support.peers.process import Programs
from tests.support.peers.registry import Registry
from tests.support.peers.skopeo import Skopeo
from tests.support.peers.subjects import docker_archive, subjects
from tests.support.peers.umoci import Umoci

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.options import Format
    from tests.support.peers.subjects import Part, Subject


@final
class Workshop:
    """All peers; closing the workshop leaves no process, mount or file."""

    def __init__(self) -> None:
        # Keep the path short, because the paths of sockets and of podman's runtime folder continue
        # it. Do not use `mkdtemp`: its names may have an underscore, and podman reads paths as
        # names of images.
        self.folder = Path(tempfile.gettempdir()) / f"peers-{os.urandom(5).hex()}"
        self.folder.mkdir(mode=0o700)
        self._stack = contextlib.ExitStack()
        self._stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.programs = Programs(self.folder / "programs")
        self.skopeo = Skopeo(self.programs)
        self.podman = Podman(self.programs, self.folder / "podman")
        self.buildah = Buildah(self.programs, self.folder / "buildah")
        self.umoci = Umoci(self.programs)
        self.crane = Crane(self.programs)
        self.subjects = {subject.key: subject for subject in subjects()}
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stack.close()

    @functools.cached_property
    def docker(self) -> Engine:
        """The Docker Engine 20.10 that the tests share, started on first use."""
        return self._stack.enter_context(Engine(self.folder / "engine"))

    @functools.cached_property
    def docker_29(self) -> Engine:
        """The Docker Engine 29 that the tests share, with its image store of containerd."""
        return self._stack.enter_context(
            Engine(
                self.folder / "engine29",
                name="dockerd-29",
                version="29",
                drivers=("overlayfs", "native"),
                options=("--feature=containerd-snapshotter=true",),
            )
        )

    @functools.cached_property
    def containerd(self) -> Containerd:
        """The containerd that the tests share, started on first use."""
        daemon = Containerd(self.programs, self.folder / "ctrd")
        self._stack.callback(daemon.stop)
        return daemon

    @functools.cached_property
    def registry(self) -> Registry:
        """The registry that the tests share, started on first use."""
        server = Registry(self.programs, self.folder / "registry")
        self._stack.callback(server.stop)
        return server

    def fresh(self, name: str) -> Path:
        """Return a path at which no file exists."""
        self._count += 1
        folder = self.folder / "work" / str(self._count)
        folder.mkdir(parents=True)
        return folder / name

    def store(self) -> Store:
        """Return an empty store, which the caller closes."""
        return Store.open(self.fresh("store"), create=True)

    # --- sources for producers --------------------------------------------------------------------

    @functools.cache  # noqa: B019 - lives as long as the tests
    def layout(self, part: Part) -> Path:
        """Return a layout in a folder with only this part."""
        return part.layout.folder(
            self.folder / "source" / f"{part.repository}-{part.tag}".replace("/", "-")
        )

    def oci(self, part: Part) -> str:
        """Return the name by which skopeo, podman and buildah find the layout from `layout`."""
        return f"oci:{self.layout(part)}:{part.tag}"

    @functools.cache  # noqa: B019 - lives as long as the tests
    def seeded(self, part: Part) -> str:
        """Copy the part with its digest into the registry, and return its name there."""
        name = f"{self.registry.host}/{part.name}"
        self.skopeo.copy(self.oci(part), f"docker://{name}", everything=True, preserve=True)
        return name

    # --- archives for consumers -------------------------------------------------------------------

    @functools.cache  # noqa: B019 - lives as long as the tests
    def saved(
        self, source: bytes, parts: Sequence[Part], form: Format, *, folder: bool, referrers: bool
    ) -> Path:
        """Import ``source`` and save the parts; return the path of the save."""
        archive = self.fresh("source.tar")
        archive.write_bytes(source)
        saved = self.fresh("saved" if folder else "saved.tar")
        with self.store() as store:
            store.import_archive(archive)
            with open_save(
                store, [part.name for part in parts], options=SaveOptions(form, referrers=referrers)
            ) as export:
                if folder:
                    export.write_folder(saved)
                else:
                    with atomic_file(saved) as file:
                        export.write(file)
        return saved

    def source(self, subject: Subject, *, docker: bool) -> bytes:
        """Return a subject as a layout, or as a Docker archive without its manifests."""
        return docker_archive(subject.parts) if docker else subject.tar()


def as_tar(path: Path, target: Path) -> Path:
    """Pack a folder like ``tar -C folder -c .``; return the path of the tar, or of a given file."""
    if not path.is_dir():
        return path
    with tarfile.open(target, "w") as tar:
        tar.add(path, ".")
    return target


def as_folder(path: Path, target: Path) -> Path:
    """Unpack a tar; return the path of the folder, or of a given folder."""
    if path.is_dir():
        return path
    with tarfile.open(path) as tar:
        tar.extractall(target, filter="data")
    return target
