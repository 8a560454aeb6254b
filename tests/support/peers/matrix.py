"""The matrix: every producer into storectl, and storectl into every consumer, each cell judged."""

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
from tests.support.peers.consumers import Offer
from tests.support.peers.process import PeerRefusal, essence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from store import Store
    from store.importing.report import ImportReport
    from tests.support.peers.claims import Claims
    from tests.support.peers.consumers import Consumer
    from tests.support.peers.producers import Made, Producer
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
"""What consumers are given besides the subjects: the one image, as storectl knows it from a docker archive."""
ATTACHED: Final = "attached"
"""And the image of the last subject, saved with what refers to it, which has no name then."""


class Disagreement(Exception):
    """A cell is none of what it may be."""


@final
@dataclass(frozen=True)
class Cell:
    """What happened to each part of a subject."""

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
    """Each cell is run once, when it is first asked for."""

    def __init__(self, shop: Workshop) -> None:
        self.shop = shop
        self.names: dict[str, tuple[str, str]] = {}
        """For each producer's command, of one image: the names it writes, and what storectl calls it."""

    # --- in ---------------------------------------------------------------------------------------

    @functools.cache  # noqa: B019 - lives as long as the tests
    def produced(self, producer: Producer, key: str) -> Cell | None:
        """A producer's archives of a subject, imported.

        None: the command is about something else. Raises Disagreement.
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
        self, store: Store, producer: Producer, subject: Subject, group: Sequence[Part], made: Made
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
                raise Disagreement(f"{producer.command}: the manifest {digest} did not come in")
        return [(part.what, _came_in(producer, part, made, said, report)) for part in group]

    def _refused_by_docker_too(self, archive: Path, ours: StoreError) -> str:
        """An archive that we refuse must be one that nobody takes."""
        try:
            docker.load(self.shop.docker, archive.read_bytes())
        except PeerRefusal as exc:
            return f"writes what Docker refuses too: “{exc.message}”"
        raise Disagreement(f"refused, and Docker takes it: {ours}") from ours

    # --- out --------------------------------------------------------------------------------------

    @functools.cache  # noqa: B019 - lives as long as the tests
    def consumed(self, consumer: Consumer, key: str, form: str) -> Cell | None:
        """What a consumer knows a subject by that it got in a format.

        None: the command is for another format. Raises Disagreement.
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
        for one in roots:
            if one.get("annotations", {}).get(CONTAINERD_NAME) == f"docker.io/{part.name}":
                root, ref = one["digest"], one["annotations"][REF_NAME]
        if original and root not in {None, part.root}:
            raise Disagreement(f"{part.name} was saved as {root}, and is {part.root}")
        try:
            seen = consumer.take(self.shop, Offer(saved, part, ref, several=len(roots) > 1))
        except PeerRefusal as exc:
            return refused(exc.message)
        if root in seen.digests:
            verdict = SAME_MANIFEST
        elif part.image in seen.digests:
            verdict = SAME_IMAGE
        elif part.image is None:
            return LEFT
        elif seen.digests & {
            one["digest"] for one in roots if one.get("annotations", {}).get(REF_NAME) == ref
        }:
            return FIRST_OF_TAG
        else:
            raise Disagreement(
                f"{consumer.command}: {part.name} is {part.image} in {root}, and arrived as"
                f" {', '.join(seen.digests) or 'nothing'}"
            )
        return ", but ".join((verdict, *seen.remarks))


def _came_in(producer: Producer, part: Part, made: Made, said: Claims, report: ImportReport) -> str:
    root, image = made.root or part.root, made.image or part.image
    if said.names(part.name) and not any(
        one.reference.familiar.endswith(part.name) for one in report.tags
    ):
        raise Disagreement(
            f"{producer.command}: it writes {said.written_names()}, and what came in is called"
            f" {report.tags}"
        )
    if image is not None and image not in {str(one) for one in report.images}:
        raise Disagreement(
            f"{producer.command}: {part.name} is {image}, and came in as {report.images}"
        )
    if root in said.digests():
        return SAME_MANIFEST
    if image is None:
        raise Disagreement(
            f"{producer.command}: the artifact is {root}, and was written as {said.digests()}"
        )
    return OWN_MANIFEST if said.roots else SAME_IMAGE


def refused(message: str) -> str:
    """A cell of a peer that cannot do it."""
    return f"not supported by the peer: “{essence(message)}”"
