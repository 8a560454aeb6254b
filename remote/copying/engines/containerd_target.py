"""A containerd as the receiver of an image: it is sent only the blobs that it lacks.

An import of containerd reads the contents that an archive lacks from its own store, so the archive
may leave them out. Source: containerd, images/archive/importer.go and import.go.
"""

from __future__ import annotations

from asyncio import to_thread
from dataclasses import replace
from typing import TYPE_CHECKING, final

from exporter.planning import layout
from remote.copying.layout_target import entries_of
from remote.copying.streamed_archive import layout_plan, stream_archive
from remote.engine.connection import EngineRefused
from remote.pushing.report import Delivered, Outcome, Survey
from store.formats.image.layout_names import CONTAINERD_NAME, REF_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.planning.plan import Plan
    from remote.engine.containerd import Containerd
    from remote.pushing.image import SentImage
    from remote.pushing.report import Listener
    from remote.pushing.shipment import Shipment
    from store.model.digests import Descriptor
    from store.model.progress import Progress
    from store.model.references import Reference


@final
class ContainerdTarget:
    """A containerd that receives an image under a name; implements `Receiver`.

    Args:
        containerd: The containerd.
        reference: The name of the image there, with a tag.
        progress: Receives the progress of each blob.
        listener: Is told about each blob.
    """

    def __init__(
        self,
        containerd: Containerd,
        reference: Reference,
        *,
        progress: Progress,
        listener: Listener,
    ) -> None:
        self._containerd = containerd
        self._reference = reference
        self._progress = progress
        self._listener = listener

    async def survey(self, image: SentImage) -> Survey:
        """Return the blobs that containerd lacks."""
        planned = image.shipment()
        held = await to_thread(self._containerd.contents)
        named = await to_thread(self._containerd.image_digest, str(self._reference))
        name = str(self._reference)
        return Survey(
            tuple(one for one in planned.blobs.values() if str(one.digest) not in held),
            tuple(one for one in planned.blobs.values() if str(one.digest) in held),
            frozenset(),
            () if named == image.root.digest else (name,),
            {name: image.root},
        )

    async def receive(self, image: SentImage) -> Delivered:
        """Send the blobs that containerd lacks, and let it import the image.

        Raises:
            StoreError: Bytes of a blob are missing or wrong, or containerd does not take the image.
                The name of the image stands for what it stood for before.
        """
        found = await self.survey(image)
        held, missing = found.held, found.missing
        if missing or found.moved_tags:
            planned = image.shipment()
            try:
                await self._import(image, planned, missing)
            except EngineRefused:
                if not held:
                    raise
                # A content may have been removed since containerd was asked.
                held, missing = (), tuple(planned.blobs.values())
                await self._import(image, planned, missing)
        done = Delivered(held=held, notes=image.shipment().notes)
        done.sent += missing
        done.moved_tags += found.moved_tags
        done.tags |= found.tags
        for blob in held:
            self._listener.blob(blob, Outcome.HELD)
        for blob in missing:
            self._listener.blob(blob, Outcome.SENT)
        self._listener.tag(self._reference.tag or "", image.root)
        return done

    async def _import(
        self, image: SentImage, planned: Shipment, missing: Iterable[Descriptor]
    ) -> None:
        sent = {one.digest: one for one in missing}
        streamed = [one for one in sent.values() if one.digest not in planned.embedded]
        await image.source.require(streamed)
        plan = _plan(replace(planned, blobs=sent), image, self._reference)
        self._progress.total(sum(one.size_bytes for one in streamed))
        by_path = {layout.blob_path(one.digest): one for one in streamed}
        with self._containerd.importing() as importing:

            async def write(data: bytes) -> None:
                await to_thread(importing.write, data)

            await stream_archive(plan, by_path, image.source, write, self._progress)
            await to_thread(importing.finish)


def _plan(shipment: Shipment, image: SentImage, reference: Reference) -> Plan:
    """Return the entries of the archive; those of blobs have no source.

    Only the image is listed: containerd would make images of referrers as well.
    """
    root, *_ = entries_of(shipment, image.root, reference.tag)
    root["annotations"] = {CONTAINERD_NAME: str(reference), REF_NAME: reference.tag or ""}
    return layout_plan(shipment, layout.index([root]))
