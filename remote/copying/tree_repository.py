"""A repository in the files of a registry, as the source of a copy."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, final

from remote.copying.image_repository import FileBytes
from remote.registry.values import ManifestDocument, Tag
from store.errors import ContentMissing, ImageNotFound, InvalidReference, printable
from store.formats.image.manifests import Document, Link, Role
from store.model.digests import Descriptor, Digest
from store.registry_tree.disk import Tree
from store.registry_tree.findings import Findings
from store.registry_tree.graph import read_graph, read_manifest
from store.registry_tree.repositories import read_links
from store.registry_tree.selection import Wanted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from remote.names import RegistryTree
    from remote.registry.values import ManifestReference
    from store.registry_tree.graph import RepositoryGraph


@contextmanager
def opened_tree(location: RegistryTree) -> Iterator[tuple[TreeRepository, ManifestReference]]:
    """Open the repository of one image in the files of a registry.

    Args:
        location: The place, with the name of a repository; without a tag, it is the tag latest.

    Yields:
        The repository, and the tag or digest of the image.

    Raises:
        InvalidReference: The place names no repository.
        StoreError: The files cannot be read.
    """
    if location.name is None:
        raise InvalidReference(
            f"invalid image name {printable(str(location))!r}: it names no image",
            text=str(location),
            hint="expected registry-tree:DIR:NAME[:TAG]; an import reads all images",
        )
    wanted = Wanted.parse(location.name)
    with Tree(location.path) as tree:
        yield TreeRepository(tree, wanted.repository), wanted.digest or Tag(wanted.tag or "latest")


@final
class TreeRepository:
    """A repository; implements `remote.copying.image_repository.ImageRepository`.

    Args:
        tree: The files of the registry.
        name: The name of the repository.

    Raises:
        ImageNotFound: There is no such repository.
        Unavailable: The files cannot be read.
    """

    def __init__(self, tree: Tree, name: str) -> None:
        self.registry = f"registry-tree:{tree.path}"
        self.name = name
        self._tree = tree
        self._findings = Findings(tree.limits.findings)
        self._links = read_links(tree, name, self._findings)
        self._graph: RepositoryGraph | None = None
        if not self._links.tags and not self._links.revisions:
            raise ImageNotFound(f"{printable(self.registry)} has no repository {name}")

    def __str__(self) -> str:
        return f"{self.registry}:{self.name}"

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags, in the order of their names."""
        return tuple(sorted(self._links.tags))

    async def manifest(self, reference: ManifestReference) -> ManifestDocument:
        """Return a manifest or index.

        Raises:
            ImageNotFound: There is no such tag, or no such manifest.
            InvalidInput: The file has another digest, or is not a manifest.
        """
        digest: Digest | None
        if isinstance(reference, Digest):
            digest, shown = reference, f"{self}@{reference}"
        else:
            digest, shown = self._links.tags.get(str(reference)), f"{self}:{reference}"
        data = None
        if digest is not None:
            data = await asyncio.to_thread(read_manifest, self._tree, digest)
        if digest is None or data is None:
            reason = "" if digest is None else f": the file of {digest} is absent"
            raise ImageNotFound(f"cannot find {printable(shown)}{reason}")
        return ManifestDocument(data, Document.parse(data, digest=digest))

    async def referrers(self, digest: Digest) -> AsyncIterator[Link]:
        """Yield the usable manifests that refer to a manifest."""
        if self._graph is None:
            self._graph = await asyncio.to_thread(
                read_graph, self._tree, self._links, self._findings
            )
        for node in self._graph.nodes.values():
            if node.subject == digest and node.is_usable:
                target = Descriptor(node.media_type, node.digest, node.size_bytes)
                yield Link(Role.CHILD, 0, target)

    @asynccontextmanager
    async def open_blob(
        self, descriptor: Descriptor, *, offset: int = 0
    ) -> AsyncIterator[FileBytes]:
        """Open the file of a blob.

        Raises:
            ContentMissing: The file is absent, or has another size.
        """
        digest = descriptor.digest
        file = await asyncio.to_thread(self._tree.open_blob, digest)
        size = None if file is None else os.fstat(file.fileno()).st_size
        if file is None or size != descriptor.size_bytes:
            if file is not None:
                file.close()
            raise ContentMissing(
                f"cannot read {digest} of {printable(str(self))}: the file"
                + (" is absent" if size is None else f" has {size} bytes"),
                digest=digest,
            )
        with file:
            yield FileBytes(file, offset, str(digest))
