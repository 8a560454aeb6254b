"""An OCI image layout in a folder, as the receiver of a copy.

The images that the folder already has stay. Each file is written under a temporary name, and
``index.json`` is changed under a lock on the folder.
"""

from __future__ import annotations

import os
import tempfile
from asyncio import to_thread
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

from exporter.output.atomic_file import no_folder
from exporter.planning import layout
from exporter.selection.json_documents import compact, descriptor_of, parse_editable
from remote.pushing.parallel import in_parallel
from remote.pushing.report import Delivered, Outcome, Survey
from store.errors import InvalidDocument, InvalidInput, printable
from store.files.durable import make_folder, sync_folder
from store.files.folder_lock import locked
from store.files.os_errors import Whose, translated
from store.formats.image.layout_names import INDEX, LAYOUT, REF_NAME, SUBJECT
from store.formats.image.manifests import Document, Kind

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterable

    from remote.pushing.image import SentImage
    from remote.pushing.report import Listener
    from remote.pushing.shipment import Shipment
    from remote.pushing.sources import BlobSource
    from store.model.digests import Descriptor, Digest
    from store.model.progress import Progress

_PREFIX: Final = ".storectl-"
_SUFFIX: Final = ".partial"


@final
class LayoutTarget:
    """A folder with an image layout, or a new or empty folder, which receives images.

    Args:
        folder: The folder.
        name: The name of the image in the layout's index; None for none.
        jobs: How many blobs are written at once.
        progress: Receives the progress of each blob.
        listener: Is told about each blob.
        wait_limit_s: How long to wait for another process that changes the index.
    """

    def __init__(
        self,
        folder: Path,
        name: str | None,
        *,
        jobs: int,
        progress: Progress,
        listener: Listener,
        wait_limit_s: float,
    ) -> None:
        self._folder = folder
        self._name = name
        self._jobs = jobs
        self._progress = progress
        self._listener = listener
        self._wait_limit_s = wait_limit_s

    async def survey(self, image: SentImage) -> Survey:
        """Return what the layout lacks. The folder need not exist."""
        planned = image.shipment()
        missing, held = self._missing(planned)
        absent = {one.digest for one in planned.documents if not self._path(one.digest).is_file()}
        tags = {self._name: image.root} if self._name else {}
        return Survey(missing, held, frozenset(absent), tuple(tags), tags, planned.notes)

    async def receive(self, image: SentImage) -> Delivered:
        """Write an image into the layout.

        Raises:
            InvalidInput: The folder has files that are not part of a layout, or cannot be made.
            StoreError: Bytes of a blob are missing or wrong. The index is unchanged.
        """
        self._prepare()
        planned = image.shipment()
        missing, held = self._missing(planned)
        await image.source.require([one for one in missing if one.digest not in planned.embedded])
        self._progress.total(sum(blob.size_bytes for blob in missing))
        for blob in held:
            self._listener.blob(blob, Outcome.HELD)
        done = Delivered(held=held, notes=planned.notes)

        async def write(blob: Descriptor) -> None:
            await self._write_blob(blob, planned, image.source)
            done.sent.append(blob)
            self._listener.blob(blob, Outcome.SENT)

        await in_parallel(missing, write, workers=self._jobs)
        for document in planned.documents:
            if not self._path(document.digest).is_file():
                await self._write(document.digest, _pieces(document.data))
                done.documents.append(document)
        await to_thread(self._publish, planned, image.root)
        if self._name is not None:
            done.tags[self._name] = image.root
            self._listener.tag(self._name, image.root)
        return done

    def _missing(self, planned: Shipment) -> tuple[tuple[Descriptor, ...], tuple[Descriptor, ...]]:
        """Return the blobs that the layout lacks, and those that it has."""
        missing = tuple(one for one in planned.blobs.values() if not self._has(one))
        lacking = {blob.digest for blob in missing}
        return missing, tuple(one for one in planned.blobs.values() if one.digest not in lacking)

    async def _write_blob(self, blob: Descriptor, planned: Shipment, source: BlobSource) -> None:
        key = str(blob.digest)
        self._progress.start(key, blob.digest.short, blob.size_bytes)
        embedded = planned.embedded.get(blob.digest)
        if embedded is not None:
            await self._write(blob.digest, _pieces(embedded))
        else:
            async with source.open(blob) as reader:
                await self._write(blob.digest, _counted(reader.chunks(0), self._progress, key))
        self._progress.finish(key)

    def _prepare(self) -> None:
        name = printable(str(self._folder))
        try:
            make_folder(self._folder, whose=Whose.OUTPUT)
        except FileNotFoundError:
            raise no_folder(self._folder) from None
        with translated(self._folder, whose=Whose.OUTPUT):
            present = {
                entry.name
                for entry in self._folder.iterdir()
                if not (entry.name.startswith(_PREFIX) and entry.name.endswith(_SUFFIX))
            }
        if present - {"blobs", INDEX} and LAYOUT not in present:
            raise InvalidInput(
                f"cannot write into {name}: the folder has files, but is not an image layout",
                hint="give a new or empty folder, or one with an oci-layout file",
            )

    def _path(self, digest: Digest) -> Path:
        path = self._folder / layout.blob_path(digest)
        with translated(path, whose=Whose.OUTPUT):
            root, found = Path(os.path.realpath(self._folder)), Path(os.path.realpath(path))
        if root not in found.parents:
            raise InvalidInput(
                f"cannot write {printable(str(path))}: a symbolic link leads out of the folder",
                hint="give a new or empty folder",
            )
        return path

    def _has(self, blob: Descriptor) -> bool:
        path = self._path(blob.digest)
        with translated(path, whose=Whose.OUTPUT):
            return path.is_file() and path.stat().st_size == blob.size_bytes

    async def _write(self, digest: Digest, pieces: AsyncIterable[bytes]) -> None:
        await write_file(self._path(digest), pieces)

    def _publish(self, shipment: Shipment, root: Document) -> None:
        """List the image and its referrers in ``index.json``."""
        folders = {self._folder, self._folder / "blobs"}
        folders |= {self._path(one.digest).parent for one in shipment.documents}
        folders |= {self._path(digest).parent for digest in shipment.blobs}
        for folder in sorted(folders):
            sync_folder(folder, whose=Whose.OUTPUT)
        with locked(self._folder, limit_s=self._wait_limit_s):
            if not (self._folder / LAYOUT).exists():
                _replace(self._folder / LAYOUT, layout.LAYOUT_FILE)
            path = self._folder / INDEX
            entries = entries_of(shipment, root, self._name)
            _replace(path, merged_index(_read(path), entries, str(path)))
            sync_folder(self._folder, whose=Whose.OUTPUT)


def entries_of(shipment: Shipment, root: Document, name: str | None) -> list[dict[str, Any]]:
    """Return the descriptors of an image and its referrers for the index of a layout.

    Args:
        shipment: The content of the image.
        root: The manifest or index of the image.
        name: The name of the image in the layout; None for none.
    """
    documents = {one.digest: one for one in shipment.documents}
    children = {link.digest for one in documents.values() for link in one.children}
    entries = [descriptor_of(root) | ({"annotations": {REF_NAME: name}} if name else {})]
    entries += [
        descriptor_of(document) | {"annotations": {REF_NAME: tag}}
        for tag, document in shipment.tags.items()
        if document.digest != root.digest
    ]
    tagged = {document.digest for document in shipment.tags.values()}
    for document in documents.values():
        if document.digest == root.digest or document.digest in tagged | children:
            continue
        subject = document.subject
        entries.append(
            descriptor_of(document)
            | ({} if subject is None else {"annotations": {SUBJECT: str(subject.digest)}})
        )
    return entries


def merged_index(known: bytes | None, entries: Iterable[dict[str, Any]], name: str) -> bytes:
    """Return the index of a layout with new entries. An entry of the same name is replaced.

    Args:
        known: The index so far; None if there is none.
        entries: The entries to add.
        name: The path of the index, for errors.

    Raises:
        InvalidDocument: The index so far cannot be read, or is not an index.
    """
    new = list(entries)
    if known is None:
        return layout.index(new)
    if Document.parse(known, name=printable(name)).kind is not Kind.INDEX:
        raise InvalidDocument("is not an index", document=printable(name))
    document = parse_editable(known, printable(name))
    named = {_name_of(one) for one in new} - {None}
    digests = {one["digest"] for one in new if _name_of(one) is None}
    kept = [
        one
        for one in document.get("manifests") or []
        if _name_of(one) not in named
        and not (_name_of(one) is None and one.get("digest") in digests)
    ]
    document["manifests"] = kept + new
    return compact(document)


def _name_of(entry: dict[str, Any]) -> str | None:
    name = (entry.get("annotations") or {}).get(REF_NAME)
    return None if name is None else str(name)


def _read(path: Path) -> bytes | None:
    with translated(path, whose=Whose.OUTPUT):
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None


def _replace(target: Path, data: bytes) -> None:
    with translated(target, whose=Whose.OUTPUT):
        descriptor, name = tempfile.mkstemp(prefix=_PREFIX, suffix=_SUFFIX, dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, layout.FILE_MODE)
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            Path(name).replace(target)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink(missing_ok=True)
            raise


async def write_file(target: Path, pieces: AsyncIterable[bytes]) -> None:
    """Write a file under a temporary name, sync it, and rename it.

    Args:
        target: The file.
        pieces: Its bytes. If they end with an error, no file is left.
    """
    with translated(target, whose=Whose.OUTPUT):
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=_PREFIX, suffix=_SUFFIX, dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            os.fchmod(descriptor, layout.FILE_MODE)
            async for piece in pieces:
                with translated(target, whose=Whose.OUTPUT):
                    await to_thread(_write_all, file.fileno(), piece)
            with translated(target, whose=Whose.OUTPUT):
                await to_thread(_finish, file.fileno(), temporary, target)
    except BaseException:
        _remove(temporary)
        raise


def _finish(descriptor: int, temporary: Path, target: Path) -> None:
    os.fsync(descriptor)
    temporary.replace(target)


def _remove(temporary: Path) -> None:
    with suppress(OSError):
        temporary.unlink(missing_ok=True)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _counted(
    pieces: AsyncIterable[bytes], progress: Progress, key: str
) -> AsyncIterator[bytes]:
    async for piece in pieces:
        yield piece
        progress.advance(key, len(piece))
