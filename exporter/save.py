"""A save: planned before its first byte, leased while it runs, recorded when it is done."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, final

from exporter import inplace, legacy, selection, tarstream
from store.errors import DamagedContent, InvalidInput
from store.model import Event, Silent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exporter.plan import Plan
    from exporter.selection import Selection
    from exporter.tarstream import Sink
    from store import Store
    from store.model import Progress
    from store.values import Digest, ImageID

FORMATS: Final = ("legacy",)


@final
class Export:
    """An archive that is planned and leased, ready to be written."""

    def __init__(self, store: Store, chosen: Selection, plan: Plan) -> None:
        self._store = store
        self._chosen = chosen
        self.plan = plan

    @property
    def size_bytes(self) -> int:
        """The archive's exact length."""
        return self.plan.size_bytes

    @property
    def images(self) -> tuple[ImageID, ...]:
        """The images in it, in order."""
        return tuple(image.image_id for image in self._chosen.images)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the person who asked should know."""
        return self.plan.notes

    def write(self, sink: Sink, progress: Progress | None = None) -> None:
        """Stream the archive; every blob's digest is checked on the way.

        Raises DamagedContent (remembered by the store: those bytes are never served again), ContentMissing; what was written is then no archive.
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

    def record(self) -> None:
        """Note in the store's events that the images were saved."""
        now = self._store.now()
        self._store.record([Event(now, "save", str(image.image_id), {"name": str(image.image_id)}) for image in self._chosen.images])


@contextmanager
def open_save(store: Store, names: Sequence[str], *, format: str = "legacy") -> Iterator[Export]:  # noqa: A002 - what users call it
    """Plan a save of ``names``; while the block runs nothing of it is collected, and when it ends well the save is recorded.

    Raises ImageNotFound, ReferenceNotFound, AmbiguousName, InvalidReference, NothingToExport before any byte is written.
    """
    if format not in FORMATS:
        raise InvalidInput(f"unknown format {format!r}", hint=f"expected {', '.join(FORMATS)}")
    with store.read() as connection:
        first = selection.select(connection, names)
    with store.leased("save", _needs(first)):
        # Asked again under the lease: between the two somebody may have removed or moved what was found.
        with store.read() as connection:
            chosen = selection.select(connection, names)
        with store.reader() as reader:

            def document(digest: Digest) -> bytes:
                return b"".join(reader.chunks(chosen.sources[digest]))

            planned = legacy.plan(chosen, document)
        export = Export(store, chosen, planned)
        yield export
        export.record()


def _needs(chosen: Selection) -> set[Digest]:
    stored = {encoding.digest for sources in chosen.sources.values() for encoding in sources.encodings}
    return set(chosen.sources) | stored
