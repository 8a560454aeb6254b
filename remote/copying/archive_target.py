"""A tar archive of an OCI image layout, as the receiver of a copy.

All sizes are known before the first byte, so the layers are streamed into the archive.
"""

from __future__ import annotations

from asyncio import to_thread
from typing import TYPE_CHECKING, final

from exporter.output.atomic_file import atomic_file
from exporter.output.tar_stream import write_all
from exporter.planning import layout
from exporter.planning.plan import BLOCK
from remote.copying.layout_target import entries_of
from remote.copying.streamed_archive import layout_plan, stream_archive
from remote.pushing.report import Delivered, Outcome, Survey
from store.files.os_errors import Whose, translated

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from exporter.planning.plan import Plan
    from remote.pushing.image import SentImage
    from remote.pushing.report import Listener
    from remote.pushing.shipment import Shipment
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

            async def write(data: bytes) -> None:
                await self._write(file, data)

            await stream_archive(plan, by_path, image.source, write, self._progress)
        for blob in blobs:
            self._listener.blob(blob, Outcome.SENT)
        done.sent += planned.blobs.values()
        done.documents += planned.documents
        if self._name is not None:
            done.tags[self._name] = image.root
            self._listener.tag(self._name, image.root)
        return done

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
    return layout_plan(shipment, layout.index(entries_of(shipment, image.root, name)))
