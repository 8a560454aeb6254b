"""A registry as a donor of lost content (`store.repair.donors`): it is asked by digest."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from remote.errors import FalseAnswer, RegistryError
from remote.pulling.documents import DocumentReader
from remote.pulling.held import HeldContent
from remote.pulling.options import PullOptions
from remote.pulling.transfer import Traffic, Transfer, Transfers
from store.blobs.downloads import Downloads
from store.errors import InvalidInput, NotFound, printable
from store.formats.image.config import ImageConfig
from store.formats.image.described_image import claims_image
from store.formats.image.manifests import Document
from store.model.digests import Descriptor, Digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from remote.pulling.documents import RemoteImage
    from remote.registry.event_loop import EventLoopThread
    from remote.registry.repository import Repository
    from store.importing.staging import Staged, Stager
    from store.model.limits import Limits
    from store.model.progress import Progress
    from store.model.references import Reference
    from store.workspace.workspace import Workspace

logger = logging.getLogger(__name__)

_ANY: Final = "application/octet-stream"


@final
@dataclass(frozen=True, slots=True)
class RegistrySource:
    """An image in a registry whose repository may have lost content.

    It implements `store.repair.donors.DonorSource`.

    Attributes:
        name: What the user calls the image.
        reference: The image, with a tag or a digest. Its documents say which blobs hold its layers.
        repositories: The repositories to ask, mirrors first.
        loop: Runs the requests.
    """

    name: str
    reference: Reference
    repositories: Sequence[Repository]
    loop: EventLoopThread

    @contextmanager
    def open(
        self, workspace: Workspace, stager: Stager, limits: Limits, progress: Progress
    ) -> Iterator[RegistryDonor]:
        """Yield the donor; what it has downloaded stays if the block raises an exception.

        Args:
            workspace: The store that is repaired.
            stager: Stages what is downloaded.
            limits: Ceilings for documents and layers.
            progress: Receives the progress of each blob.
        """
        donor = RegistryDonor(self, workspace, stager, limits, progress)
        is_stored = False
        try:
            yield donor
            is_stored = True
        finally:
            donor.close(is_stored=is_stored)


@final
class RegistryDonor:
    """Repositories that are asked for content; implements `store.repair.donors.Donor`.

    Args:
        source: The repositories.
        workspace: The store that is repaired.
        stager: Stages what is downloaded.
        limits: Ceilings for documents and layers.
        progress: Receives the progress of each blob.
    """

    def __init__(
        self,
        source: RegistrySource,
        workspace: Workspace,
        stager: Stager,
        limits: Limits,
        progress: Progress,
    ) -> None:
        self.name = source.name
        self._source = source
        self._held = HeldContent(workspace)
        self._downloads = Downloads(workspace.root)
        self._stager = stager
        self._limits = limits
        self._progress = progress
        self._transfers: list[Transfer] = []
        self._staged: dict[Digest, Staged | None] = {}
        self._listed: dict[Digest, Descriptor] | None = None

    def close(self, *, is_stored: bool) -> None:
        """Release the files of the downloads.

        Args:
            is_stored: Whether the store has their bytes now; else they stay for the next run.
        """
        for transfer in self._transfers:
            transfer.close(is_stored=is_stored)

    def document(self, digest: Digest) -> bytes | None:
        """Return the bytes of a config, manifest or index; None if no repository has it."""
        for repository in self._source.repositories:
            try:
                return self._source.loop.run(repository.manifest(digest)).document.data
            except (NotFound, InvalidInput) as exc:
                self._log(exc)
        staged = self.blob(digest)
        if staged is None or staged.received.size_bytes > self._limits.json_bytes:
            return None
        path = staged.path if staged.original is None else staged.original.path
        data = path.read_bytes()
        return data if Digest.of(data, digest.algorithm) == digest else None

    def blob(self, digest: Digest) -> Staged | None:
        """Download the blob with a digest, and stage it; None if no repository has it."""
        if digest not in self._staged:
            self._staged[digest] = self._fetched(digest)
        return self._staged[digest]

    def diff(self, digest: Digest) -> Staged | None:
        """Download and stage a layer with this diff ID; None if no repository has it.

        The registry knows blobs, and not what they decode to. So the layer is looked for in the
        image that the user has named. An uncompressed layer is found in every repository.
        """
        listed = self._layers().get(digest)
        return self.blob(digest if listed is None else listed.digest)

    def _fetched(self, digest: Digest) -> Staged | None:
        for repository in self._source.repositories:
            try:
                size = self._source.loop.run(repository.blob_size(digest))
                if size is not None:
                    return self._stage(repository, Descriptor(_ANY, digest, size))
            except (NotFound, InvalidInput) as exc:
                # Another repository, or another donor, may have the right bytes.
                self._log(exc)
        return None

    def _stage(self, repository: Repository, target: Descriptor) -> Staged:
        key = str(target.digest)
        transfers = Transfers(
            repository,
            self._source.loop,
            self._held,
            self._downloads,
            threading.Semaphore(),
            threading.Event(),
            Traffic(),
        )
        transfer = Transfer(target, transfers, lambda size: self._progress.advance(key, -size))
        self._transfers.append(transfer)
        self._progress.start(key, target.digest.short, target.size_bytes)
        try:
            return transfer.stage(
                lambda pieces, download: self._stager.layer(
                    pieces,
                    key,
                    lambda size: self._progress.advance(key, size),
                    algorithm=target.digest.algorithm,
                    keep_original=True,
                    download=download,
                )
            )
        finally:
            self._progress.finish(key)

    def _layers(self) -> dict[Digest, Descriptor]:
        """Return the blobs of the image that the user has named, by their diff IDs."""
        if self._listed is None:
            image = self._image()
            self._listed = {} if image is None else _layers_of(image, self._limits)
        return self._listed

    def _image(self) -> RemoteImage | None:
        options = PullOptions(all_platforms=True, limits=self._limits)
        for repository in self._source.repositories:
            try:
                return self._source.loop.run(
                    DocumentReader(repository, self._held, options).read(self._source.reference)
                )
            except (NotFound, InvalidInput) as exc:
                # Blobs are found by their digests without it.
                self._log(exc)
        return None

    def _log(self, error: RegistryError | NotFound | InvalidInput) -> None:
        level = logging.WARNING if isinstance(error, FalseAnswer) else logging.INFO
        logger.log(level, "%s", printable(error.message))


def _layers_of(image: RemoteImage, limits: Limits) -> dict[Digest, Descriptor]:
    """Return the blobs of all platforms of an image, by the digests of what they decode to."""
    found: dict[Digest, Descriptor] = {}
    for manifest in _manifests(image, limits):
        config = manifest.config
        data = None if config is None else image.documents.get(config.digest)
        if data is None:
            continue
        try:
            diff_ids = ImageConfig.parse(data, limits).diff_ids
        except InvalidInput as exc:
            logger.info("ignoring a config: %s", printable(exc.message))
            continue
        # A manifest with more or fewer layers than its config names none of them for certain.
        if len(diff_ids) == len(manifest.layers):
            for diff_id, layer in zip(diff_ids, manifest.layers, strict=True):
                found[diff_id.digest] = layer.target
    return found


def _manifests(image: RemoteImage, limits: Limits) -> Iterator[Document]:
    """Yield the manifests of images, each once."""
    waiting = {root.descriptor.digest: root.descriptor.media_type for root in image.roots}
    seen: set[Digest] = set()
    while waiting:
        digest, media_type = waiting.popitem()
        data = image.documents.get(digest)
        if data is None or digest in seen:
            continue
        seen.add(digest)
        document = Document.parse(data, digest=digest, media_type=media_type, limits=limits)
        if claims_image(document):
            yield document
        waiting |= {
            link.digest: link.target.media_type for link in document.children if link.is_document
        }
