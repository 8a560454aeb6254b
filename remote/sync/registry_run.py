"""The run of a sync from registry to registry: listed images are compared, and sent."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, NamedTuple, final

from remote.copying.fetched_image import fetch_image
from remote.copying.receivers import RegistryReceiver
from remote.errors import ManifestNotFound
from remote.pushing.choice import Choice
from remote.pushing.delivery import Delivery
from remote.pushing.report import NoListener
from remote.registry.values import Tag
from remote.sync.items import Step, decide, is_here
from remote.sync.listing import Answer
from remote.sync.report import Became, SyncedImage, failure
from store.errors import StoreError
from store.model.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from remote.registry.event_loop import EventLoopThread
    from remote.registry.repository import Repository
    from remote.sync.asking import Asking
    from remote.sync.items import Item
    from remote.sync.listing import Listing
    from remote.sync.memory import SyncMemory
    from remote.sync.options import SyncOptions
    from remote.sync.sources import Access, Parts
    from store.catalog.upstream.synced_tags import SyncedTag
    from store.formats.image.manifests import Document
    from store.model.digests import Digest
    from store.model.progress import Progress
    from store.model.references import Reference
    from store.workspace.workspace import Workspace

    Push = Callable[[Access, Reference], Repository]

IMAGES_AT_ONCE: Final = 6
"""How many images are sent at the same time; most of the time, a small one waits for answers."""


class _Sent(NamedTuple):
    """What was sent, or would be sent, of an image."""

    digest: Digest
    blobs: int
    size_bytes: int
    held: int
    is_new: bool
    notes: tuple[str, ...]


@final
class RegistryRun:
    """The images of one run that are sent to registries.

    Args:
        workspace: The opened store, which remembers what was seen.
        loop: Runs the requests.
        push: Returns the repository that receives an image.
        options: How the sync runs.
        asking: Asks the registries of the sources.
        memory: What the sync remembers.
        listing: What the sources name.
        progress: Receives the progress of each blob; None for no reports.
    """

    def __init__(
        self,
        workspace: Workspace,
        loop: EventLoopThread,
        push: Push,
        options: SyncOptions,
        asking: Asking,
        memory: SyncMemory,
        listing: Listing,
        progress: Progress | None,
    ) -> None:
        self._workspace = workspace
        self._loop = loop
        self._push = push
        self._options = options
        self._asking = asking
        self._memory = memory
        self._listing = listing
        self._delivery = Delivery(
            jobs=options.jobs, progress=progress or Silent(), listener=NoListener()
        )

    def images(self, items: Sequence[Item]) -> Iterator[SyncedImage]:
        """Yield what becomes of each image, in order; several are sent at the same time.

        Args:
            items: The images.
        """
        pool = ThreadPoolExecutor(IMAGES_AT_ONCE, thread_name_prefix="sync")
        try:
            waiting = [pool.submit(self._loop.run, self._image(item)) for item in items]
            for one in waiting:
                yield one.result()
                self._memory.flush_sometimes()
        except BaseException:
            self._loop.run(_cancel_requests())
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    async def _image(self, item: Item) -> SyncedImage:
        try:
            return await self._synced(item)
        except StoreError as exc:
            self._asking.note_error(exc)
            became = failure(exc)
            if became is Became.FAILED:
                self._memory.note_failure(item, self._workspace.now())
            return _outcome(item, became, error=exc)

    async def _synced(self, item: Item) -> SyncedImage:
        now = self._workspace.now()
        seen = self._memory.get(item)
        # What was sent once counts as there, until the registry is asked.
        held = seen.digest if seen is not None and seen.parts else None
        step = decide(item, seen, held, now=now, max_age=self._options.max_age)
        if step in {Step.IMMUTABLE, Step.FRESH}:
            became = Became.IMMUTABLE if step is Step.IMMUTABLE else Became.FRESH
            return _outcome(item, became, before=held, digest=held)
        receiver = self._push(item.source.place_access, item.target)
        there = await _resolved(receiver, item.target)
        answer, document = await self._answer(item, seen, is_there=there is not None)
        # An image without its index has another digest there.
        is_there = there is not None and (there == answer.digest or bool(item.parts.platforms))
        if is_there and is_here(item, seen, answer.digest) and not item.parts.has_referrers:
            self._memory.note_checked(item, answer.digest, answer.etag, now)
            return _outcome(item, Became.UNCHANGED, before=there, digest=there)
        if item.source.is_signed:
            tags = self._listing.tags.get(str(item.source.repository))
            if not await self._asking.is_signed(item.source, answer.digest, tags):
                return _outcome(item, Became.UNSIGNED, before=there)
        if item.target.tag is not None:
            self._delivery.note_tag(receiver, item.target.tag, there)
        sent = await self._send(item, answer.digest, document, receiver)
        self._memory.note_checked(item, answer.digest, answer.etag, now)
        return _outcome(
            item, Became.SENT if sent.is_new else Became.UNCHANGED, before=there, sent=sent
        )

    async def _answer(
        self, item: Item, seen: SyncedTag | None, *, is_there: bool
    ) -> tuple[Answer, Document | None]:
        """Return what the source names now, and the manifest if that was fetched to find out."""
        if item.origin.digest is not None:
            return Answer(item.origin.digest, ""), None
        known = self._listing.answers.get(item.key)
        if known is not None:
            return known, None
        tag = item.origin.tag
        assert tag is not None  # noqa: S101 - it has no digest
        if not is_there and not item.source.is_signed:
            # The manifest is needed in any case, so nothing is gained by asking for its digest.
            fetched = await self._asking.manifest(item.source, tag)
            return Answer(fetched.document.digest, fetched.etag), fetched.document
        etag = seen.etag if seen is not None and seen.digest is not None else ""
        found = await self._asking.resolution(item.source, tag, etag)
        if found is None:
            assert seen is not None  # noqa: S101 - the question had a condition
            assert seen.digest is not None  # noqa: S101 - the entity tag is that of a digest
            return Answer(seen.digest, etag), None
        return Answer(found.descriptor.digest, found.etag), None

    async def _send(
        self, item: Item, digest: Digest, document: Document | None, receiver: Repository
    ) -> _Sent:
        *_, giver = self._asking.repositories(item.source.access, item.origin)
        image = await fetch_image(giver, digest, _choice(item.parts), known=document)
        target = RegistryReceiver(
            receiver,
            self._delivery,
            tag=item.target.tag,
            digest=item.target.digest,
        )
        if self._options.is_plan:
            survey = await target.survey(image)
            return _Sent(
                image.root.digest,
                len(survey.missing),
                survey.missing_bytes,
                len(survey.held),
                not survey.is_complete,
                (*image.notes, *survey.notes),
            )
        done = await target.receive(image)
        return _Sent(
            image.root.digest,
            len(done.sent),
            done.sent_bytes,
            len(done.held) + len(done.mounted),
            bool(done.sent or done.mounted or done.documents or done.moved_tags),
            (*image.notes, *done.notes),
        )


async def _cancel_requests() -> None:
    """End all requests, and wait until they have ended."""
    requests = asyncio.all_tasks() - {asyncio.current_task()}
    for request in requests:
        request.cancel()
    await asyncio.gather(*requests, return_exceptions=True)


def _choice(parts: Parts) -> Choice:
    """Return what of an image is sent. One platform is sent without its index."""
    if parts.all_platforms:
        return Choice(referrers=parts.has_referrers)
    return Choice(parts.platforms, sparse=len(parts.platforms) > 1, referrers=parts.has_referrers)


async def _resolved(repository: Repository, name: Reference) -> Digest | None:
    """Return the digest that a name has in a repository; None if it is not there."""
    wanted = name.digest if name.digest is not None else Tag(name.tag or "latest")
    try:
        return (await repository.resolve(wanted)).digest
    except ManifestNotFound:
        return None


def _outcome(
    item: Item,
    became: Became,
    *,
    before: Digest | None = None,
    digest: Digest | None = None,
    sent: _Sent | None = None,
    error: StoreError | None = None,
) -> SyncedImage:
    place = str(item.source.place)
    if sent is None:
        return SyncedImage(became, item.origin, item.target, place, before, digest, error=error)
    return SyncedImage(
        became,
        item.origin,
        item.target,
        place,
        before,
        sent.digest,
        sent.blobs,
        sent.size_bytes,
        sent.held,
        sent.notes,
    )
