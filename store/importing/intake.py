"""An archive's way in.

What does it claim, which part is wanted, and what of that has to be read; everything read is
verified.

From a file the documents are read first, and what is already here is never read. From a pipe
everything has passed before the documents are known.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, final

from store.errors import (
    DigestMismatch,
    InvalidArchive,
    MissingBlobs,
    MissingLayers,
    MissingMember,
    StoreError,
    printable,
)
from store.formats.archives import docker
from store.formats.archives import docker_and_oci as hybrid
from store.formats.archives import docker_v1 as legacy_v1
from store.formats.archives import oci_layout as layout
from store.formats.archives.selection import ALL, choose
from store.formats.compression.settings import FRAME_BYTES
from store.formats.image.layout_names import INDEX, LAYOUT
from store.formats.image.manifests import Role
from store.formats.image.media_types import is_layer
from store.model.digests import DiffID, Digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from store.formats.archives.claims import ArchiveClaim, Graph
    from store.formats.archives.oci_layout import BlobPaths
    from store.formats.archives.selection import Choice
    from store.formats.image.config import ImageConfig
    from store.formats.image.manifests import Document, Link
    from store.importing.members import Members
    from store.importing.staging import Staged, Stager
    from store.model.limits import Limits


class Holdings(Protocol):
    """What the store has already. Whatever it says is here stays until the operation ends."""

    def diffs(self, wanted: Iterable[DiffID]) -> AbstractSet[DiffID]:
        """Which of these diffs are here, in whatever encoding."""

    def blobs(self, wanted: Iterable[Digest]) -> AbstractSet[Digest]:
        """Which of these contents are here."""

    def layers(self, wanted: Iterable[tuple[Digest, DiffID]]) -> AbstractSet[tuple[Digest, DiffID]]:
        """Which of these blobs are here, and known to decode to these diffs."""

    def document(self, digest: Digest) -> bytes | None:
        """A small document that is here."""


@final
@dataclass(slots=True)
class ReadArchive:
    """What came of reading an archive: its claim, and what was read for it.

    ``layers`` are those of images without a manifest, by diff ID; ``blobs`` are layers as manifests
    name them, ``others`` what else they name. ``foreign`` are layers of which a manifest only says
    where they may be fetched; ``sources`` has every link that says so, whether or not the bytes are
    here as well.
    """

    claim: ArchiveClaim
    layers: dict[DiffID, Staged] = field(default_factory=dict)
    blobs: dict[Digest, Staged] = field(default_factory=dict)
    others: dict[Digest, Staged] = field(default_factory=dict)
    foreign: dict[DiffID, tuple[Link, ...]] = field(default_factory=dict)
    sources: dict[DiffID, tuple[Link, ...]] = field(default_factory=dict)

    def staged(self) -> list[Staged]:
        """Everything that was read, each file once."""
        found: dict[int, Staged] = {}
        for one in (*self.layers.values(), *self.blobs.values(), *self.others.values()):
            found[id(one)] = one
            if one.original is not None:
                found[id(one.original)] = one.original
        return list(found.values())


def read_archive(
    members: Members, stager: Stager, limits: Limits, holdings: Holdings, choice: Choice = ALL
) -> ReadArchive:
    """Read an archive and stage what the store does not have.

    Raises the branches of InvalidInput; the operation's folder is then to be thrown away.
    """
    if members.exists(LAYOUT) and members.exists(INDEX):
        claim = layout.claim(members, limits, holdings.document)
        if members.exists(docker.MANIFEST):
            claim = hybrid.reconcile(
                claim,
                docker.claim(
                    members.document, limits, no_images=hybrid.artifact_configs(claim.graph)
                ),
            )
        return _described(claim, layout.oci_place(members), members, stager, holdings, choice)
    if members.exists(layout.DIR_VERSION) and members.document(layout.DIR_VERSION).startswith(
        layout.DIR_MAGIC
    ):
        return _described(
            layout.claim_dir(members, limits, holdings.document),
            layout.dir_place(members),
            members,
            stager,
            holdings,
            choice,
        )
    if members.exists(docker.MANIFEST):
        claim = choose(docker.claim(members.document, limits), choice)
        return ReadArchive(claim, _claimed_layers(claim, members, stager, holdings))
    if members.exists(INDEX):
        raise InvalidArchive(
            "the archive has an index.json, but no oci-layout beside it",
            hint="is it cut short? An image layout has both",
        )
    if members.exists(LAYOUT):
        raise MissingMember(
            "the archive has an oci-layout, but no index.json beside it",
            member=INDEX,
            hint="is it cut short? An image layout has both",
        )
    if not members.exists(legacy_v1.REPOSITORIES):
        raise MissingMember(
            "no images are in this archive: it has neither manifest.json, nor oci-layout with"
            " index.json, nor repositories",
            member=docker.MANIFEST,
            hint=(
                "save images with `docker save`, `podman save`, `skopeo copy` or `ctr images"
                " export`; a layer, or what `docker export` writes, is no image"
            ),
        )
    return _legacy(members, limits, choice)


# --- images with a manifest -----------------------------------------------------------------------


def _described(
    claim: ArchiveClaim,
    place: BlobPaths,
    members: Members,
    stager: Stager,
    holdings: Holdings,
    choice: Choice,
) -> ReadArchive:
    claim = choose(claim, choice)
    for digest, config in claim.graph.configs.items():
        if len(claim.graph.documents[digest].layers) != len(config.diff_ids):
            raise hybrid.layers_do_not_fit(claim.graph, digest)
    intake = ReadArchive(claim, _claimed_layers(claim, members, stager, holdings))
    _Blobs(place, members, stager, holdings, intake).take(claim.graph)
    return intake


@final
class _Blobs:
    """Stages the blobs that manifests name."""

    def __init__(
        self,
        place: BlobPaths,
        members: Members,
        stager: Stager,
        holdings: Holdings,
        intake: ReadArchive,
    ) -> None:
        self._place = place
        self._members = members
        self._stager = stager
        self._holdings = holdings
        self._intake = intake
        self._missing: list[tuple[str, str, Digest]] = []

    def take(self, graph: Graph) -> None:
        layers = [
            (document, link, diff)
            for document in graph.documents.values()
            for link, diff in _layers(document, graph.configs)
        ]
        others = [
            (document, link)
            for document in graph.documents.values()
            for link in _others(document, graph.configs)
        ]
        here = self._holdings.layers((link.digest, diff) for _, link, diff in layers)
        wanted = [
            (document, link, diff)
            for document, link, diff in layers
            if (link.digest, diff) not in here
        ]
        # Gzip decodes on one core only: two layers at once keep two busy. The largest first, or it
        # would be alone at the end.
        wanted.sort(key=lambda one: one[1].target.size_bytes, reverse=True)
        self._members.prefetch(
            dict.fromkeys(
                path
                for document, link, _ in wanted
                if (path := self._path_ahead(document, link)) is not None
            )
        )
        for document, link, diff in layers:
            if link.urls:
                # Also of what is here already: else it would show which archive came first.
                self._intake.sources[diff] = (*self._intake.sources.get(diff, ()), link)
            if (link.digest, diff) not in here:
                self._layer(document, link, diff)
        held = self._holdings.blobs(link.digest for _, link in others)
        for document, link in others:
            if (
                link.digest not in held
                and link.digest not in self._intake.blobs
                and link.digest not in self._intake.others
            ):
                self._blob(document, link)
        if self._missing:
            raise MissingBlobs(self._missing)

    def _path_ahead(self, document: Document, link: Link) -> str | None:
        """Where a layer lies that can be begun with.

        What is wrong with others is told in their turn.
        """
        try:
            return self._place.checked(link.target, _where(document, link))
        except StoreError:
            return None

    def _layer(self, document: Document, link: Link, diff: DiffID) -> None:
        where = _where(document, link)
        staged = self._intake.blobs.get(link.digest)
        if staged is None:
            path = self._place.checked(link.target, where)
            if path is None and link.data is None:
                self._without(document, link, diff)
                return
            staged = (
                self._members.layer(path)
                if path is not None
                else self._stager.layer(
                    iter((link.data or b"",)), where, _ignore, algorithm=link.digest.algorithm
                )
            )
            self._verify(staged, link, where)
            _sound(staged)
        if not self._stager.has_diff(staged, diff.digest):
            raise DigestMismatch(
                f"{where}: what {link.digest} decodes to",
                want=diff,
                got=staged.diff.digest,
                hint="the layer and the image's config do not belong together",
            )
        self._intake.blobs[link.digest] = staged

    def _without(self, document: Document, link: Link, diff: DiffID) -> None:
        if link.urls:
            self._intake.foreign[diff] = (*self._intake.foreign.get(diff, ()), link)
        else:
            self._missing.append(
                (str(document.digest), f"{link.role} {link.position}", link.digest)
            )

    def _blob(self, document: Document, link: Link) -> None:
        where = _where(document, link)
        path = self._place.checked(link.target, where)
        if path is not None:
            staged = self._members.blob(path)
        elif link.data is not None:
            staged = self._stager.blob(
                iter((link.data,) if link.data else ()),
                where,
                _ignore,
                algorithm=link.digest.algorithm,
            )
        elif link.urls and is_layer(link.target.media_type):
            return
        else:
            self._missing.append(
                (str(document.digest), f"{link.role} {link.position}", link.digest)
            )
            return
        self._verify(staged, link, where)
        self._intake.others[link.digest] = staged

    def _verify(self, staged: Staged, link: Link, where: str) -> None:
        came = staged.keep_original
        if came.digest != link.digest:
            raise DigestMismatch(
                f"{where}: content of the blob",
                want=link.digest,
                got=came.digest,
                hint="the blob is damaged, or stands under a wrong name",
            )


def _layers(document: Document, configs: Mapping[Digest, ImageConfig]) -> list[tuple[Link, DiffID]]:
    config = configs.get(document.digest)
    return [] if config is None else list(zip(document.layers, config.diff_ids, strict=True))


def _others(document: Document, configs: Mapping[Digest, ImageConfig]) -> list[Link]:
    """What a document points at that is neither a document nor a layer of an image that runs."""
    if document.digest in configs:
        return list(document.of_role(Role.BLOB))
    return [link for link in document.links if not link.is_document]


def _where(document: Document, link: Link) -> str:
    return f"{document.kind} {document.digest}, {link.role} {link.position}"


# --- images without one ---------------------------------------------------------------------------


def _claimed_layers(
    claim: ArchiveClaim, members: Members, stager: Stager, holdings: Holdings
) -> dict[DiffID, Staged]:
    images = [image for image in claim.images if not image.described]
    here = holdings.diffs({diff for image in images for diff in image.config.diff_ids})
    first: dict[DiffID, str | None] = {}  # of several copies of a layer one is read
    for image in images:
        for diff, path in zip(image.config.diff_ids, image.layers, strict=True):
            first.setdefault(diff, path)
    members.prefetch(
        _largest_first(members, (path for diff, path in first.items() if diff not in here))
    )
    staged: dict[DiffID, Staged] = {}
    absent: set[DiffID] = set()
    # a number for each chain, by that of the chain beneath it and the diff on top
    chains: dict[tuple[int, DiffID], int] = {}
    for image in images:
        chain = 0
        for position, (diff, path) in enumerate(
            zip(image.config.diff_ids, image.layers, strict=True)
        ):
            built = (chain, diff) in chains
            chain = chains.setdefault((chain, diff), len(chains) + 1)
            # What the store has is neither opened nor checked, as in Docker; nor is a chain that
            # another image of the archive already brought. A diff that comes again in another place
            # may be missing there, but a file that stands there must be it.
            if diff in here or (built and diff in staged):
                # Its path is looked at all the same: Docker refuses one that leaves the archive, or
                # links without end, before it asks what it knows.
                members.exists(path or "")
                continue
            try:
                layer = _sound(members.layer(path or ""))
            except MissingMember:
                if diff not in staged:
                    absent.add(diff)
                continue
            if not stager.has_diff(layer, diff.digest):
                raise DigestMismatch(
                    f"invalid diffID for layer {position} of"
                    f" {printable(docker.display_name(image))} (member {printable(path or '')!r})",
                    want=diff,
                    got=layer.diff.digest,
                    hint=(
                        "the layer's bytes are not the ones the image was made of: the archive is"
                        " damaged, or was put together wrongly"
                    ),
                )
            staged.setdefault(diff, layer)
            absent.discard(diff)
    if absent:
        raise MissingLayers(docker.missing(images, lambda diff: diff in staged or diff in here))
    return staged


def _largest_first(members: Members, paths: Iterable[str | None]) -> list[str]:
    """Those of several frames, which keep a core busy for a while.

    What is wrong with one is told in its turn.
    """
    sizes: dict[str, int] = {}
    for path in paths:
        with suppress(StoreError):
            sizes[path or ""] = members.size(path or "")
    return sorted(
        (path for path, size in sizes.items() if size > FRAME_BYTES),
        key=lambda path: sizes[path],
        reverse=True,
    )


def _legacy(members: Members, limits: Limits, choice: Choice) -> ReadArchive:
    ordered = legacy_v1.directories(members.top_level_directories(), members.document, limits)
    staged: dict[DiffID, Staged] = {}
    diffs: dict[str, DiffID] = {}
    for step in ordered:
        layer = _sound(members.layer(step.layer))
        diffs[step.name] = DiffID(layer.diff.digest)
        staged[diffs[step.name]] = layer
    claim = choose(legacy_v1.claim(ordered, diffs, members.document, limits), choice)
    used = {diff for image in claim.images for diff in image.config.diff_ids}
    return ReadArchive(claim, {diff: layer for diff, layer in staged.items() if diff in used})


def _sound(layer: Staged) -> Staged:
    if layer.problem is not None:
        raise layer.problem
    return layer


def _ignore(_size: int) -> None:
    """It is in memory already."""
