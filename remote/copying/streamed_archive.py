"""Archives that are sent as a stream: their sizes are known, and their blobs come from a source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.output.tar_stream import headers
from exporter.planning import layout
from exporter.planning.plan import END, EntryType, Plan, padded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from exporter.planning.plan import Entry
    from remote.pushing.shipment import Shipment
    from remote.pushing.sources import BlobSource
    from store.model.digests import Descriptor, Digest
    from store.model.progress import Progress


def layout_plan(shipment: Shipment, index: bytes) -> Plan:
    """Return the entries of an archive of an image layout. Those of blobs have no source.

    Args:
        shipment: The content of the archive.
        index: The bytes of its ``index.json``.
    """
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


async def stream_archive(
    plan: Plan,
    blobs: Mapping[str, Descriptor],
    source: BlobSource,
    write: Callable[[bytes], Awaitable[None]],
    progress: Progress,
) -> None:
    """Write an archive from its start to its end.

    Args:
        plan: The entries.
        blobs: The blobs whose bytes come from ``source``, by the path of their entry.
        source: The bytes of the blobs.
        write: Writes bytes.
        progress: Receives the progress of each blob.

    Raises:
        StoreError: Bytes of a blob are missing or wrong, or they cannot be written.
    """
    for entry in plan.entries:
        await write(b"".join(headers(entry, plan.owner)))
        blob = blobs.get(entry.path)
        if blob is not None:
            await _stream_blob(blob, source, write, progress)
        elif isinstance(entry.source, bytes):
            await write(entry.source)
        if entry.type is EntryType.FILE:
            await write(bytes(padded(entry.size_bytes) - entry.size_bytes))
    await write(bytes(END))


async def _stream_blob(
    blob: Descriptor,
    source: BlobSource,
    write: Callable[[bytes], Awaitable[None]],
    progress: Progress,
) -> None:
    key = str(blob.digest)
    progress.start(key, blob.digest.short, blob.size_bytes)
    async with source.open(blob) as reader:
        async for chunk in reader.chunks(0):
            await write(chunk)
            progress.advance(key, len(chunk))
    progress.finish(key)
