"""The pending manifests of one process, together with those that other processes have served.

All methods belong to one event loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple, final

from remote.through.pending import Pending
from store.errors import StoreError, printable

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from remote.pulling.documents import RemoteImage
    from remote.through.pending_rows import PendingRows
    from store.formats.image.manifests import Document
    from store.model.digests import Descriptor, Digest
    from store.model.references import Reference, Repository

logger = logging.getLogger(__name__)

_MAX_REPOSITORIES: Final = 4096
"""For how many repositories is remembered what was loaded."""

NOTE_WAIT_S: Final = 0.02
"""How long a client waits until its manifest is in the catalogue, in seconds."""


class _Unwritten(NamedTuple):
    """A manifest that is being written to the catalogue, and when its registry was asked."""

    document: Document
    asked_at: datetime
    task: asyncio.Task[None]


@final
class SharedPending:
    """Manifests that were served and are not published yet.

    Args:
        rows: The manifests of all processes.
        now: Returns the current time.

    Attributes:
        memory: The manifests of this process, and those that it has loaded.
    """

    def __init__(self, rows: PendingRows, now: Callable[[], datetime]) -> None:
        self._rows = rows
        self._now = now
        self._unwritten: dict[str, _Unwritten] = {}
        self._writing: set[asyncio.Task[None]] = set()
        self.memory = Pending()
        self._loaded: OrderedDict[Repository, int] = OrderedDict()

    async def note(
        self,
        repository: Repository,
        document: Document,
        tag: str | None,
        etag: str = "",
        *,
        on_end: Callable[[], None],
    ) -> None:
        """Remember a manifest or index that is served, in this process at once.

        The other processes of the server find the manifest in the catalogue. A client may ask one
        of them for a blob next, so the client waits a little; a publication may take longer.

        Args:
            repository: The repository that was asked for it.
            document: The manifest or index.
            tag: The tag that was asked for; None for a digest.
            etag: The entity tag of the answer; empty if there was none.
            on_end: Called when it is in the catalogue, or cannot be written there.
        """
        self.memory.add(repository, document, tag)
        name = f"{repository}:{tag}" if tag is not None else f"{repository}@{document.digest}"
        earlier = self._unwritten.get(name)

        async def write() -> None:
            if earlier is not None:
                # What a tag named before is not written after what it names now.
                await asyncio.wait({earlier.task})
            try:
                await self.add(repository, document, tag, etag)
            finally:
                if self._unwritten.get(name) is unwritten:
                    del self._unwritten[name]
            on_end()

        task = asyncio.create_task(write())
        unwritten = self._unwritten[name] = _Unwritten(document, self._now(), task)
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        await asyncio.wait({task}, timeout=NOTE_WAIT_S)

    async def of_tag(self, name: Reference) -> tuple[Document, datetime] | None:
        """Return the manifest that a tag was last seen to name, and when; None for none.

        Args:
            name: The repository and the tag.
        """
        found = self._unwritten.get(f"{name.repository}:{name.tag}")
        if found is not None:
            return found.document, found.asked_at
        return await asyncio.to_thread(self._rows.of_tag, name)

    async def close(self) -> None:
        """Wait until everything is written."""
        while self._writing:
            await asyncio.wait(self._writing)

    async def add(
        self, repository: Repository, document: Document, tag: str | None, etag: str = ""
    ) -> None:
        """Remember a manifest or index that is served.

        Args:
            repository: The repository that was asked for it.
            document: The manifest or index.
            tag: The tag that was asked for; None for a digest.
            etag: The entity tag of the answer; empty if there was none.
        """
        self.memory.add(repository, document, tag)
        try:
            await asyncio.to_thread(self._rows.add, repository, document, tag, etag)
        except StoreError as exc:
            # The client gets it nevertheless; without a row, it is not published.
            logger.warning(
                "cannot remember %s@%s: %s", repository, document.digest, printable(exc.message)
            )

    async def find(self, repository: Repository, digest: Digest) -> Document | None:
        """Return a manifest or index that the repository was asked for; None if it is unknown."""
        found = self.memory.find(repository, digest)
        if found is None and await self._load(repository):
            found = self.memory.find(repository, digest)
        return found

    async def blob(self, repository: Repository, digest: Digest) -> Descriptor | None:
        """Return what a manifest states about a blob; None if no manifest lists the blob."""
        found = self.memory.blob(repository, digest)
        if found is None and await self._load(repository):
            found = self.memory.blob(repository, digest)
        return found

    async def images(self, repository: Repository, blob: Digest | None = None) -> list[RemoteImage]:
        """Return the images that can be published when their blobs are here.

        Args:
            repository: The repository of the images.
            blob: A blob that the images need; None for all images.
        """
        await self._load(repository)
        return self.memory.images(repository, blob)

    async def _load(self, repository: Repository) -> bool:
        """Load what other processes have served since; return whether that was anything."""
        last = self._loaded.get(repository, 0)
        try:
            found = await asyncio.to_thread(self._rows.since, repository, last)
        except StoreError as exc:
            logger.warning("cannot read pending manifests: %s", printable(exc.message))
            return False
        for one in found:
            last = max(last, one.number)
            self.memory.add(repository, one.document, one.tag)
        self._loaded[repository] = last
        self._loaded.move_to_end(repository)
        while len(self._loaded) > _MAX_REPOSITORIES:
            self._loaded.popitem(last=False)
        return bool(found)
