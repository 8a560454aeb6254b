"""The documents of an image in a registry, and of what refers to it: the plan of a copy.

Only documents are fetched here. A registry states every size and digest below them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from remote.copying.registry_source import RegistryBlobs
from remote.pushing.image import SentImage
from remote.pushing.parallel import in_parallel
from remote.registry.values import Tag
from store.errors import InvalidInput, NotFound, TooLarge
from store.formats.image.graph_walk import links_below, too_many_nodes
from store.formats.image.layout_names import ATTESTED
from store.formats.image.manifests import Kind
from store.formats.image.media_types import INDEXES
from store.model.digests import Digest
from store.model.limits import DEFAULT_LIMITS
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from remote.copying.image_repository import ImageRepository
    from remote.pushing.choice import Choice
    from remote.registry.values import ManifestReference
    from store.formats.image.manifests import Document, Link
    from store.model.limits import Limits

_QUESTIONS: Final = 8
"""How many documents are fetched at once."""


async def fetch_image(
    repository: ImageRepository,
    reference: ManifestReference,
    choice: Choice,
    limits: Limits = DEFAULT_LIMITS,
    *,
    known: Document | None = None,
) -> SentImage:
    """Fetch the documents of an image.

    Args:
        repository: The repository that has the image.
        reference: Its tag or digest.
        choice: What of the image is copied.
        limits: Bounds the number of documents, their bytes, and the depth of indexes.
        known: The manifest or index that the reference names, if it was fetched before.

    Raises:
        RegistryError: The registry does not have a document, or cannot be reached.
        InvalidInput: A document is invalid, or an index has no image for a platform.
        TooLarge: There are more documents than the limits allow.
    """
    fetching = _Fetching(repository, limits)
    name = f"{repository}{'@' if isinstance(reference, Digest) else ':'}{reference}"
    found = known or (await repository.manifest(reference)).document
    root = found
    fetching.admit(root)
    if choice.platforms and root.kind is Kind.INDEX:
        root = await _chosen(fetching, root, choice, name)
    else:
        await fetching.descend([root], lambda _: True)
    documents = dict(fetching.documents)
    if root is not found:
        # Only the chosen image is copied, and not the indexes that lead to it.
        documents = {root.digest: root}
    referrers = _Referrers(fetching, documents)
    if choice.referrers:
        await referrers.add()
    return SentImage(name, root, documents, referrers.tags, RegistryBlobs(repository))


@final
class _Fetching:
    """Documents that are fetched from one repository, each once."""

    def __init__(self, repository: ImageRepository, limits: Limits) -> None:
        self.repository = repository
        self.documents: dict[Digest, Document] = {}
        self._limits = limits
        self._bytes = 0

    def admit(self, document: Document) -> None:
        """Keep a document in memory.

        Raises:
            TooLarge: The documents are more, or larger, than the limits allow.
        """
        if document.digest in self.documents:
            return
        self.documents[document.digest] = document
        self._bytes += len(document.data)
        if len(self.documents) > self._limits.graph_nodes:
            raise too_many_nodes(self._limits)
        if self._bytes > self._limits.documents_bytes:
            raise TooLarge(
                f"the manifests below one image have more than {self._limits.documents_bytes}"
                " bytes together",
                limit=self._limits.documents_bytes,
            )

    async def descend(self, roots: Iterable[Document], wanted: Callable[[Link], bool]) -> None:
        """Fetch the documents below others, a level at a time.

        Args:
            roots: The indexes to begin with; they have been fetched.
            wanted: Whether to fetch the target of a link.
        """
        level = list(roots)
        depth = 1
        while level:
            depth += 1
            links = {
                link.digest: link
                for document in level
                for link in document.children
                if link.is_document and link.digest not in self.documents and wanted(link)
            }
            if links and depth > self._limits.graph_depth:
                raise TooLarge(
                    f"indexes are nested more than {self._limits.graph_depth} levels deep",
                    limit=self._limits.graph_depth,
                )
            if len(self.documents) + len(links) > self._limits.graph_nodes:
                raise too_many_nodes(self._limits)
            await in_parallel(links.values(), self._fetch, workers=_QUESTIONS)
            level = [self.documents[digest] for digest in links]

    async def _fetch(self, link: Link) -> None:
        self.admit(await self.document(link.digest, link.target.media_type))

    async def document(self, digest: Digest, media_type: str = "") -> Document:
        """Fetch one document.

        Raises:
            InvalidInput: The document is not of the type that a descriptor states.
        """
        found = (await self.repository.manifest(digest)).document
        if media_type and found.media_type != media_type:
            raise InvalidInput(
                f"invalid index in {self.repository.registry}/{self.repository.name}: it lists"
                f" {digest} as {media_type}, but the manifest is of the type {found.media_type}"
            )
        return found


async def _chosen(fetching: _Fetching, index: Document, choice: Choice, name: str) -> Document:
    """Fetch the images of an index for the platforms; return the root of the copy."""
    await fetching.descend([index], _may_be_index)
    documents = fetching.documents
    images = [
        link
        for link in links_below(index, documents, lambda link: ATTESTED not in link.annotations)
        if link.is_document and link.digest not in documents
    ]
    offers = [(link, link.made_for) for link in images]
    wanted: dict[Digest, Link] = {}
    for platform in choice.platforms:
        fitting = [link for link, offer in offers if offer and platform.matches(offer)]
        if not fitting:
            stored = ", ".join(sorted({str(one) for _, one in offers if one and one.is_known}))
            raise InvalidInput(
                f"cannot copy {name} for {platform}: the index has no image for that platform",
                hint=f"choose from its platforms: {stored}" if stored else None,
                remedy=Remedy.CHOOSE_PLATFORM if stored else None,
            )
        wanted |= {link.digest: link for link in fitting[: None if choice.sparse else 1]}
    if not choice.sparse:
        (link,) = wanted.values()
        return await _admitted(fetching, link)
    about = {str(digest) for digest in wanted}

    def keep(link: Link) -> bool:
        return link.digest in wanted or link.annotations.get(ATTESTED) in about

    await fetching.descend([one for one in documents.values() if one.kind is Kind.INDEX], keep)
    return index


async def _admitted(fetching: _Fetching, link: Link) -> Document:
    document = await fetching.document(link.digest, link.target.media_type)
    fetching.admit(document)
    return document


def _may_be_index(link: Link) -> bool:
    return link.target.media_type in INDEXES or not link.target.media_type


@final
class _Referrers:
    """The direct and indirect referrers of documents, and the tags through which they are found.

    Args:
        fetching: Fetches documents.
        documents: The documents of an image; those of its referrers are added.
    """

    def __init__(self, fetching: _Fetching, documents: dict[Digest, Document]) -> None:
        self.tags: dict[str, Digest] = {}
        self._fetching = fetching
        self._documents = documents
        self._found: dict[Digest, Document] = {}

    async def add(self) -> None:
        """Add the referrers of all documents, then the referrers of these, and so on."""
        from exporter.selection.referrers import (  # noqa: PLC0415 - it loads the database
            referrer_tags,
        )

        fresh = list(self._documents)
        while fresh:
            await in_parallel(fresh, self._ask_list, workers=_QUESTIONS)
            tags = [tag for digest in fresh for tag in referrer_tags(digest)]
            await in_parallel(tags, self._ask_tag, workers=_QUESTIONS)
            before = set(self._documents)
            found, self._found = self._found, {}
            await self._fetching.descend(found.values(), lambda _: True)
            self._documents |= _reachable(found, self._fetching.documents)
            fresh = [digest for digest in self._documents if digest not in before]

    async def _ask_list(self, digest: Digest) -> None:
        async for link in self._fetching.repository.referrers(digest):
            if link.digest not in self._documents and link.digest not in self._found:
                self._keep(await self._fetching.document(link.digest))

    async def _ask_tag(self, tag: str) -> None:
        try:
            document = (await self._fetching.repository.manifest(Tag(tag))).document
        except NotFound:
            return
        self.tags[tag] = document.digest
        self._keep(document)

    def _keep(self, document: Document) -> None:
        # A registry decides how many referrers it lists.
        self._fetching.admit(document)
        self._found[document.digest] = document


def _reachable(
    roots: dict[Digest, Document], documents: dict[Digest, Document]
) -> dict[Digest, Document]:
    """Return ``roots`` and the fetched documents below them."""
    found = dict(roots)
    for root in roots.values():
        for link in links_below(root, documents, lambda link: link.digest in documents):
            found[link.digest] = documents[link.digest]
    return found
