"""A tar archive of an OCI image layout, as the receiver of a copy.

All sizes are known before the first byte, so the layers are streamed into the archive.
"""

from __future__ import annotations

from asyncio import to_thread
from typing import TYPE_CHECKING, final

from exporter.output.atomic_file import atomic_file
from exporter.output.tar_stream import headers, write_all
from exporter.planning import layout
from exporter.planning.plan import BLOCK, END, EntryType, Plan, padded
from remote.copying.layout_target import entries_of
from remote.pushing.report import Delivered, Outcome, Survey
from store.files.os_errors import Whose, translated

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from exporter.planning.plan import Entry
    from remote.pushing.image import SentImage
    from remote.pushing.report import Listener
    from remote.pushing.shipment import Shipment
    from store.model.digests import Descriptor, Digest
    from store.model.progress import Progress


@final
class ArchiveTarget:
    """A file that becomes an archive of one image. It appears when it is complete.

    Args:
        path: The file; an existing file is replaced.
        name: The name of the image in the layout's index; None for none.
        progress: Receives the progress of each blob.
        listener: Is told about each blob.
    """

    def __init__(
        self, path: Path, name: str | None, *, progress: Progress, listener: Listener
    ) -> None:
        self._path = path
        self._name = name
        self._progress = progress
        self._listener = listener

    async def survey(self, image: SentImage) -> Survey:
        """Return everything: the whole file is written again."""
        tags = {self._name: image.root} if self._name else {}
        return Survey.of_everything(image.shipment(), tags)

    async def receive(self, image: SentImage) -> Delivered:
        """Write the archive.

        Raises:
            StoreError: Bytes of a blob are missing or wrong, or the file cannot be written. An
                existing file is unchanged.
        """
        planned = image.shipment()
        blobs = [one for one in planned.blobs.values() if one.digest not in planned.embedded]
        await image.source.require(blobs)
        plan = archive_plan(planned, image, self._name)
        self._progress.total(plan.size_bytes)
        done = Delivered(notes=planned.notes)
        by_path = {layout.blob_path(one.digest): one for one in blobs}
        with atomic_file(self._path, plan.size_bytes) as file:
            for entry in plan.entries:
                await self._write(file, b"".join(headers(entry, plan.owner)))
                blob = by_path.get(entry.path)
                if blob is not None:
                    await self._write_blob(file, blob, image)
                elif isinstance(entry.source, bytes):
                    await self._write(file, entry.source)
                if entry.type is EntryType.FILE:
                    await self._write(file, bytes(padded(entry.size_bytes) - entry.size_bytes))
            await self._write(file, bytes(END))
        done.sent += planned.blobs.values()
        done.documents += planned.documents
        if self._name is not None:
            done.tags[self._name] = image.root
            self._listener.tag(self._name, image.root)
        return done

    async def _write_blob(self, file: BinaryIO, blob: Descriptor, image: SentImage) -> None:
        key = str(blob.digest)
        self._progress.start(key, blob.digest.short, blob.size_bytes)
        async with image.source.open(blob) as reader:
            async for chunk in reader.chunks(0):
                await self._write(file, chunk)
                self._progress.advance(key, len(chunk))
        self._progress.finish(key)
        self._listener.blob(blob, Outcome.SENT)

    async def _write(self, file: BinaryIO, data: bytes) -> None:
        with translated(self._path, whose=Whose.OUTPUT):
            if len(data) < BLOCK:
                write_all(file, data)
            else:
                await to_thread(write_all, file, data)


def archive_plan(shipment: Shipment, image: SentImage, name: str | None) -> Plan:
    """Return the entries of an archive. Those of blobs have no source.

    Args:
        shipment: The content of the archive.
        image: The image.
        name: The name of the image in the index; None for none.
    """
    index = layout.index(entries_of(shipment, image.root, name))
    files: dict[Digest, Entry] = {
        digest: layout.file(
            layout.blob_path(digest), shipment.embedded.get(digest, b""), blob.size_bytes
        )
        for digest, blob in shipment.blobs.items()
    }
    files |= {
        one.digest: layout.file(layout.blob_path(one.digest), one.data, len(one.data))
        for one in shipment.documents
    }
    return Plan(
        (
            *layout.blobs(files),
            layout.file("index.json", index, len(index)),
            layout.file("oci-layout", layout.LAYOUT_FILE, len(layout.LAYOUT_FILE)),
        ),
        owner="",
    )
