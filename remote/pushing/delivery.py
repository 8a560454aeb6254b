"""The delivery of images to repositories: what a repository lacks is mounted there, or sent.

A repository is asked first for every blob, manifest and tag. A manifest in a repository does not
prove that its blobs are there: a mirror may hold manifests whose blobs nobody has asked for.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, final

from remote.errors import FalseAnswer
from remote.pushing.listings import add_referrers, descriptor_of
from remote.pushing.parallel import in_parallel
from remote.pushing.report import Delivered, Outcome, Survey
from remote.registry.values import Tag
from store.errors import NotFound
from store.model.digests import Digest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
    from typing import Any

    from remote.pushing.report import Listener
    from remote.pushing.shipment import Shipment
    from remote.pushing.sources import BlobReader, BlobSource
    from remote.registry.repository import Repository
    from remote.registry.values import ManifestReference
    from store.formats.image.manifests import Document
    from store.model.digests import Descriptor
    from store.model.progress import Progress

QUESTIONS: Final = 16
"""How many questions a registry is asked at once for one image. They have no body."""

_MOUNTS: Final = 2
"""From how many repositories the mount of one blob is tried."""


@final
class Delivery:
    """Deliveries of images, which share what they have learned about repositories.

    Several deliveries may run at once.

    Args:
        jobs: How many blobs are sent at once.
        progress: Receives the progress of each blob that is sent.
        listener: Is told about each blob and tag.
    """

    def __init__(self, *, jobs: int, progress: Progress, listener: Listener) -> None:
        self._jobs = jobs
        self._progress = progress
        self._listener = listener
        self._slots = asyncio.Semaphore(jobs)
        self._total_bytes = 0
        self._placed: dict[tuple[str, Digest], dict[str, None]] = {}
        self._turns: dict[tuple[str, Digest], asyncio.Lock] = {}
        self._seen_tags: dict[tuple[str, str, str], Digest | None] = {}

    def note_tag(self, repository: Repository, tag: str, digest: Digest | None) -> None:
        """Remember what a repository has just said about a tag, so that it is not asked again.

        Args:
            repository: The repository.
            tag: The tag.
            digest: The digest that the tag has there; None if the repository does not have the tag.
        """
        self._seen_tags[repository.registry, repository.name, tag] = digest

    async def survey(self, shipment: Shipment, repository: Repository) -> Survey:
        """Ask a repository what it lacks. Nothing is changed.

        Args:
            shipment: The content that it should have.
            repository: The repository.

        Raises:
            RegistryError: The registry cannot be asked.
        """
        missing: set[Digest] = set()
        absent: set[Digest] = set()
        moved: set[str] = set()

        async def ask_blob(blob: Descriptor) -> None:
            if self._is_placed(repository, blob.digest):
                return
            size_bytes = await repository.blob_size(blob.digest)
            if size_bytes is None:
                missing.add(blob.digest)
            elif size_bytes != blob.size_bytes:
                raise FalseAnswer(
                    f"{repository.registry}/{repository.name} says that {blob.digest} has"
                    f" {size_bytes} bytes: it has {blob.size_bytes} bytes",
                    registry=repository.registry,
                    repository=repository.name,
                )
            else:
                self._place(repository, blob.digest)

        async def ask_document(document: Document) -> None:
            if await _resolved(repository, document.digest) is None:
                absent.add(document.digest)

        async def ask_tag(tag: str, document: Document) -> None:
            key = (repository.registry, repository.name, tag)
            if key in self._seen_tags:
                digest = self._seen_tags.pop(key)
            else:
                digest = await _resolved(repository, Tag(tag))
            if not _is_digest_of(digest, document):
                moved.add(tag)

        only_tagged = _only_tagged(shipment)
        questions: Iterator[Callable[[], Awaitable[None]]] = chain(
            (partial(ask_tag, tag, document) for tag, document in shipment.tags.items()),
            (partial(ask_blob, blob) for blob in shipment.blobs.values()),
            (
                partial(ask_document, document)
                for document in shipment.documents
                if document.digest not in only_tagged
            ),
        )
        await in_parallel(questions, _ask, workers=QUESTIONS)
        return Survey(
            tuple(blob for digest, blob in shipment.blobs.items() if digest in missing),
            tuple(blob for digest, blob in shipment.blobs.items() if digest not in missing),
            frozenset(absent),
            tuple(tag for tag in shipment.tags if tag in moved),
            shipment.tags,
            shipment.notes,
        )

    async def deliver(
        self, shipment: Shipment, source: BlobSource, repository: Repository
    ) -> Delivered:
        """Make a repository have an image: its blobs, then its documents, then its tags.

        Args:
            shipment: The content to send.
            source: The bytes of the blobs.
            repository: The receiver.

        Returns:
            What was sent.

        Raises:
            RegistryError: The registry refuses the image, or cannot be reached.
            StoreError: Bytes of a blob are missing or wrong. No tag was moved.
        """
        survey = await self.survey(shipment, repository)
        await source.require([one for one in survey.missing if one.digest not in shipment.embedded])
        for blob in survey.held:
            self._listener.blob(blob, Outcome.HELD)
        self._total_bytes += sum(blob.size_bytes for blob in survey.missing)
        self._progress.total(self._total_bytes)
        done = Delivered(held=survey.held, notes=shipment.notes)

        async def place(blob: Descriptor) -> None:
            await self._place_blob(blob, shipment, source, repository, done)

        # The largest blob first: otherwise it might be sent alone at the end.
        await in_parallel(
            sorted(survey.missing, key=lambda blob: blob.size_bytes, reverse=True),
            place,
            workers=self._jobs,
        )
        entries = await self._put_documents(shipment, survey, repository, done)
        for subject, listed in entries.items():
            await add_referrers(repository, subject, listed)
        done.listed = tuple(entries)
        await self._put_tags(shipment, survey, repository, done)
        return done

    async def _place_blob(
        self,
        blob: Descriptor,
        shipment: Shipment,
        source: BlobSource,
        repository: Repository,
        done: Delivered,
    ) -> None:
        """Mount a blob from another repository, or send it."""
        # A second repository of the registry waits until the first one has the blob, and mounts it.
        async with self._turns.setdefault((repository.registry, blob.digest), asyncio.Lock()):
            if self._is_placed(repository, blob.digest):
                return
            origins = [*self._placed.get((repository.registry, blob.digest), ())]
            origins += source.origins(blob.digest, repository.registry)
            for origin in islice(dict.fromkeys(origins), _MOUNTS):
                if origin != repository.name and await repository.mount(blob.digest, origin):
                    done.mounted[blob] = origin
                    self._place(repository, blob.digest)
                    self._listener.blob(blob, Outcome.MOUNTED, origin)
                    self._total_bytes -= blob.size_bytes
                    self._progress.total(self._total_bytes)
                    return
            async with self._slots:
                await self._send(blob, shipment, source, repository)
            done.sent.append(blob)
            self._place(repository, blob.digest)
            self._listener.blob(blob, Outcome.SENT)

    async def _send(
        self, blob: Descriptor, shipment: Shipment, source: BlobSource, repository: Repository
    ) -> None:
        key = f"{repository.registry}/{repository.name}@{blob.digest}"
        self._progress.start(key, blob.digest.short, blob.size_bytes)
        embedded = shipment.embedded.get(blob.digest)
        if embedded is not None:
            await repository.send_blob(blob, lambda offset: _pieces(embedded[offset:]))
        else:
            async with source.open(blob) as reader:
                await repository.send_blob(blob, _Counted(reader, self._progress, key).chunks)
        self._progress.finish(key)

    async def _put_documents(
        self, shipment: Shipment, survey: Survey, repository: Repository, done: Delivered
    ) -> dict[Digest, tuple[Mapping[str, Any], ...]]:
        """Send the documents; return the referrers that the registry does not list by itself."""
        entries: dict[Digest, tuple[Mapping[str, Any], ...]] = {}
        acknowledged: set[str] = set()

        async def put(document: Document) -> None:
            # Whether the registry lists a referrer is known only from its answer to this request.
            if document.digest not in survey.absent and document.subject is None:
                return
            answer = await _put(repository, document.digest, document)
            if document.digest in survey.absent:
                done.documents.append(document)
            if document.subject is None:
                return
            if answer == document.subject.digest:
                acknowledged.add(str(document.digest))
            else:
                known = entries.get(document.subject.digest, ())
                entries[document.subject.digest] = (*known, descriptor_of(document))

        only_tagged = _only_tagged(shipment)
        for level in shipment.levels:
            await in_parallel(
                (one for one in level if one.digest not in only_tagged), put, workers=self._jobs
            )
        for subject, listed in shipment.listings.items():
            more = tuple(one for one in listed if str(one.get("digest")) not in acknowledged)
            if more:
                entries[subject] = (*more, *entries.get(subject, ()))
        return entries

    async def _put_tags(
        self, shipment: Shipment, survey: Survey, repository: Repository, done: Delivered
    ) -> None:
        for tag, document in shipment.tags.items():
            if tag in survey.moved_tags:
                await _put(repository, Tag(tag), document)
                done.moved_tags.append(tag)
            done.tags[tag] = document
            self._listener.tag(tag, document)

    def _is_placed(self, repository: Repository, digest: Digest) -> bool:
        return repository.name in self._placed.get((repository.registry, digest), ())

    def _place(self, repository: Repository, digest: Digest) -> None:
        self._placed.setdefault((repository.registry, digest), {})[repository.name] = None


async def _ask(question: Callable[[], Awaitable[None]]) -> None:
    await question()


def _only_tagged(shipment: Shipment) -> set[Digest]:
    """Return the documents that need no request of their own, because that of a tag sends them."""
    needed = {link.digest for one in shipment.documents for link in one.children} | {
        one.subject.digest for one in shipment.documents if one.subject is not None
    }
    return {
        document.digest
        for document in shipment.tags.values()
        # A registry computes the digest of a tagged manifest with its own algorithm.
        if document.digest not in needed
        and document.subject is None
        and document.digest.algorithm == "sha256"
    }


async def _resolved(repository: Repository, reference: ManifestReference) -> Digest | None:
    """Return the digest of a manifest in a repository; None if it does not have the manifest."""
    try:
        return (await repository.resolve(reference)).digest
    except NotFound:
        return None


def _is_digest_of(digest: Digest | None, document: Document) -> bool:
    return digest is not None and (
        digest == document.digest or digest == Digest.of(document.data, digest.algorithm)
    )


async def _put(
    repository: Repository, reference: ManifestReference, document: Document
) -> Digest | None:
    """Send a document; return the subject that the registry lists it for.

    Raises:
        FalseAnswer: The registry says that the document has another digest.
    """
    answer = await repository.put_manifest(reference, document.data, document.media_type)
    if not _is_digest_of(answer.digest, document):
        raise FalseAnswer(
            f"{repository.registry}/{repository.name} stored {reference} as {answer.digest}:"
            f" its digest is {document.digest}",
            registry=repository.registry,
            repository=repository.name,
        )
    return answer.subject


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data


@final
@dataclass(slots=True)
class _Counted:
    """The bytes of a blob, and reports of each byte when it is read first."""

    reader: BlobReader
    progress: Progress
    key: str
    seen: int = field(default=0)

    async def chunks(self, offset: int) -> AsyncIterator[bytes]:
        position = offset
        async for chunk in self.reader.chunks(offset):
            yield chunk
            position += len(chunk)
            if position > self.seen:
                self.progress.advance(self.key, position - self.seen)
                self.seen = position
