"""The documents of a remote image: the manifests and configs that say which blobs it consists of.

Documents that the store has are read there. The others are fetched, several at once, and only those
that were asked for: of an index, the manifests of the chosen platforms.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar, final

from remote.errors import FalseAnswer, ManifestNotFound
from remote.pulling.attachments import attached_tags
from remote.pulling.platforms import chosen, listed, offered, unmatched
from remote.registry.values import Tag
from store.errors import TooLarge
from store.formats.image.described_image import claims_image
from store.formats.image.graph_walk import too_many_nodes
from store.formats.image.manifests import Document, Kind
from store.model.digests import Descriptor, Digest
from store.model.references import Reference
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

    from remote.pulling.held import HeldContent
    from remote.pulling.options import PullOptions
    from remote.registry.repository import Repository
    from store.formats.image.manifests import Link

_T = TypeVar("_T")

_MAX_REFERRER_DEPTH: Final = 4
"""How far referrers of referrers are followed: a signature of an SBOM of an image is the third."""


@final
@dataclass(frozen=True, slots=True)
class PulledRoot:
    """A manifest or index that a pull names, or a referrer.

    Attributes:
        descriptor: Its type, digest and size.
        name: The name that it gets in the store; None for a referrer.
    """

    descriptor: Descriptor
    name: Reference | None


@final
@dataclass(slots=True)
class RemoteImage:
    """The documents of an image, and the blobs that they list.

    Attributes:
        reference: The name that was asked for.
        roots: The manifest or index that was asked for, and then its referrers.
        documents: The bytes of every document, by digest.
        blobs: The descriptors of all blobs that the documents list and the registry may have.
        foreign: Blobs that state a URL elsewhere, and that the registry may lack.
        notes: Facts that the user should know.
        etag: The entity tag of the answer to a request for the tag; empty if there was none.
    """

    reference: Reference
    roots: list[PulledRoot] = field(default_factory=list)
    documents: dict[Digest, bytes] = field(default_factory=dict)
    blobs: dict[Digest, Descriptor] = field(default_factory=dict)
    foreign: dict[Digest, Descriptor] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    etag: str = ""

    @property
    def digest(self) -> Digest:
        """The digest of the manifest or index that was asked for."""
        return self.roots[0].descriptor.digest


@final
class DocumentReader:
    """A reader of the documents of one image.

    Args:
        repository: The repository of the image.
        held: The content of the store.
        options: What to pull.
    """

    def __init__(self, repository: Repository, held: HeldContent, options: PullOptions) -> None:
        self._repository = repository
        self._held = held
        self._options = options
        self._limits = options.limits
        self._slots = asyncio.Semaphore(options.jobs)
        self._parsed: dict[Digest, Document] = {}
        self._pulled: dict[Digest, None] = {}
        self._bytes = 0

    async def read(self, reference: Reference) -> RemoteImage:
        """Return the documents of an image.

        Args:
            reference: The name of the image, with a tag or a digest.

        Raises:
            ManifestNotFound: The registry does not have the image, or not for a wanted platform.
            TooLarge: The documents exceed a ceiling.
            StoreError: The registry cannot be asked, or a document is invalid.
        """
        image = RemoteImage(reference)
        root, image.etag = await self._root(reference)
        # As docker does: a name with a digest means the digest, and its tag is not set.
        name = (
            reference
            if reference.digest is None
            else Reference(reference.repository, digest=reference.digest)
        )
        image.roots.append(PulledRoot(_descriptor(root), name))
        await self._walk(image, root)
        if self._options.has_referrers:
            await self._attachments(image)
        await self._foreign(image)
        return image

    async def _root(self, reference: Reference) -> tuple[Document, str]:
        asked = self._options.asked.get(reference, reference.digest)
        if isinstance(asked, Digest):
            return await self._document(asked), ""
        tag = asked
        if tag is None:
            assert reference.tag is not None  # noqa: S101 - the caller has added the default tag
            tag = Tag(reference.tag)
        if self._held.tag(reference) is None:
            fetched = await self._repository.manifest(tag)
            return self._admitted(fetched.document), fetched.etag
        # Usually the tag has not moved, and then this request is the only one.
        found = await self._repository.resolve(tag)
        return await self._document(found.digest, found.media_type), ""

    async def _walk(self, image: RemoteImage, top: Document) -> None:
        """Read everything below a document, a level at a time."""
        if top.digest in image.documents:
            return
        level: list[tuple[Document, bool]] = [(top, True)]
        for _ in range(self._limits.graph_depth):
            if not level:
                return
            links: dict[Digest, tuple[Link, bool]] = {}
            for document, is_chosen in level:
                image.documents[document.digest] = document.data
                if is_chosen:
                    self._pulled[document.digest] = None
                self._list_blobs(image, document)
                for link, is_wanted in self._below(image, document, is_chosen=is_chosen):
                    if link.digest not in image.documents:
                        known = links.get(link.digest)
                        links[link.digest] = (link, is_wanted or (known is not None and known[1]))
            if len(image.documents) + len(links) > self._limits.graph_nodes:
                raise too_many_nodes(self._limits)
            await self._configs(image, [document for document, is_chosen in level if is_chosen])
            found = await _all(
                self._child(link, is_wanted=wanted) for link, wanted in links.values()
            )
            level = [
                (document, wanted)
                for document, (_, wanted) in zip(found, links.values(), strict=True)
                if document is not None
            ]
        raise TooLarge(
            f"indexes are nested more than {self._limits.graph_depth} levels deep",
            limit=self._limits.graph_depth,
        )

    def _below(
        self, image: RemoteImage, document: Document, *, is_chosen: bool
    ) -> Iterable[tuple[Link, bool]]:
        """Return the links to documents below a document, and whether each is wanted.

        What is not wanted is looked up in the store only: a sparse index is completed there.
        """
        if document.kind is not Kind.INDEX:
            return []
        options = self._options
        missing = unmatched(document, options) if is_chosen else ()
        if missing:
            raise ManifestNotFound(
                f"cannot pull {image.reference.familiar}: it has no image for the platform"
                f" {listed(missing)}",
                registry=self._repository.registry,
                repository=self._repository.name,
                hint=f"choose from {listed(offered(document))}",
                remedy=Remedy.CHOOSE_PLATFORM,
            )
        wanted = {id(link) for link in chosen(document, options)} if is_chosen else set()
        for link in document.children:
            # Content of any kind may be listed beside manifests.
            if not link.is_document and id(link) in wanted and link.data is None:
                image.blobs.setdefault(link.digest, link.target)
        return [(link, id(link) in wanted) for link in document.children if link.is_document]

    async def _child(self, link: Link, *, is_wanted: bool) -> Document | None:
        if not is_wanted:
            return self._stored(link.digest, link.target.media_type)
        return await self._document(link.digest, link.target.media_type, link.target.size_bytes)

    def _list_blobs(self, image: RemoteImage, document: Document) -> None:
        if document.kind is Kind.INDEX:
            return
        for link in document.links:
            if link.data is None:
                (image.foreign if link.urls else image.blobs).setdefault(link.digest, link.target)

    async def _configs(self, image: RemoteImage, documents: Iterable[Document]) -> None:
        """Read the configs of images, which say what the layers are."""
        wanted = {
            link.digest: link.target
            for document in documents
            if claims_image(document)
            and (link := document.config) is not None
            and link.data is None
            and not link.urls
            and link.target.size_bytes <= self._limits.inline_bytes
        }
        found = await _all(
            self._config(target)
            for target in wanted.values()
            if target.digest not in image.documents
        )
        for digest, data in found:
            image.documents[digest] = data

    async def _config(self, target: Descriptor) -> tuple[Digest, bytes]:
        stored = self._held.document(target.digest)
        if stored is not None and len(stored) == target.size_bytes:
            self._count(len(stored))
            return target.digest, stored
        self._count(target.size_bytes)
        data = bytearray()
        async with self._slots, self._repository.open_blob(target) as body:
            async for chunk in body:
                data += chunk
                if len(data) > target.size_bytes:
                    break
        got = Digest.of(bytes(data), target.digest.algorithm)
        if got != target.digest:
            raise self._false(
                f"the config {target.digest} has"
                + (
                    f" the digest {got}"
                    if len(data) == target.size_bytes
                    else f" not the {target.size_bytes} bytes that its manifest states"
                )
            )
        return target.digest, bytes(data)

    # --- documents --------------------------------------------------------------------------------

    async def _document(
        self, digest: Digest, media_type: str = "", size_bytes: int | None = None
    ) -> Document:
        """Return a manifest or index, from the store or from the registry."""
        stored = self._stored(digest, media_type)
        if stored is not None:
            return stored
        async with self._slots:
            fetched = (await self._repository.manifest(digest)).document
        if size_bytes is not None and len(fetched.data) != size_bytes:
            raise self._false(
                f"the manifest {digest} has {len(fetched.data)} bytes, and its index states"
                f" {size_bytes}"
            )
        if media_type and not fetched.states_media_type:
            # The index, whose digest is checked, says what a manifest without a type is.
            fetched = Document.parse(
                fetched.data, digest=digest, media_type=media_type, limits=self._limits
            )
        return self._admitted(fetched)

    def _stored(self, digest: Digest, media_type: str = "") -> Document | None:
        if digest in self._parsed:
            return self._parsed[digest]
        data = self._held.document(digest)
        if data is None:
            return None
        return self._admitted(
            Document.parse(
                data, digest=digest, media_type=media_type, limits=self._limits, is_stored=True
            )
        )

    def _admitted(self, document: Document) -> Document:
        if document.digest not in self._parsed:
            self._count(len(document.data))
            self._parsed[document.digest] = document
        return document

    def _count(self, size_bytes: int) -> None:
        self._bytes += size_bytes
        if self._bytes > self._limits.documents_bytes:
            raise TooLarge(
                f"the manifests and configs of {self._repository.registry}/{self._repository.name}"
                f" have more than {self._limits.documents_bytes} bytes in total",
                limit=self._limits.documents_bytes,
            )

    def _false(self, fact: str) -> FalseAnswer:
        where = f"{self._repository.registry}/{self._repository.name}"
        return FalseAnswer(
            f"false content from {where}: {fact}",
            registry=self._repository.registry,
            repository=self._repository.name,
        )

    # --- what is attached -------------------------------------------------------------------------

    async def _attachments(self, image: RemoteImage) -> None:
        """Read the referrers of every document, their referrers, and cosign's tags."""
        asked: set[Digest] = set()
        for _ in range(_MAX_REFERRER_DEPTH):
            subjects = [digest for digest in self._pulled if digest not in asked]
            if not subjects:
                return
            asked.update(subjects)
            for roots in await _all(self._attached_to(image, subject) for subject in subjects):
                for root in roots:
                    if root not in image.roots:
                        image.roots.append(root)
                    await self._walk(image, self._parsed[root.descriptor.digest])

    async def _attached_to(self, image: RemoteImage, subject: Digest) -> list[PulledRoot]:
        found: list[PulledRoot] = []
        async with self._slots:
            listing = [one.target async for one in self._repository.referrers(subject)]
        for target in listing:
            document = await self._document(target.digest, target.media_type, target.size_bytes)
            if document.subject is None or document.subject.digest != subject:
                image.notes.append(
                    f"ignored {document.digest}: {self._repository.registry} lists it as a"
                    f" referrer of {subject}, and it is not"
                )
                continue
            found.append(PulledRoot(_descriptor(document), None))
        for tag in attached_tags(subject):
            try:
                async with self._slots:
                    target = await self._repository.resolve(Tag(tag))
            except ManifestNotFound:
                continue
            document = await self._document(target.digest, target.media_type)
            name = Reference(image.reference.repository, tag)
            found.append(PulledRoot(_descriptor(document), name))
        return found

    async def _foreign(self, image: RemoteImage) -> None:
        """Ask the registry for blobs that may only be elsewhere; their URLs are never fetched."""
        for digest in image.blobs:
            image.foreign.pop(digest, None)
        targets = list(image.foreign.values())
        here = self._held.present([target.digest for target in targets]) if targets else ()
        asked = [target for target in targets if target.digest not in here]
        sizes = await _all(self._size(target.digest) for target in asked)
        for target, size in zip(asked, sizes, strict=True):
            if size == target.size_bytes:
                image.blobs[target.digest] = image.foreign.pop(target.digest)

    async def _size(self, digest: Digest) -> int | None:
        async with self._slots:
            return await self._repository.blob_size(digest)


def _descriptor(document: Document) -> Descriptor:
    return Descriptor(document.media_type, document.digest, len(document.data))


async def _all(work: Iterable[Coroutine[Any, Any, _T]]) -> list[_T]:
    """Run coroutines at the same time; if one fails, end the others and raise its error."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
