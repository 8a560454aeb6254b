"""An archive of ``docker save``, as the receiver of a copy.

Such an archive has its own documents about layers, which a save of the store computes. So an image
of another place is imported into a temporary store first.
"""

from __future__ import annotations

from asyncio import to_thread
from typing import TYPE_CHECKING, final

from exporter.options import Format, LegacyLoss, SaveOptions
from exporter.output.atomic_file import atomic_file
from exporter.save import open_save
from remote.copying.temporary_store import NAME, TemporaryStore
from remote.pushing.report import Delivered, Survey
from store import Choice as ImportChoice
from store import ImportOptions

if TYPE_CHECKING:
    from pathlib import Path

    from remote.pushing.image import SentImage
    from store.model.progress import Progress
    from store.model.references import Reference


@final
class DockerArchiveTarget:
    """A file that becomes an archive that ``docker load`` reads.

    It has the older format if that loses nothing, and else that of Docker 25, as by `save`.

    Args:
        path: The file; an existing file is replaced.
        reference: The name of the image in the archive; None for none.
        jobs: How many blobs are read at once.
        progress: Receives the progress of each blob.
    """

    def __init__(
        self, path: Path, reference: Reference | None, *, jobs: int, progress: Progress
    ) -> None:
        self._path = path
        self._reference = reference
        self._jobs = jobs
        self._progress = progress

    async def survey(self, image: SentImage) -> Survey:
        """Return everything: the whole file is written again."""
        tags = {str(self._reference): image.root} if self._reference else {}
        return Survey.of_everything(image.shipment(), tags)

    async def receive(self, image: SentImage) -> Delivered:
        """Write the archive.

        Raises:
            StoreError: Bytes of a blob are missing or wrong, or the file cannot be written. An
                existing file is unchanged.
        """
        planned = image.shipment()
        done = Delivered(notes=planned.notes)
        with TemporaryStore(self._progress) as temporary:
            folder = await temporary.take(image, jobs=self._jobs)
            await to_thread(self._save, temporary, folder, image)
        done.sent += planned.blobs.values()
        done.documents += planned.documents
        if self._reference is not None:
            done.tags[str(self._reference)] = image.root
        return done

    def _save(self, temporary: TemporaryStore, folder: Path, image: SentImage) -> None:
        name = self._reference or NAME
        store = temporary.store
        store.import_archive(
            folder, ImportOptions(choice=ImportChoice(images=(str(image.root.digest),), tag=name))
        )
        named = str(name if self._reference is not None else image.root.digest)
        options = SaveOptions(Format.LEGACY, legacy_loss=LegacyLoss.AVOID)
        with (
            open_save(store, (named,), options=options, record=False) as export,
            atomic_file(self._path, export.size_bytes) as file,
        ):
            export.write(file, self._progress)
