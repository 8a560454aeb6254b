"""An image in a layout or a ``dir:`` folder, as the source of a copy from the folder's files.

The documents are read as an import reads them, and nothing is stored.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NoReturn, final

from remote.copying.fetched_image import fetch_image
from remote.copying.image_repository import FileBytes
from remote.opening import open_in_thread
from remote.registry.values import ManifestDocument
from store.errors import ContentMissing, ImageNotFound, InvalidInput, StoreError, printable
from store.files.os_errors import Whose, translated
from store.formats.archives.layout_documents import dir_blob_paths, oci_blob_paths
from store.formats.archives.selection import Choice as ImportChoice
from store.formats.image.layout_names import INDEX
from store.formats.image.manifests import Kind
from store.importing.members.folder import FolderMembers
from store.model.digests import Digest
from store.model.limits import DEFAULT_LIMITS
from store.previews.reading import read_claim

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from remote.pushing.choice import Choice
    from remote.pushing.image import SentImage
    from remote.registry.values import ManifestReference
    from store.formats.archives.claims import ArchiveClaim
    from store.formats.image.manifests import Document, Link
    from store.model.digests import Descriptor

logger = logging.getLogger(__name__)


def folder_image(
    path: Path, selections: Sequence[tuple[str, ...]], choice: Choice
) -> SentImage | None:
    """Return the image of a layout or a ``dir:`` folder.

    Args:
        path: The folder.
        selections: The patterns that choose the image, as in
            `store.formats.archives.selection.Choice`; the first ones that choose one are used.
        choice: What of the image is sent.

    Returns:
        The image; None if the folder has to be imported, because it is not valid, has no manifest
        of the image, or lacks a document of it, or because referrers are wanted, whose tags an
        import derives.
    """
    if choice.referrers or not path.is_dir():
        return None
    for selection in selections:
        only = ImportChoice(images=selection)
        try:
            with read_claim(path, DEFAULT_LIMITS, only, _no_file) as read:
                root = _only_root(read.claim, choice)
                if root is None or not isinstance(read.members, FolderMembers):
                    return None
                documents = read.claim.graph.documents
                repository = LayoutRepository(path, read.members, documents)
            return asyncio.run(fetch_image(repository, root, choice))
        except StoreError as error:
            # The import that follows reports it.
            logger.debug("cannot copy from the files of %s: %s", path, error.message)
    return None


def _only_root(claim: ArchiveClaim, choice: Choice) -> Digest | None:
    """Return the only document that the selection chose; None if an import has to decide."""
    graph = claim.graph
    if len(graph.roots) != 1 or graph.faults or claim.broken:
        return None
    if any(not image.described for image in claim.images):
        return None
    root = graph.roots[0].digest
    if choice.platforms and graph.documents[root].kind is not Kind.INDEX:
        # Only the config says for which platform the image is.
        return None
    return root


def _no_file() -> NoReturn:
    raise InvalidInput("a folder needs no file of its own")


@final
class LayoutRepository:
    """The images of a folder; implements `remote.copying.image_repository.ImageRepository`.

    Args:
        path: The folder.
        members: Its files.
        documents: Its documents, by digest.
    """

    def __init__(
        self, path: Path, members: FolderMembers, documents: Mapping[Digest, Document]
    ) -> None:
        self.registry = printable(str(path))
        self.name = ""
        self._members = members
        self._documents = documents
        self._paths = (oci_blob_paths if members.exists(INDEX) else dir_blob_paths)(members)

    def __str__(self) -> str:
        return self.registry

    async def manifest(self, reference: ManifestReference) -> ManifestDocument:
        """Return a manifest or index.

        Raises:
            ImageNotFound: The folder does not have it.
        """
        found = self._documents.get(reference) if isinstance(reference, Digest) else None
        if found is None:
            raise ImageNotFound(f"cannot find {reference} in {self}")
        return ManifestDocument(found.data, found)

    async def referrers(self, digest: Digest) -> AsyncIterator[Link]:
        """Yield nothing: images whose referrers are wanted are imported."""
        del digest
        none: tuple[Link, ...] = ()
        for link in none:
            yield link

    @asynccontextmanager
    async def open_blob(
        self, descriptor: Descriptor, *, offset: int = 0
    ) -> AsyncIterator[FileBytes]:
        """Open the file of a blob.

        Raises:
            ContentMissing: The file is absent.
            DigestMismatch: The file has another size.
        """
        file = await open_in_thread(lambda: self._open(descriptor))
        with file:
            yield FileBytes(file, offset, str(descriptor.digest))

    def _open(self, descriptor: Descriptor) -> BinaryIO:
        found = self._paths.find_checked(descriptor, str(self))
        if found is None:
            raise ContentMissing(
                f"cannot read {descriptor.digest} of {self}: the file is absent",
                digest=descriptor.digest,
            )
        path = self._members.location(found)
        with translated(path, whose=Whose.INPUT):
            return path.open("rb", buffering=0)
