"""Pulls: imports whose archives are in registries.

Each image is one transaction. A failed image does not stop the others, and of each image that was
not finished, what was fetched stays for the next pull.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias, final

from remote.errors import RegistryError
from remote.pulling.documents import DocumentReader
from remote.pulling.held import HeldContent
from remote.pulling.publishing import publish_image
from remote.pulling.report import FailedImage, PlannedImage, PulledImage
from remote.pulling.transfer import Traffic, Transfers
from store.blobs.downloads import Downloads
from store.errors import StorageFull, StoreError, printable
from store.files.space.shortage import free_bytes
from store.model.progress import Silent
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from remote.pulling.documents import RemoteImage
    from remote.pulling.options import PullOptions
    from remote.pulling.report import PullOutcome
    from remote.registry.event_loop import EventLoopThread
    from remote.registry.repository import Repository
    from store.model.digests import Descriptor, Digest
    from store.model.progress import Progress
    from store.model.references import Reference
    from store.workspace.workspace import Workspace

logger = logging.getLogger(__name__)

IMAGES_AT_ONCE: Final = 3
"""How many images are pulled at the same time: while one is published, others are fetched."""

Others: TypeAlias = "Mapping[Reference, Sequence[Reference]]"
_NONE: Final[Others] = MappingProxyType({})


@final
class Puller:
    """Pulls images into one store.

    Args:
        workspace: The opened store.
        connect: Returns the repositories to ask for an image, mirrors first; raises StoreError.
        loop: Runs the requests.
        options: What to pull, and how.
        progress: Receives the progress of each blob; None for no reports.
    """

    def __init__(
        self,
        workspace: Workspace,
        connect: Callable[[Reference], Sequence[Repository]],
        loop: EventLoopThread,
        options: PullOptions,
        progress: Progress | None = None,
    ) -> None:
        self._workspace = workspace
        self._connect = connect
        self._loop = loop
        self._options = options
        self._progress = progress or Silent()
        self._held = HeldContent(workspace)
        self._downloads = Downloads(workspace.root)
        self._slots = threading.Semaphore(options.jobs)
        self._stopped = threading.Event()
        self._flights = _Flights()
        self._total_bytes = 0
        self._totals = threading.Lock()

    def pull(
        self, references: Iterable[Reference], others: Others = _NONE
    ) -> Iterator[PullOutcome]:
        """Pull images, several at the same time; yield what became of each, in their order.

        Args:
            references: The names of the images, each with a tag or a digest.
            others: The names to try in order if the image of a name cannot be pulled.
        """
        self._downloads.remove_expired(self._workspace.now())
        return self._each(references, others, self._pull)

    def plan(
        self, references: Iterable[Reference], others: Others = _NONE
    ) -> Iterator[PullOutcome]:
        """Yield what a pull of each image would fetch; only documents are fetched.

        Args:
            references: The names of the images, each with a tag or a digest.
            others: The names to try in order if the image of a name cannot be pulled.
        """
        return self._each(references, others, self._plan)

    def _each(
        self,
        references: Iterable[Reference],
        others: Others,
        work: Callable[[Reference], PullOutcome],
    ) -> Iterator[PullOutcome]:
        def guarded(reference: Reference) -> PullOutcome:
            errors: list[StoreError] = []
            for name in (reference, *others.get(reference, ())):
                try:
                    return work(name)
                except StoreError as exc:
                    errors.append(exc)
            return FailedImage(reference, errors[0])

        pool = ThreadPoolExecutor(IMAGES_AT_ONCE, thread_name_prefix="pull")
        try:
            # The same name twice is one image.
            waiting = [pool.submit(guarded, one) for one in dict.fromkeys(references)]
            for one in waiting:
                yield one.result()
        except BaseException:
            self._stopped.set()
            self._flights.stop()
            self._loop.run(_cancel_requests())
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    # --- one image --------------------------------------------------------------------------------

    def _documents(self, reference: Reference) -> tuple[Repository, RemoteImage]:
        *mirrors, last = self._connect(reference)
        for repository in mirrors:
            try:
                return repository, self._read(repository, reference)
            except RegistryError as exc:
                # What the registry itself says is the error of the pull.
                logger.info("asking the next registry: %s", printable(exc.message))
        return last, self._read(last, reference)

    def _read(self, repository: Repository, reference: Reference) -> RemoteImage:
        reader = DocumentReader(repository, self._held, self._options)
        return self._loop.run(reader.read(reference))

    def _plan(self, reference: Reference) -> PullOutcome:
        _, image = self._documents(reference)
        lacking = self._lacking(image)
        resumed = self._resumable_bytes(lacking)
        root = image.roots[0].descriptor
        return PlannedImage(
            reference,
            root.digest,
            root.media_type,
            root.size_bytes,
            bool(lacking) or not self._is_current(image),
            tuple(lacking),
            _others(image, lacking),
            sum(target.size_bytes for target in lacking) - resumed,
            resumed,
            tuple(image.notes),
        )

    def _pull(self, reference: Reference) -> PullOutcome:
        repository, image = self._documents(reference)
        with self._flights.claimed(lambda: self._lacking(image)) as lacking:
            root, traffic, report = image.roots[0].descriptor, Traffic(), None
            is_current = not lacking and self._is_current(image)
            if not is_current:
                self._require_room(image, lacking)
                with self._totals:
                    self._total_bytes += sum(target.size_bytes for target in lacking)
                    self._progress.total(self._total_bytes)
                transfers = Transfers(
                    repository,
                    self._loop,
                    self._held,
                    self._downloads,
                    self._slots,
                    self._stopped,
                    traffic,
                )
                report = publish_image(
                    self._workspace,
                    image,
                    transfers,
                    limits=self._options.limits,
                    jobs=self._options.jobs,
                    progress=self._progress,
                    kind=self._options.kind,
                    checks=self._options.checks,
                )
        return PulledImage(
            reference,
            root.digest,
            root.media_type,
            root.size_bytes,
            report is not None and report.changed,
            tuple(lacking),
            _others(image, lacking),
            traffic.fetched_bytes,
            traffic.resumed_bytes,
            traffic.fetched_blobs,
            report,
            (*image.notes, *(() if report is None else report.notes)),
            image.etag,
        )

    # --- what is missing --------------------------------------------------------------------------

    def _lacking(self, image: RemoteImage) -> list[Descriptor]:
        blobs = _blobs(image)
        present = self._held.present(target.digest for target in blobs)
        return [target for target in blobs if target.digest not in present]

    def _is_current(self, image: RemoteImage) -> bool:
        """Return whether the store has the documents and the name of an image already."""
        name = image.roots[0].name
        if name is None or len(image.roots) > 1:
            # Whether the store serves the referrers is found out by importing them again.
            return False
        if name.digest is None:
            target = self._held.tag(name)
            is_named = target is not None and target.digest == image.digest
        else:
            is_named = self._held.holds(name)
        return is_named and self._held.present(image.documents) >= image.documents.keys()

    def _resumable_bytes(self, lacking: Iterable[Descriptor]) -> int:
        return sum(
            min(self._downloads.size_bytes(target.digest), target.size_bytes) for target in lacking
        )

    def _require_room(self, image: RemoteImage, lacking: list[Descriptor]) -> None:
        """Refuse an image that does not fit on the disk, before a byte is fetched."""
        needed = sum(target.size_bytes for target in lacking) - self._resumable_bytes(lacking)
        free = free_bytes(self._workspace.root)
        if needed > free:
            raise StorageFull(
                f"cannot pull {image.reference.familiar}: {needed} bytes are needed, and {free}"
                " bytes are free",
                hint="free some space on the store's file system; nothing was changed",
                remedy=Remedy.COLLECT_GARBAGE,
            )


def _blobs(image: RemoteImage) -> list[Descriptor]:
    """Return the blobs of an image that are not among its documents."""
    return [target for digest, target in image.blobs.items() if digest not in image.documents]


def _others(image: RemoteImage, lacking: Iterable[Descriptor]) -> tuple[Descriptor, ...]:
    """Return the blobs of an image that the store does not lack."""
    gone = {target.digest for target in lacking}
    return tuple(target for target in _blobs(image) if target.digest not in gone)


async def _cancel_requests() -> None:
    """End all requests, and wait until they have ended."""
    requests = asyncio.all_tasks() - {asyncio.current_task()}
    for request in requests:
        request.cancel()
    await asyncio.gather(*requests, return_exceptions=True)


@final
class _Flights:
    """The blobs that are being fetched. An image waits for blobs that another image fetches."""

    def __init__(self) -> None:
        self._flying: set[Digest] = set()
        self._landed = threading.Condition()
        self._is_stopped = False

    @contextmanager
    def claimed(self, lacking: Callable[[], list[Descriptor]]) -> Iterator[list[Descriptor]]:
        """Claim the blobs that an image lacks; wait while another image fetches such a blob.

        Args:
            lacking: Returns the blobs that the store lacks now.
        """
        while True:
            wanted = lacking()
            mine = {target.digest for target in wanted}
            with self._landed:
                if self._is_stopped:
                    raise CancelledError
                if self._flying.isdisjoint(mine):
                    self._flying |= mine
                    break
                self._landed.wait()
        try:
            yield wanted
        finally:
            with self._landed:
                self._flying -= mine
                self._landed.notify_all()

    def stop(self) -> None:
        """End the waiting of all images."""
        with self._landed:
            self._is_stopped = True
            self._landed.notify_all()
