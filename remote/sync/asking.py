"""Questions of a sync to registries: tags, digests, times and signatures.

A registry whose rate limit is reached, or is about to be, is not asked again in the same run.
"""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar, final

from remote.errors import BudgetReached, ManifestNotFound, RateLimited, RegistryError
from remote.pulling.attachments import attached_tags
from remote.pulling.options import PullOptions
from remote.pulling.platforms import chosen
from remote.pushing.parallel import in_parallel
from remote.registry.values import Tag
from store.errors import NotFound, StoreError, printable
from store.formats.image.described_image import claims_image
from store.formats.image.manifests import Kind
from store.model.limits import DEFAULT_LIMITS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence

    from remote.http.budgets import Budgets
    from remote.registry.repository import Repository
    from remote.registry.values import ManifestDocument, Resolution
    from remote.sync.sources import Access, Parts, Source
    from store.formats.image.manifests import Document, Link
    from store.model.digests import Descriptor, Digest
    from store.model.platforms import Platform
    from store.model.references import Reference

Item = TypeVar("Item")
Result = TypeVar("Result")

logger = logging.getLogger(__name__)

_SIGNATURES: Final = frozenset(
    {
        "application/vnd.dev.cosign.artifact.sig.v1+json",
        "application/vnd.cncf.notary.signature",
    }
)
_BUNDLE: Final = "application/vnd.dev.sigstore.bundle."
_PREDICATE: Final = "dev.sigstore.bundle.predicateType"
_SIGNING: Final = "https://sigstore.dev/cosign/sign/v1"


async def each(
    items: Iterable[Item], work: Callable[[Item], Awaitable[Result]], *, workers: int
) -> list[Result]:
    """Return the results of a question about each of many items, in their order.

    Args:
        items: The items.
        work: Asks about an item. Its first error ends all other calls.
        workers: How many questions are asked at once. There are as many tasks, and no more.
    """
    known = list(items)
    found: dict[int, Result] = {}

    async def one(place: int) -> None:
        found[place] = await work(known[place])

    await in_parallel(range(len(known)), one, workers=workers)
    return [found[place] for place in range(len(known))]


@final
class Asking:
    """Questions about the repositories of sources.

    Attributes:
        jobs: How many questions are asked at once.

    Args:
        connect: Returns the function that returns the repositories to ask for an image.
        jobs: How many questions are asked at once.
        machine: The platform of this machine.
        budgets: Knows how many more requests registries take; None for no limit.
    """

    def __init__(
        self,
        connect: Callable[[Access], Callable[[Reference], Sequence[Repository]]],
        jobs: int,
        machine: Platform,
        budgets: Budgets | None = None,
    ) -> None:
        self._connect = connect
        self.jobs = jobs
        self._machine = machine
        self._budgets = budgets
        self._slots: asyncio.Semaphore | None = None
        self._limited: dict[str, RateLimited] = {}

    def repositories(self, access: Access, name: Reference) -> Sequence[Repository]:
        """Return the repositories to ask for an image, mirrors first.

        Raises:
            RateLimited: The registry has refused further requests in this run, or takes so few
                that they are left to others.
            StoreError: The name may not be pulled.
        """
        domain = name.repository.domain
        if domain in self._limited:
            raise self._limited[domain]
        if self._budgets is not None:
            try:
                self._budgets.check(domain)
            except BudgetReached as exc:
                self.note_error(exc)
                raise
        return self._connect(access)(name)

    def note_error(self, error: StoreError) -> None:
        """Ask a registry nothing more if an error says that its rate limit is reached."""
        if isinstance(error, RateLimited):
            self._limited.setdefault(error.registry, error)

    async def tags(self, source: Source) -> tuple[str, ...]:
        """Return all tags of the repository of a source.

        Raises:
            StoreError: They cannot be listed.
        """
        name = _any_name(source)

        async def listed(repository: Repository) -> tuple[str, ...]:
            return tuple([tag async for tag in repository.tags()])

        return await self._ask(source, name, listed)

    async def resolution(self, source: Source, tag: str, etag: str) -> Resolution | None:
        """Return what a tag names now; None if ``etag`` still holds.

        Raises:
            StoreError: The registry does not have the tag, or cannot be asked.
        """
        return await self._ask(
            source, _any_name(source), lambda one: one.resolve_if_changed(Tag(tag), etag)
        )

    async def manifest(self, source: Source, tag: str) -> ManifestDocument:
        """Return the manifest or index that a tag names now.

        Raises:
            StoreError: The registry does not have the tag, or cannot be asked.
        """
        return await self._ask(source, _any_name(source), lambda one: one.manifest(Tag(tag)))

    async def created(self, source: Source, digest: Digest, parts: Parts) -> datetime | None:
        """Return when an image was created, as its config says; None if it does not say.

        Raises:
            StoreError: The documents cannot be fetched.
        """
        options = PullOptions(
            platforms=parts.platforms[:1], all_platforms=False, machine=self._machine
        )

        async def read(repository: Repository) -> datetime | None:
            document = (await repository.manifest(digest)).document
            for _ in range(DEFAULT_LIMITS.graph_depth):
                if document.kind is not Kind.INDEX:
                    break
                link = _first_image(document, options)
                if link is None:
                    return None
                document = (await repository.manifest(link.digest)).document
            config = document.config
            if config is None or not claims_image(document):
                return _time(document.annotations.get("org.opencontainers.image.created"))
            data = config.data or await _small_blob(repository, config.target)
            return _created(data)

        return await self._ask(source, _any_name(source), read)

    async def is_signed(
        self, source: Source, digest: Digest, listed: Collection[str] | None
    ) -> bool:
        """Return whether a registry has a signature of an image: of cosign, or of notation.

        The signature is not verified.

        Args:
            source: The source that lists the image.
            digest: The digest of the manifest or index.
            listed: The tags of the repository; None if they were not listed.

        Raises:
            StoreError: The registry cannot be asked.
        """
        signature = attached_tags(digest)[0]

        async def search(repository: Repository) -> bool:
            if listed is None:
                try:
                    await repository.resolve(Tag(signature))
                except ManifestNotFound:
                    pass
                else:
                    return True
            async for link in repository.referrers(digest):
                if _is_signature(link):
                    return True
            return False

        if listed is not None and signature in listed:
            return True
        return await self._ask(source, _any_name(source), search)

    async def _ask(
        self,
        source: Source,
        name: Reference,
        question: Callable[[Repository], Awaitable[Result]],
    ) -> Result:
        """Ask the mirrors of a repository, and then the repository itself."""
        if self._slots is None:
            self._slots = asyncio.Semaphore(self.jobs)
        async with self._slots:
            *mirrors, last = self.repositories(source.access, name)
            for one in mirrors:
                try:
                    return await question(one)
                except RegistryError as exc:
                    logger.info("asking the next registry: %s", printable(exc.message))
            try:
                return await question(last)
            except StoreError as exc:
                self.note_error(exc)
                raise


def _any_name(source: Source) -> Reference:
    """Return a name in the repository of a source; mirrors depend on the repository alone."""
    from store.model.references import Reference  # noqa: PLC0415 - the annotation's

    return Reference(source.repository, "latest")


def _first_image(index: Document, options: PullOptions) -> Link | None:
    found = [link for link in chosen(index, options) if link.is_document]
    # An index may lack an image for this machine; its other images are of the same age.
    return next(iter(found or [link for link in index.children if link.is_document]), None)


async def _small_blob(repository: Repository, target: Descriptor) -> bytes:
    if target.size_bytes > DEFAULT_LIMITS.inline_bytes:
        return b""
    data = bytearray()
    async with repository.open_blob(target) as body:
        async for chunk in body:
            data += chunk
            if len(data) > target.size_bytes:
                break
    if type(target.digest).of(bytes(data), target.digest.algorithm) != target.digest:
        raise NotFound(f"the config {target.digest} in {repository} has other bytes")
    return bytes(data)


def _created(config: bytes) -> datetime | None:
    try:
        found: Any = json.loads(config or b"{}")
    except (ValueError, RecursionError):
        return None
    return _time(found.get("created")) if isinstance(found, dict) else None


def _time(text: object) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _is_signature(link: Link) -> bool:
    kind = link.artifact_type or ""
    if kind in _SIGNATURES:
        return True
    # A bundle of sigstore is a signature, or an attestation.
    return kind.startswith(_BUNDLE) and link.annotations.get(_PREDICATE, _SIGNING) == _SIGNING
