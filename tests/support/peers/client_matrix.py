"""The matrix of clients: every pull and push, over HTTP without a user and over TLS with a user."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import tarfile
from typing import TYPE_CHECKING, Final, Self, final

from tests.support import images
from tests.support.container_program import printing_program
from tests.support.images import A
from tests.support.layouts import Layout
from tests.support.peers.clients import PULLS, docker_run, oras, regctl, slug
from tests.support.peers.matrix import (
    LEFT,
    OWN_MANIFEST,
    SAME_IMAGE,
    SAME_MANIFEST,
    Cell,
    Disagreement,
    refused,
)
from tests.support.peers.mirror_endpoint import Endpoint
from tests.support.peers.process import PeerRefusal
from tests.support.peers.subjects import Part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.peers.clients import Pull, Push
    from tests.support.peers.workshop import Workshop

ARCHIVE: Final = "archive"
"""The name of the subject whose image comes from a Docker archive and can run."""

SENTENCE: Final = "hello from the mirror\n"
TITLES: Final = {
    ARCHIVE: "one image, from a docker archive",
    "image": "one image",
    "index": "an index for three platforms",
    "referrers": "an image and an artifact that refers to it",
}


@final
class Clients:
    """The cells of the matrix; each cell is run on its first use, once per endpoint."""

    def __init__(self, shop: Workshop) -> None:
        self.shop = shop
        self._stack = contextlib.ExitStack()
        self.endpoints = [
            self._stack.enter_context(Endpoint(shop.folder / name, tls=tls))
            for name, tls in (("h", False), ("t", True))
        ]
        runnable = images.layer("hello", printing_program(SENTENCE.encode()), mode=0o755)
        self._archive = images.image(
            runnable,
            A,
            tags=("matrix/archive:1",),
            config={"Cmd": ["/hello"]},
            created="2024-01-01T00:00:00Z",
        ).bytes()
        for endpoint in self.endpoints:
            endpoint.import_archive(self._archive)
            for key in ("image", "index", "referrers"):
                endpoint.import_archive(shop.subjects[key].tar())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stack.close()

    @functools.cached_property
    def archive(self) -> Part:
        """The image from a Docker archive, with the manifest that all endpoints serve."""
        served = [endpoint.manifest("matrix/archive", "1") for endpoint in self.endpoints]
        if served[0] is None or served[0] != served[1]:
            raise Disagreement(f"two stores serve one archive as {served}")
        layout = Layout()
        layout.blobs[str(served[0].digest)] = served[0].data
        for name, data in files_of(self._archive):
            if not name.endswith("manifest.json"):
                layout.blobs[images.digest(data)] = data
        return Part(
            "matrix/archive",
            "1",
            str(served[0].digest),
            json.loads(served[0].data)["config"]["digest"],
            layout,
        )

    def parts(self, key: str) -> Sequence[Part]:
        """Return the parts of a subject."""
        return (self.archive,) if key == ARCHIVE else self.shop.subjects[key].parts

    # --- cells ------------------------------------------------------------------------------------

    @functools.cache  # noqa: B019 - lives as long as the tests
    def pulled(self, row: Pull, key: str) -> Cell | None:
        """Pull a subject with a client; return whether manifests or images stay the same.

        Returns:
            The cell, or None if the command is not for this subject.

        Raises:
            Disagreement: The client reports unexpected digests, or HTTP and TLS give different
                results.
        """
        if key not in row.subjects:
            return None
        return self._agreed(
            row.command,
            [
                Cell(
                    tuple(
                        (part.what, self._pulled(row, endpoint, part)) for part in self.parts(key)
                    )
                )
                for endpoint in self.endpoints
            ],
        )

    def _pulled(self, row: Pull, endpoint: Endpoint, part: Part) -> str:
        try:
            seen = row.pull(self.shop, endpoint, part)
        except PeerRefusal as exc:
            return refused(exc.message)
        if part.root in seen:
            return SAME_MANIFEST
        if part.image in seen:
            return SAME_IMAGE
        raise Disagreement(
            f"{row.command}, {endpoint.title}: {part.name} is {part.image} in {part.root}, and"
            f" arrived as {', '.join(seen) or 'nothing'}"
        )

    @functools.cache  # noqa: B019 - lives as long as the tests
    def pushed(self, row: Push, key: str) -> Cell | None:
        """Push a subject with a client; return whether manifests or images stay the same.

        Returns:
            The cell, or None if the command is not for this subject.

        Raises:
            Disagreement: The mirror has unexpected digests, or HTTP and TLS give different results.
        """
        if key not in row.subjects:
            return None
        return self._agreed(
            row.command,
            [
                Cell(
                    tuple(
                        (part.what, self._pushed(row, endpoint, part)) for part in self.parts(key)
                    )
                )
                for endpoint in self.endpoints
            ],
        )

    def _pushed(self, row: Push, endpoint: Endpoint, part: Part) -> str:
        repository = f"{slug(row.command, endpoint)}/{part.repository}"
        try:
            row.push(self.shop, endpoint, part, f"{repository}:{part.tag}")
        except PeerRefusal as exc:
            return refused(exc.message)
        found = endpoint.manifest(repository, part.tag)
        if found is None:
            return LEFT
        if str(found.digest) == part.root:
            return SAME_MANIFEST
        if json.loads(found.data).get("config", {}).get("digest") == part.image is not None:
            return OWN_MANIFEST
        raise Disagreement(
            f"{row.command}, {endpoint.title}: {part.name} is {part.image} in {part.root}, and was"
            f" pushed as {found}"
        )

    @staticmethod
    def _agreed(command: str, cells: Sequence[Cell]) -> Cell:
        if str(cells[0]) != str(cells[1]):
            raise Disagreement(f"{command}: over HTTP {cells[0]}, over TLS {cells[1]}")
        return cells[0]

    # --- other commands than copies ---------------------------------------------------------------

    def run_in_docker(self, endpoint: Endpoint) -> None:
        """Pull the image from the archive with Docker and run it.

        Raises:
            Disagreement: The container prints a different text.
            PeerRefusal: Docker cannot pull the image.
            EngineError: The container does not run.
        """
        pull = next(row for row in PULLS if row.command == "docker pull")
        pull.pull(self.shop, endpoint, self.archive)
        said = docker_run(self.shop.docker, f"{endpoint.host}/{self.archive.name}")
        if said != SENTENCE:
            raise Disagreement(f"docker run, {endpoint.title}: {said!r}")

    def attach_with_oras(self, endpoint: Endpoint) -> None:
        """Attach one note to a new artifact and one to an image with oras; find and pull the notes.

        Raises:
            Disagreement: An artifact is missing or differs.
            PeerRefusal: An oras command failed.
        """
        folder = endpoint.fresh("files")
        folder.mkdir()
        (folder / "thing.txt").write_text("a thing\n")
        (folder / "about.txt").write_text("about it\n")
        name = f"{endpoint.host}/oras/thing:1"
        oras(
            endpoint,
            "push",
            "--artifact-type",
            "application/vnd.example.thing",
            name,
            "thing.txt:text/plain",
            cwd=folder,
        )
        for subject in (name, f"{endpoint.host}/matrix/image:1"):
            oras(
                endpoint,
                "attach",
                "--artifact-type",
                "application/vnd.example.note",
                subject,
                "about.txt:text/plain",
                cwd=folder,
            )
            found = json.loads(
                oras(
                    endpoint,
                    "discover",
                    "--format",
                    "json",
                    "--artifact-type",
                    "application/vnd.example.note",
                    subject,
                )
            )["referrers"]
            if len(found) != 1:
                raise Disagreement(f"oras discover, {endpoint.title}: {found}")
            out = endpoint.fresh("pulled")
            oras(
                endpoint,
                "pull",
                "--output",
                out,
                f"{subject.rpartition(':')[0]}@{found[0]['digest']}",
            )
            if (out / "about.txt").read_text() != "about it\n":
                raise Disagreement(f"oras pull, {endpoint.title}")
        out = endpoint.fresh("pulled")
        oras(endpoint, "pull", "--output", out, name)
        if (out / "thing.txt").read_text() != "a thing\n":
            raise Disagreement(f"oras pull, {endpoint.title}")

    def attach_with_regctl(self, endpoint: Endpoint) -> None:
        """Attach artifacts with regctl, and find them by annotations.

        Raises:
            Disagreement: An artifact is missing or differs.
            PeerRefusal: A regctl command failed.
        """
        file = endpoint.fresh("about.txt")
        file.write_text("about it\n")
        name = f"{endpoint.host}/matrix/index:1"
        put = (
            "artifact",
            "put",
            "--artifact-type",
            "application/vnd.example.note",
            "--file-media-type",
            "text/plain",
            "--subject",
            name,
        )
        for wanted in ("one", "two"):
            regctl(endpoint, *put, "--annotation", f"which={wanted}", "--file", file)
        listed = json.loads(
            regctl(
                endpoint,
                "artifact",
                "list",
                "--filter-annotation",
                "which=two",
                "--format",
                "{{json .}}",
                name,
            )
        )
        if [found["annotations"]["which"] for found in listed["descriptors"]] != ["two"]:
            raise Disagreement(f"regctl artifact list, {endpoint.title}: {listed}")
        said = regctl(
            endpoint,
            "artifact",
            "get",
            "--subject",
            name,
            "--filter-artifact-type",
            "application/vnd.example.note",
            "--filter-annotation",
            "which=one",
        )
        if said != "about it\n":
            raise Disagreement(f"regctl artifact get, {endpoint.title}: {said!r}")


def files_of(archive: bytes) -> list[tuple[str, bytes]]:
    """Return the files of an archive, by name."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return [
            (member.name, file.read())
            for member in tar
            if (file := tar.extractfile(member)) is not None
        ]
