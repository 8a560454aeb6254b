"""A folder with the manifest and the blobs of one image, as skopeo's ``dir:`` writes it.

Source: containers/image, directory/directory_dest.go.
"""

from __future__ import annotations

import os
from asyncio import to_thread
from typing import TYPE_CHECKING, Final, final

from exporter.output.atomic_file import no_folder
from remote.copying.layout_target import write_file
from remote.pushing.parallel import in_parallel
from remote.pushing.report import Delivered, Outcome, Survey
from store.errors import InvalidInput, printable
from store.files.durable import make_folder, sync_folder
from store.files.os_errors import Whose, translated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from remote.pushing.image import SentImage
    from remote.pushing.report import Listener
    from remote.pushing.shipment import Shipment
    from store.model.digests import Descriptor, Digest
    from store.model.progress import Progress

MANIFEST: Final = "manifest.json"
VERSION: Final = "version"


@final
class FolderTarget:
    """A folder that holds one image. The image that it held before is replaced.

    Args:
        folder: The folder.
        jobs: How many blobs are written at once.
        progress: Receives the progress of each blob.
        listener: Is told about each blob.
    """

    def __init__(self, folder: Path, *, jobs: int, progress: Progress, listener: Listener) -> None:
        self._folder = folder
        self._jobs = jobs
        self._progress = progress
        self._listener = listener

    async def survey(self, image: SentImage) -> Survey:
        """Return everything: the folder is written again."""
        return Survey.of_everything(image.shipment(), {})

    async def receive(self, image: SentImage) -> Delivered:
        """Write the image into the folder.

        Raises:
            InvalidInput: The folder has files of something else, or cannot be made.
            StoreError: Bytes of a blob are missing or wrong. The folder then has no manifest.
        """
        planned = image.shipment()
        await image.source.require(
            [one for one in planned.blobs.values() if one.digest not in planned.embedded]
        )
        await to_thread(self._empty)
        self._progress.total(sum(blob.size_bytes for blob in planned.blobs.values()))
        done = Delivered(notes=planned.notes)

        async def write(blob: Descriptor) -> None:
            key = str(blob.digest)
            self._progress.start(key, blob.digest.short, blob.size_bytes)
            await write_file(
                self._folder / file_name(blob.digest), self._bytes(blob, planned, image)
            )
            self._progress.finish(key)
            done.sent.append(blob)
            self._listener.blob(blob, Outcome.SENT)

        await in_parallel(planned.blobs.values(), write, workers=self._jobs)
        for document in planned.documents:
            if document.digest != image.root.digest:
                name = f"{file_name(document.digest)}.manifest.json"
                await write_file(self._folder / name, _pieces(document.data))
                done.documents.append(document)
        minor = 2 if _has_other_algorithm(planned) else 1
        version = f"Directory Transport Version: 1.{minor}\n".encode()
        await write_file(self._folder / VERSION, _pieces(version))
        await write_file(self._folder / MANIFEST, _pieces(image.root.data))
        sync_folder(self._folder, whose=Whose.OUTPUT)
        done.documents.append(image.root)
        return done

    async def _bytes(
        self, blob: Descriptor, planned: Shipment, image: SentImage
    ) -> AsyncIterator[bytes]:
        embedded = planned.embedded.get(blob.digest)
        if embedded is not None:
            yield embedded
            return
        async with image.source.open(blob) as reader:
            async for chunk in reader.chunks(0):
                yield chunk
                self._progress.advance(str(blob.digest), len(chunk))

    def _empty(self) -> None:
        """Make the folder, or remove the image that it holds."""
        name = printable(str(self._folder))
        try:
            make_folder(self._folder, whose=Whose.OUTPUT)
        except FileNotFoundError:
            raise no_folder(self._folder) from None
        with translated(self._folder, whose=Whose.OUTPUT), os.scandir(self._folder) as found:
            entries = {entry.name: entry for entry in found}
        if entries and VERSION not in entries:
            raise InvalidInput(
                f"cannot write into {name}: the folder has files, but no image of this kind",
                hint="give a new or empty folder, or one that holds such an image",
            )
        with translated(self._folder, whose=Whose.OUTPUT):
            # Without its manifest, the folder holds no image.
            for one in sorted(entries, key=lambda one: one != MANIFEST):
                if not entries[one].is_file(follow_symlinks=False):
                    raise InvalidInput(
                        f"cannot write into {name}: {printable(one)} in it is not a file",
                        hint="give a new or empty folder",
                    )
                (self._folder / one).unlink()


def file_name(digest: Digest) -> str:
    """Return the name of a blob's file. Only algorithms other than sha256 are in the name."""
    return digest.hex if digest.algorithm == "sha256" else f"{digest.algorithm}-{digest.hex}"


def _has_other_algorithm(planned: Shipment) -> bool:
    digests = (*planned.blobs, *(one.digest for one in planned.documents))
    return any(digest.algorithm != "sha256" for digest in digests)


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data
