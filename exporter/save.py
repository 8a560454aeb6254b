"""A save: planned before its first byte, leased while it runs, recorded when it is done.

What only one format or option needs is imported there: a save is as quick as what it does.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, final

from exporter.options import Format, SaveOptions
from exporter.output import tar_file as inplace
from exporter.output import tar_stream as tarstream
from exporter.selection import graph, roots
from exporter.selection import legacy_images as selection
from store.catalog.events import Event
from store.errors import DamagedContent, InvalidInput
from store.model.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from exporter.output.tar_range import ArchiveBlocks
    from exporter.output.tar_stream import Sink
    from exporter.planning.plan import Plan
    from exporter.selection.graph import SavedGraph
    from exporter.selection.legacy_images import Selection
    from store import Store
    from store.content.reader import Reader
    from store.model.contents import Sources
    from store.model.digests import Digest, ImageID
    from store.model.progress import Progress


@final
class Export:
    """An archive that is planned and leased, ready to be written."""

    def __init__(
        self,
        store: Store,
        plan: Plan,
        images: tuple[ImageID, ...],
        targets: tuple[str, ...],
        graph: SavedGraph | None = None,
        *,
        contents: Iterable[Sources] = (),
        folder: bool = False,
    ) -> None:
        self._store = store
        self._folder = folder
        self._contents = tuple(contents)
        self._targets = targets
        self.plan = plan
        self.graph = graph
        """The manifests in it and everything below them.

        None for the format legacy, which has none.
        """
        self.images = images
        """The images in it, in order."""

    @property
    def size_bytes(self) -> int:
        """The archive's exact length."""
        return self.plan.size_bytes

    @property
    def contents(self) -> tuple[Sources, ...]:
        """Every stored content that is in it, documents among them."""
        return self._contents

    @property
    def notes(self) -> tuple[str, ...]:
        """What the person who asked should know."""
        return self.plan.notes

    def write(self, sink: Sink, progress: Progress | None = None) -> None:
        """Write the archive; every blob's digest is checked on the way.

        Raises DamagedContent (remembered by the store: those bytes are never served again),
        ContentMissing; what was written is then no archive.
        """
        progress = progress or Silent()
        progress.total(self.size_bytes)
        try:
            with self._store.reader() as reader:
                descriptor = inplace.descriptor_of(sink)
                if descriptor is None:
                    tarstream.write(self.plan, reader, sink, progress)
                else:
                    inplace.write(self.plan, self._store, reader, descriptor, progress)
        except DamagedContent as exc:
            self._store.report_damage(exc)
            raise

    def write_folder(self, folder: Path, progress: Progress | None = None) -> None:
        """Add an OCI save to the image layout at ``folder`` (see `exporter.output.layout_folder`).

        Raises as `write`, and InvalidInput for any other format.
        """
        if self.graph is None or not self._folder:
            raise InvalidInput(
                "only the format oci can be a folder",
                hint="give -o the name of a file, or --format oci",
            )
        from exporter.output import layout_folder as ocidir

        progress = progress or Silent()
        progress.total(self.size_bytes)
        try:
            with self._store.reader() as reader:
                ocidir.write(self.graph, folder, self._store, reader, progress)
        except DamagedContent as exc:
            self._store.report_damage(exc)
            raise

    def blocks(self) -> ArchiveBlocks:
        """The archive's bytes from any position on; close it when done."""
        from exporter.output.tar_range import ArchiveBlocks

        return ArchiveBlocks(self.plan, self._store.blobs)

    def record(self) -> None:
        """Note in the store's events what was saved."""
        now = self._store.now()
        self._store.record(
            [Event(now, "save", target, {"name": target}) for target in self._targets]
        )


@contextmanager
def open_save(
    store: Store,
    names: Sequence[str],
    *,
    format: str = "legacy",  # noqa: A002 - what users call it
    options: SaveOptions | None = None,
    record: bool = True,
    approve: Callable[[Iterable[Sources]], None] | None = None,
) -> Iterator[Export]:
    """Plan a save of ``names``.

    While the block runs nothing of it is collected, and when it ends well the save is recorded
    (unless without ``record``).

    ``approve`` is told of every content that the save is made from, before any layer is encoded
    anew; what it raises ends the save.

    Raises ImageNotFound, ReferenceNotFound, AmbiguousName, InvalidReference, NothingToExport,
    IncompleteImage, DiffMismatch before any byte is written.
    """
    options = options or SaveOptions(format=_format(format))
    if options.layers is not None and options.format is Format.LEGACY:
        raise InvalidInput(
            "a legacy archive has plain layers only",
            hint="--layers goes with --format docker or oci",
        )
    with store.reader() as reader:

        def read(sources: Sources) -> bytes:
            return b"".join(reader.chunks(sources))

        choose: Callable[[Connection], Selection | SavedGraph]
        if options.format is Format.LEGACY:
            choose = lambda connection: selection.select(connection, names, options, read)  # noqa: E731 - two ways of one thing
        else:
            choose = lambda connection: graph.load(  # noqa: E731
                connection, roots.resolve(connection, names), options, read
            )

        def found(connection: Connection) -> tuple[Selection | SavedGraph, dict[Digest, Sources]]:
            chosen = choose(connection)
            if options.layers is None or not isinstance(chosen, graph.SavedGraph):
                return chosen, {}
            from exporter.selection.reencoding import layer_sources

            return chosen, layer_sources(chosen, connection)

        with ExitStack() as held:
            with store.read() as connection:
                chosen, layers = found(connection)
            if isinstance(chosen, selection.Selection) or options.layers is not None:
                from exporter.selection.verified import verify

                verify(store, chosen.image_ids())
            leased: set[Digest] | None = None
            # Asked again under the lease, until it covers what is found: meanwhile somebody may
            # have removed or moved what was found before.
            while leased is None or not chosen.needs() | set(layers) <= leased:
                held.close()
                leased = chosen.needs() | set(layers)
                folder = held.enter_context(store.leased("save", leased))
                with store.read() as connection:
                    chosen, layers = found(connection)
            # It takes its time: no transaction is open meanwhile.
            chosen = _encoded(chosen, options, layers, reader, folder, approve)
            with store.read() as connection:
                export = _planned(store, connection, chosen, options, read)
            yield export
            if record:
                export.record()


def _encoded(
    chosen: Selection | SavedGraph,
    options: SaveOptions,
    layers: Mapping[Digest, Sources],
    reader: Reader,
    folder: Path,
    approve: Callable[[Iterable[Sources]], None] | None,
) -> Selection | SavedGraph:
    """What was chosen, once it is approved, with its layers as the options want them."""
    if options.layers is None or not isinstance(chosen, graph.SavedGraph):
        if approve is not None:
            approve(chosen.sources.values())
        return chosen
    from exporter.selection.reencoding import origins, reencode

    if approve is not None:
        approve(origins(chosen, layers))
    return reencode(chosen, options.layers, layers, reader, folder)


def _planned(
    store: Store,
    connection: Connection,
    chosen: Selection | SavedGraph,
    options: SaveOptions,
    read: Callable[[Sources], bytes],
) -> Export:
    if isinstance(chosen, selection.Selection):
        from exporter.planning import legacy

        def document(digest: Digest) -> bytes:
            return read(chosen.sources[digest])

        ids = tuple(image.image_id for image in chosen.images)
        return Export(
            store,
            legacy.plan(chosen, document),
            ids,
            tuple(map(str, ids)),
            contents=chosen.sources.values(),
        )
    ids = tuple(dict.fromkeys(config.image_id for config in chosen.configs.values()))
    plan = _oci(chosen) if options.format is Format.OCI else _docker(connection, chosen, options)
    targets = (
        str(chosen.configs[root.digest].image_id if root.digest in chosen.configs else root.digest)
        for root in chosen.roots
    )
    return Export(
        store,
        plan,
        ids,
        tuple(targets),
        chosen,
        contents=chosen.sources.values(),
        folder=options.format is Format.OCI,
    )


def _oci(chosen: SavedGraph) -> Plan:
    from exporter.planning import oci

    return oci.plan(chosen)


def _docker(connection: Connection, chosen: SavedGraph, options: SaveOptions) -> Plan:
    from exporter.planning import docker
    from store.catalog import content, images
    from store.formats.image.deterministic import deterministic_manifest

    own = frozenset(
        digest
        for digest, config in chosen.configs.items()
        if chosen.documents[digest].data
        == deterministic_manifest(
            config, [link.target.size_bytes for link in chosen.documents[digest].layers]
        )
    )
    parents: dict[ImageID, ImageID] = {}
    for config in chosen.configs.values():
        key = images.key_of(connection, config.image_id)
        parent = None if key is None else images.parent_of(connection, key)
        if parent is not None:
            parents[config.image_id] = parent
    foreign = content.foreign_sources(
        connection, {diff.digest for config in chosen.configs.values() for diff in config.diff_ids}
    )
    return docker.plan(chosen, options, own, parents, foreign)


def _format(name: str) -> Format:
    try:
        return Format(name)
    except ValueError:
        raise InvalidInput(
            f"unknown format {name!r}", hint=f"expected {', '.join(Format)}"
        ) from None
