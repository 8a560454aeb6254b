"""The save of images into an archive, from the plan to the event that records the save.

The archive is planned before its first byte is written. A lease protects the content from garbage
collection while the save runs.

Modules that only one format or option needs are imported when a save uses them. This keeps the
start of every other save fast.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final, final

from exporter.options import Format, LegacyLoss, SaveOptions
from exporter.output import tar_file, tar_stream
from exporter.selection.document_reader import DocumentReader, keep_going
from store.catalog import references
from store.catalog.events import Event
from store.errors import DamagedContent, InvalidInput
from store.model.actors import Actor
from store.model.progress import Silent
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from exporter.graph_save import GraphSave
    from exporter.legacy_save import LegacySave
    from exporter.output.tar_range import ArchiveBlocks
    from exporter.output.tar_stream import Sink
    from exporter.planning.plan import Entry, Plan, PlannedSave
    from exporter.selection.document_reader import Check
    from exporter.selection.graph import SavedGraph
    from store import Store
    from store.model.contents import Sources
    from store.model.digests import Digest, ImageID
    from store.model.limits import ArchiveLimits
    from store.model.progress import Progress


_ENTRY_BYTES: Final = 1000
"""The memory of an entry with its source, without the bytes of the source; estimated."""


@final
class Export:
    """A planned archive that is ready to be written; a lease protects its content."""

    def __init__(self, store: Store, planned: PlannedSave, doubts: tuple[str, ...] = ()) -> None:
        self._store = store
        self._planned = planned
        self._doubts = doubts

    @property
    def plan(self) -> Plan:
        """The plan of the archive: the entries and their sizes."""
        return self._planned.plan

    @property
    def graph(self) -> SavedGraph | None:
        """The manifests in the archive and everything below them; None in the format legacy."""
        return self._planned.graph

    @property
    def format(self) -> Format:
        """The archive's format, which the options may have left to be chosen."""
        return self._planned.format

    @property
    def images(self) -> tuple[ImageID, ...]:
        """The IDs of the images in the archive, each once."""
        return self._planned.images

    @property
    def size_bytes(self) -> int:
        """The archive's exact length in bytes."""
        return self.plan.size_bytes

    @property
    def contents(self) -> tuple[Sources, ...]:
        """The sources of all stored content in the archive, manifests and indexes included."""
        return self._planned.contents

    @property
    def doubts(self) -> tuple[str, ...]:
        """Notes for the user about images whose layers contradict their config."""
        return self._doubts

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user about the archive, one sentence each."""
        return (*self._doubts, *self.plan.notes)

    def write(self, sink: Sink, progress: Progress | None = None) -> None:
        """Write the archive, and check the digest of all stored content while reading it.

        After an error, the bytes written so far are not a valid archive.

        Args:
            sink: Receives the bytes. A regular file is written by several threads.
            progress: Receives one report for each file in the archive; None for no reports.

        Raises:
            DamagedContent: The bytes of stored content do not have its digest. The store marks the
                content as damaged and no longer serves it.
            ContentMissing: A file of the store is missing.
        """
        progress = progress or Silent()
        progress.total(self.size_bytes)
        try:
            with self._store.reader() as reader:
                descriptor = tar_file.descriptor_of(sink)
                if descriptor is None:
                    tar_stream.write(self.plan, reader, sink, progress)
                else:
                    tar_file.write(self.plan, self._store, reader, descriptor, progress)
        except DamagedContent as exc:
            self._store.report_damage(exc)
            raise

    def write_folder(self, folder: Path, progress: Progress | None = None) -> None:
        """Add the images to the OCI image layout in ``folder``.

        Args:
            folder: An image layout, or a new or empty folder.
            progress: Receives one report for each file in the archive; None for no reports.

        Raises:
            InvalidInput: The format of the save is not oci, ``folder`` holds files that are not
                part of a layout, or the parent of ``folder`` does not exist.
            InvalidDocument: ``index.json`` in the folder cannot be read or rewritten.
            DamagedContent: The bytes of stored content do not have its digest. The store marks the
                content as damaged and no longer serves it.
            ContentMissing: A file of the store is missing.
            Unavailable: The operating system refuses an access to ``folder``.
        """
        if self.graph is None or not self._planned.format.can_be_folder:
            raise InvalidInput(
                f"cannot write the format {self._planned.format} into a folder: only the format oci"
                " can be a folder",
                remedy=Remedy.SAVE_TO_FILE,
            )
        from exporter.output import layout_folder
        from exporter.output.free_space import stating_sizes

        progress = progress or Silent()
        progress.total(self.size_bytes)
        try:
            with stating_sizes(folder, self.size_bytes), self._store.reader() as reader:
                layout_folder.write(self.graph, folder, self._store, reader, progress)
        except DamagedContent as exc:
            self._store.report_damage(exc)
            raise

    def blocks(self, *, whole: bool, owner: str = "") -> ArchiveBlocks:
        """Return a reader of the archive's bytes at any position; close it when done.

        Args:
            whole: Whether the caller reads from the first byte to the last, so that the digest of
                every content is checked on the way. If false, each encoding must have been checked
                once before a part of it is decoded. This call checks all encodings that were never
                checked, which takes long.
            owner: The client that reads. Clients share the memory for decoders fairly.

        Raises:
            DamagedContent: Stored bytes do not have their digest.
            ContentMissing: A file of the store is missing.
        """
        from exporter.output.tar_range import ArchiveBlocks

        unproven = () if whole else (one for one in self.contents if not one.is_proven)
        proven = {one.digest: self._store.prover.prove(one) for one in unproven}
        return ArchiveBlocks(
            self.plan, self._store.blobs, proven, memory=self._store.decoding.transfers, owner=owner
        )

    @property
    def memory_bytes(self) -> int:
        """About how much memory the plan takes, in bytes."""
        return sum(map(_memory_bytes, self.plan.entries))

    def record(self) -> None:
        """Add the saved images to the store's events."""
        self._store.record(self._events())

    def record_read(self, user: str | None, address: str | None = None) -> None:
        """Record that a user has taken the archive over the network.

        The number of these events is limited, because any client that may read can cause them:
        see `Store.record_reads`.

        Args:
            user: The name of the user; None for clients without a user, which count as one reader.
            address: The address of the client; None if it is unknown.
        """
        self._store.record_reads(
            self._events(),
            "anonymous" if user is None else f"user:{user}",
            actor=Actor(user, address),
        )

    def _events(self) -> list[Event]:
        now = self._store.now()
        return [Event(now, "save", target, {"name": target}) for target in self._planned.targets]


def _memory_bytes(entry: Entry) -> int:
    size = _ENTRY_BYTES + len(entry.path)
    if isinstance(entry.source, bytes):
        return size + len(entry.source)
    inline = getattr(entry.source, "inline", None)
    return size if inline is None else size + len(inline)


def names_version(store: Store) -> tuple[int, int, int]:
    """Return a value that changes whenever a name may stand for other images than before."""
    with store.read() as connection:
        return references.version(connection)


@contextmanager
def open_save(
    store: Store,
    names: Sequence[str],
    *,
    options: SaveOptions | None = None,
    record: bool = True,
    before_encoding: Callable[[int], None] | None = None,
    check: Check = keep_going,
    ceilings: ArchiveLimits | None = None,
    check_layers: bool = True,
) -> Iterator[Export]:
    """Plan a save of ``names`` and protect its content from collection until the block ends.

    Every error that the names or the options can cause is raised before the block starts.

    Args:
        store: The store that holds the images.
        names: Tags, repositories (all their tags), digests, image IDs and prefixes of image IDs.
        options: The format, platforms, referrers and encoding of layers; None for the format
            legacy and its defaults.
        record: Whether to add the save to the store's events if the block ends without an error.
        before_encoding: Called before layers are compressed, with the size of the plain layers in
            bytes; 0 if none have to be compressed. An exception that it raises ends the save.
        check: Called often while the save is planned. An exception that it raises ends the save.
        ceilings: What the save may read; None for no ceilings.
        check_layers: Whether to note the images whose layers contradict their config, if the
            archive holds their layers as they are. Layers that were never decoded are decoded for
            that.

    Yields:
        The planned archive.

    Raises:
        ImageNotFound: No stored image has the ID or name.
        ReferenceNotFound: The store has no such tag or digest.
        AmbiguousName: A prefix fits several image IDs.
        InvalidReference: A name is not a valid reference.
        InvalidInput: The options contradict each other, or no image is for the platforms.
        NothingToExport: An image has no layers, and the format is legacy.
        Conflict: The format legacy would lose something, and the options forbid it.
        IncompleteImage: Content that the images name is not in the store.
        TooLarge: The archive would exceed ``ceilings``.
        DiffMismatch: The layers of an image do not have the diff IDs in its config, and the
            archive needs them so; or a layer decodes to more than a limit allows.
        DamagedContent: The bytes of stored content that was read do not have its digest.
        ContentMissing: A file of the store is missing.
        StorageFull: The store's file system has no space left for re-encoded layers.
    """
    options = options or SaveOptions()
    if options.layers is not None and not options.format.keeps_manifests:
        raise InvalidInput(
            f"cannot re-encode layers in the format {options.format}: it has only plain layers",
            remedy=Remedy.SAVE_AS_OCI_OR_DOCKER,
        )
    with store.reader() as reader, ExitStack() as held:

        def read(sources: Sources) -> bytes:
            return b"".join(reader.chunks(sources))

        documents = DocumentReader(read, check=check, ceilings=ceilings)
        with store.read() as connection:
            options = _lossless(connection, names, options, documents)
            kind = _kind(options.format)
            chosen = kind.select(connection, names, options, documents)
        manifests, images = chosen.decoded_manifests(), chosen.decoded_images()
        if manifests or images:
            from exporter.selection.verified import verify

            verify(store, manifests, images, check, names)
        doubts: tuple[str, ...] = ()
        if check_layers and (undecoded := chosen.undecoded_manifests()):
            from exporter.selection.verified import contradictions

            doubts = contradictions(store, undecoded, check)
        leased: set[Digest] | None = None
        # Another process may remove or move a name before the lease begins. So select again under
        # the lease, until the lease covers the selection.
        while leased is None or not chosen.needs() <= leased:
            held.close()
            leased = chosen.needs()
            folder = held.enter_context(store.leased("save", leased))
            with store.read() as connection:
                chosen = kind.select(connection, names, options, documents)
        if before_encoding is not None:
            before_encoding(chosen.bytes_to_encode())
        # No transaction is open here, because compressing layers takes long.
        chosen = chosen.encoded(reader, folder)
        with store.read() as connection:
            export = Export(store, chosen.plan(connection, documents), doubts)
        yield export
        if record:
            export.record()


def _lossless(
    connection: Connection, names: Sequence[str], options: SaveOptions, reader: DocumentReader
) -> SaveOptions:
    """Return the options, with the format docker if legacy would lose something that must stay.

    Raises:
        Conflict: The format legacy would lose something, and the options forbid it.
    """
    if options.format.keeps_manifests or options.legacy_loss is LegacyLoss.ACCEPT:
        return options
    from exporter.graph_save import GraphSave
    from exporter.selection.legacy_loss import losses, refuse

    lossless = replace(options, format=Format.DOCKER)
    lost = losses(GraphSave.select(connection, names, lossless, reader).graph, reader.check)
    if lost and options.legacy_loss is LegacyLoss.REFUSE:
        raise refuse(lost)
    return lossless if lost else options


def _kind(format_: Format) -> type[LegacySave | GraphSave]:
    if format_.keeps_manifests:
        from exporter.graph_save import GraphSave

        return GraphSave
    from exporter.legacy_save import LegacySave

    return LegacySave
