"""The matrix of peers: storectl reads each producer's archives, each consumer reads storectl's."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from exporter.options import Format
from store import Digest
from store.errors import StoreError
from tests.support.layouts import CONTAINERD_NAME, REF_NAME
from tests.support.peers import docker
from tests.support.peers.claims import claims
from tests.support.peers.consumers import SavedPart
from tests.support.peers.process import PeerRefusal, essence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from store import Store
    from store.importing.report import ImportReport
    from tests.support.peers.claims import Claims
    from tests.support.peers.consumers import Consumer
    from tests.support.peers.producers import Producer, WrittenArchive
    from tests.support.peers.subjects import Part, Subject
    from tests.support.peers.workshop import Workshop

SAME_MANIFEST: Final = "same manifest digest"
SAME_IMAGE: Final = "same image ID"
OWN_MANIFEST: Final = "same image ID, in a manifest that the peer made"
LEFT: Final = "not supported by the peer, which leaves it behind without a word"
FIRST_OF_TAG: Final = (
    "not supported by the peer, which takes the first image with this tag, whatever its repository"
)
FORMATS: Final = {
    "legacy": (Format.LEGACY, False),
    "docker": (Format.DOCKER, False),
    "oci, tar": (Format.OCI, False),
    "oci, folder": (Format.OCI, True),
}
FROM_DOCKER: Final = "docker"
"""A further subject for consumers: the single image, imported from a Docker archive."""
ATTACHED: Final = "attached"
"""A further subject for consumers: the last subject's image with its referrers, without names."""


class Disagreement(Exception):
    """The result of a cell is not one of the expected results."""


@final
@dataclass(frozen=True)
class Cell:
    """A cell of the matrix: one result for each part of a subject."""

    parts: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        said = dict.fromkeys(text for _, text in self.parts)
        return (
            next(iter(said))
            if len(said) == 1
            else "; ".join(f"{what}: {text}" for what, text in self.parts)
        )


@final
class Matrix:
    """The cells of the matrix; each cell is run once, on its first use."""

    def __init__(self, shop: Workshop) -> None:
        self.shop = shop
        self.names: dict[str, tuple[str, str]] = {}
        """By a producer's command, the names that the command writes and the names in the store."""

    # --- in ---------------------------------------------------------------------------------------

    @functools.cache  # noqa: B019 - lives as long as the tests
    def produced(self, producer: Producer, key: str) -> Cell | None:
        """Import a producer's archives of a subject; return the results as a cell.

        Returns:
            The cell, or None if the command is not for this subject.

        Raises:
            Disagreement: storectl refuses a sound archive, or imports it with unexpected digests or
                damage.
        """
        subject = self.shop.subjects[key]
        if key not in producer.subjects:
            return None
        verdicts: list[tuple[str, str]] = []
        with self.shop.store() as store:
            for group in (
                [subject.parts] if producer.together else [(part,) for part in subject.parts]
            ):
                try:
                    made = producer.make(self.shop, group, self.shop.fresh("made"))
                except PeerRefusal as exc:
                    verdicts += [(part.what, refused(exc.message)) for part in group]
                    continue
                verdicts += self._imported(store, producer, subject, group, made)
            if findings := list(store.fsck()):
                raise Disagreement(f"{producer.command}: {findings}")
        return Cell(tuple(verdicts))

    def _imported(
        self,
        store: Store,
        producer: Producer,
        subject: Subject,
        group: Sequence[Part],
        made: WrittenArchive,
    ) -> list[tuple[str, str]]:
        said = claims(made.path)
        try:
            report = store.import_archive(made.path)
        except StoreError as exc:
            if said.roots:
                raise Disagreement(f"{producer.command}: {exc}") from exc
            return [(part.what, self._refused_by_docker_too(made.path, exc)) for part in group]
        if subject.key == "image" or "image" not in producer.subjects:
            written, given = (
                ", ".join(said.written_names()) or "none",
                ", ".join(f"`{tag.reference.familiar}`" for tag in report.tags) or "no name",
            )
            self.names[producer.command] = (
                written.replace(self.shop.registry.host, "REGISTRY"),
                given.replace(self.shop.registry.host, "REGISTRY"),
            )
        for digest in said.digests():
            if store.document(Digest.parse(digest)) is None:
                raise Disagreement(f"{producer.command}: the manifest {digest} was not imported")
        return [(part.what, _import_verdict(producer, part, made, said, report)) for part in group]

    def _refused_by_docker_too(self, archive: Path, ours: StoreError) -> str:
        """Return the verdict on an archive that storectl refuses; Docker has to refuse it too."""
        try:
            docker.load(self.shop.docker, archive.read_bytes())
        except PeerRefusal as exc:
            return f"writes what Docker refuses too: “{exc.message}”"
        raise Disagreement(f"storectl refuses an archive that Docker loads: {ours}") from ours

    # --- out --------------------------------------------------------------------------------------

    @functools.cache  # noqa: B019 - lives as long as the tests
    def consumed(self, consumer: Consumer, key: str, form: str) -> Cell | None:
        """Read a subject with a consumer; return whether manifests or images stay the same.

        Returns:
            The cell, or None if the command is not for this subject in this format.

        Raises:
            Disagreement: The consumer reports unexpected digests.
        """
        if form not in consumer.formats:
            return None
        if key == ATTACHED and form == "legacy":
            return None
        subject = self.shop.subjects[{FROM_DOCKER: "image", ATTACHED: "referrers"}.get(key, key)]
        wanted, folder = FORMATS[form]
        parts = tuple(
            part
            for part in subject.parts
            if part.image is not None or (wanted is not Format.LEGACY and key != ATTACHED)
        )
        source = self.shop.source(subject, docker=key == FROM_DOCKER)
        saved = self.shop.saved(source, parts, wanted, folder=folder, referrers=key == ATTACHED)
        if key == ATTACHED and claims(saved).digests() != {part.root for part in subject.parts}:
            raise Disagreement(f"{saved} has {claims(saved).roots}")
        verdicts = [
            (part.what, self._taken(consumer, part, saved, original=key != FROM_DOCKER))
            for part in parts
        ]
        verdicts += [
            (part.what, "no room in the format")
            for part in subject.parts
            if part not in parts and key != ATTACHED
        ]
        return Cell(tuple(verdicts))

    def _taken(self, consumer: Consumer, part: Part, saved: Path, *, original: bool) -> str:
        root, ref, roots = None, part.tag, claims(saved).roots
        for listed in roots:
            if listed.get("annotations", {}).get(CONTAINERD_NAME) == f"docker.io/{part.name}":
                root, ref = listed["digest"], listed["annotations"][REF_NAME]
        if original and root not in {None, part.root}:
            raise Disagreement(f"{part.name} was saved as {root}, and is {part.root}")
        try:
            seen = consumer.read(self.shop, SavedPart(saved, part, ref, several=len(roots) > 1))
        except PeerRefusal as exc:
            return refused(exc.message)
        if root in seen.digests:
            verdict = SAME_MANIFEST
        elif part.image in seen.digests:
            verdict = SAME_IMAGE
        elif part.image is None:
            return LEFT
        elif seen.digests & {
            listed["digest"]
            for listed in roots
            if listed.get("annotations", {}).get(REF_NAME) == ref
        }:
            return FIRST_OF_TAG
        else:
            raise Disagreement(
                f"{consumer.command}: {part.name} is {part.image} in {root}, and arrived as"
                f" {', '.join(seen.digests) or 'nothing'}"
            )
        return ", but ".join((verdict, *seen.remarks))


def _import_verdict(
    producer: Producer, part: Part, made: WrittenArchive, said: Claims, report: ImportReport
) -> str:
    root, image = made.root or part.root, made.image or part.image
    if said.names(part.name) and not any(
        tag.reference.familiar.endswith(part.name) for tag in report.tags
    ):
        raise Disagreement(
            f"{producer.command}: it writes {said.written_names()}, and the imported names are"
            f" {report.tags}"
        )
    if image is not None and image not in {str(image_id) for image_id in report.images}:
        raise Disagreement(
            f"{producer.command}: {part.name} is {image}, and was imported as {report.images}"
        )
    if root in said.digests():
        return SAME_MANIFEST
    if image is None:
        raise Disagreement(
            f"{producer.command}: the artifact is {root}, and was written as {said.digests()}"
        )
    return OWN_MANIFEST if said.roots else SAME_IMAGE


def refused(message: str) -> str:
    """Return the text of a cell in which the peer refused the command."""
    return f"not supported by the peer: “{essence(message)}”"
