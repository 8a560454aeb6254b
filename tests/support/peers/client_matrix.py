"""Clients against the mirror: every way of pulling and pushing, over HTTP and over TLS as a user, each cell judged."""

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
"""What came as a docker archive, and runs."""

SENTENCE: Final = "hello from the mirror\n"
TITLES: Final = {
    ARCHIVE: "one image, from a docker archive",
    "image": "one image",
    "index": "an index for three platforms",
    "referrers": "an image and an artifact that refers to it",
}


@final
class Clients:
    """Each cell is run once for each door, when it is first asked for."""

    def __init__(self, shop: Workshop) -> None:
        self.shop = shop
        self._stack = contextlib.ExitStack()
        self.doors = [
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
        for door in self.doors:
            door.bring(self._archive)
            for key in ("image", "index", "referrers"):
                door.bring(shop.subjects[key].tar())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stack.close()

    @functools.cached_property
    def archive(self) -> Part:
        """The image that came as a docker archive, with the manifest that the mirror serves for it: the same whoever is asked."""
        served = [door.manifest("matrix/archive", "1") for door in self.doors]
        if served[0] is None or served[0] != served[1]:
            raise Disagreement(f"two stores serve one archive as {served}")
        layout = Layout()
        layout.blobs[str(served[0].digest)] = served[0].data
        for name, data in images_of(self._archive):
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
        """What a subject consists of."""
        return (self.archive,) if key == ARCHIVE else self.shop.subjects[key].parts

    # --- cells ------------------------------------------------------------------------------------

    @functools.cache  # noqa: B019 - lives as long as the tests
    def pulled(self, row: Pull, key: str) -> Cell | None:
        """How a client knows a subject that it has pulled.

        None: the command is about something else. Raises Disagreement.
        """
        if key not in row.subjects:
            return None
        return self._agreed(
            row.command,
            [
                Cell(tuple((part.what, self._pulled(row, door, part)) for part in self.parts(key)))
                for door in self.doors
            ],
        )

    def _pulled(self, row: Pull, door: Endpoint, part: Part) -> str:
        try:
            seen = row.take(self.shop, door, part)
        except PeerRefusal as exc:
            return refused(exc.message)
        if part.root in seen:
            return SAME_MANIFEST
        if part.image in seen:
            return SAME_IMAGE
        raise Disagreement(
            f"{row.command}, {door.title}: {part.name} is {part.image} in {part.root}, and arrived"
            f" as {', '.join(seen) or 'nothing'}"
        )

    @functools.cache  # noqa: B019 - lives as long as the tests
    def pushed(self, row: Push, key: str) -> Cell | None:
        """How the mirror knows a subject that a client has pushed.

        None: the command is about something else. Raises Disagreement.
        """
        if key not in row.subjects:
            return None
        return self._agreed(
            row.command,
            [
                Cell(tuple((part.what, self._pushed(row, door, part)) for part in self.parts(key)))
                for door in self.doors
            ],
        )

    def _pushed(self, row: Push, door: Endpoint, part: Part) -> str:
        repository = f"{slug(row.command, door)}/{part.repository}"
        try:
            row.give(self.shop, door, part, f"{repository}:{part.tag}")
        except PeerRefusal as exc:
            return refused(exc.message)
        found = door.manifest(repository, part.tag)
        if found is None:
            return LEFT
        if str(found.digest) == part.root:
            return SAME_MANIFEST
        if json.loads(found.data).get("config", {}).get("digest") == part.image is not None:
            return OWN_MANIFEST
        raise Disagreement(
            f"{row.command}, {door.title}: {part.name} is {part.image} in {part.root}, and was"
            f" pushed as {found}"
        )

    @staticmethod
    def _agreed(command: str, cells: Sequence[Cell]) -> Cell:
        if str(cells[0]) != str(cells[1]):
            raise Disagreement(f"{command}: over HTTP {cells[0]}, over TLS {cells[1]}")
        return cells[0]

    # --- what is no copy --------------------------------------------------------------------------

    def run_in_docker(self, door: Endpoint) -> None:
        """Have Docker pull the image from the archive, and run it. Raises Disagreement."""
        pull = next(row for row in PULLS if row.command == "docker pull")
        pull.take(self.shop, door, self.archive)
        said = docker_run(self.shop.docker, f"{door.host}/{self.archive.name}")
        if said != SENTENCE:
            raise Disagreement(f"docker run, {door.title}: {said!r}")

    def attach_with_oras(self, door: Endpoint) -> None:
        """Push a file as an artifact, attach another to it and to an image, find them, and pull them. Raises Disagreement."""
        folder = door.fresh("files")
        folder.mkdir()
        (folder / "thing.txt").write_text("a thing\n")
        (folder / "about.txt").write_text("about it\n")
        name = f"{door.host}/oras/thing:1"
        oras(
            door,
            "push",
            "--artifact-type",
            "application/vnd.example.thing",
            name,
            "thing.txt:text/plain",
            cwd=folder,
        )
        for subject in (name, f"{door.host}/matrix/image:1"):
            oras(
                door,
                "attach",
                "--artifact-type",
                "application/vnd.example.note",
                subject,
                "about.txt:text/plain",
                cwd=folder,
            )
            found = json.loads(
                oras(
                    door,
                    "discover",
                    "--format",
                    "json",
                    "--artifact-type",
                    "application/vnd.example.note",
                    subject,
                )
            )["referrers"]
            if len(found) != 1:
                raise Disagreement(f"oras discover, {door.title}: {found}")
            out = door.fresh("pulled")
            oras(
                door, "pull", "--output", out, f"{subject.rpartition(':')[0]}@{found[0]['digest']}"
            )
            if (out / "about.txt").read_text() != "about it\n":
                raise Disagreement(f"oras pull, {door.title}")
        out = door.fresh("pulled")
        oras(door, "pull", "--output", out, name)
        if (out / "thing.txt").read_text() != "a thing\n":
            raise Disagreement(f"oras pull, {door.title}")

    def attach_with_regctl(self, door: Endpoint) -> None:
        """The same with regctl, with annotations to filter by. Raises Disagreement."""
        file = door.fresh("about.txt")
        file.write_text("about it\n")
        name = f"{door.host}/matrix/index:1"
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
            regctl(door, *put, "--annotation", f"which={wanted}", "--file", file)
        listed = json.loads(
            regctl(
                door,
                "artifact",
                "list",
                "--filter-annotation",
                "which=two",
                "--format",
                "{{json .}}",
                name,
            )
        )
        if [one["annotations"]["which"] for one in listed["descriptors"]] != ["two"]:
            raise Disagreement(f"regctl artifact list, {door.title}: {listed}")
        said = regctl(
            door,
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
            raise Disagreement(f"regctl artifact get, {door.title}: {said!r}")


def images_of(archive: bytes) -> list[tuple[str, bytes]]:
    """The files of an archive."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return [
            (member.name, file.read())
            for member in tar
            if (file := tar.extractfile(member)) is not None
        ]
