"""The store and its commands: import, list, inspect, tag, remove, collect, check.

Modules that only one method needs are imported in that method. For example, listing images does not
import the code that reads archives.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, BinaryIO, final

from store.model.digests import Digest, ImageID
from store.model.platforms import DEFAULT_CHOICE
from store.model.waiting import WAITING
from store.workspace import engines, root_folder
from store.workspace.workspace import Workspace, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from store.catalog.events import Event
    from store.db.schema_state import SchemaState, UpgradeReport
    from store.importing.importer import ImportOptions
    from store.importing.report import ImportReport
    from store.maintenance.fsck.verdicts import Checked
    from store.maintenance.reports import CollectionReport, Finding
    from store.maintenance.verification import Verifier
    from store.model.contents import DiffState
    from store.model.platforms import PlatformChoice
    from store.model.progress import Progress
    from store.model.references import Reference, Repository
    from store.model.waiting import Waiting
    from store.names.tagging import RemovedName, TagChange
    from store.queries.details import ImageDetails, ManifestContents
    from store.queries.results import ImageFilter, ImageSummary, ManifestSummary
    from store.queries.tree import TreeEntry
    from store.queries.usage import Usage


@final
class Store(Workspace):
    """A content-addressed image store in one folder. Use `Store.open` as a context manager.

    Other processes may use the same store at the same time, and threads may share this object.
    """

    # --- the schema -------------------------------------------------------------------------------

    @staticmethod
    def schema_state(root: Path) -> SchemaState:
        """Return the revision of the schema at ``root``, and the revision that this program needs.

        Args:
            root: The store's folder; the store is not opened.

        Raises:
            StoreNotFound: There is no store at ``root``.
        """
        return engines.schema_state(root_folder.trusted(root, read_only=True))

    @staticmethod
    def upgrade(
        root: Path,
        *,
        clock: Callable[[], datetime] = utc_now,
        waiting: Waiting = WAITING,
    ) -> UpgradeReport:
        """Upgrade the schema of the store at ``root``, after a backup.

        Args:
            root: The store's folder.
            clock: Returns the current time, in UTC.
            waiting: How long to wait for other writers.

        Raises:
            StoreNotFound: There is no store at ``root``.
            PermissionDenied: Another user owns the store, or may change it.
            SchemaMismatch: A newer program has upgraded the store.
        """
        resolved = root_folder.trusted(root, read_only=False)
        engines.schema_state(resolved)
        return engines.upgrade(resolved, now=clock, waiting=waiting)

    @staticmethod
    def check_schema(root: Path) -> tuple[str, ...]:
        """Return the differences between the schema at ``root`` and the schema of this program.

        Args:
            root: The store's folder.

        Raises:
            StoreNotFound: There is no store at ``root``.
        """
        return engines.drift(root_folder.trusted(root, read_only=True))

    # --- archives in ------------------------------------------------------------------------------

    def import_archive(
        self,
        source: Path | BinaryIO,
        options: ImportOptions | None = None,
        progress: Progress | None = None,
    ) -> ImportReport:
        """Import everything that an archive holds, in one transaction.

        Args:
            source: A file, a folder or a stream. A stream is read once from start to end. Of a file
                or folder, only the needed parts are read.
            options: How to import; None for the defaults.
            progress: Receives the progress of each layer; None if progress is not shown.

        Raises:
            InvalidInput: The archive is damaged or not supported; the store is unchanged.
            NameTaken: A tag would move from a different image, and ``options.clobber`` is False.
            Unavailable: The source cannot be read, or the store cannot be written.
        """
        from store.importing.importer import import_archive

        return import_archive(self, source, options, progress)

    # --- questions --------------------------------------------------------------------------------

    def images(self, filters: ImageFilter | None = None) -> tuple[ImageSummary, ...]:
        """Return everything that `each_image` yields."""
        return tuple(self.each_image(filters))

    def each_image(self, filters: ImageFilter | None = None) -> Iterator[ImageSummary]:
        """Yield the images that pass ``filters``, newest first, all from one snapshot.

        Args:
            filters: The images to list; None for all except intermediate images.

        Raises:
            ImageNotFound: A filter names an image that does not exist.
        """
        from store.queries import lists

        with self.read() as connection:
            yield from lists.each_image(connection, filters)

    def manifests(self, filters: ImageFilter | None = None) -> tuple[ManifestSummary, ...]:
        """Return the artifacts, and the indexes without an image.

        These are the manifests that `images` does not list.

        Args:
            filters: The manifests to list; None for all. A filter by label or age excludes every
                manifest.
        """
        from store.queries import lists

        with self.read() as connection:
            return lists.list_manifests(connection, filters)

    def tree(self, filters: ImageFilter) -> tuple[TreeEntry, ...]:
        """Return the images, indexes and artifacts that pass ``filters``, with their platforms.

        Args:
            filters: The images to list, and the platforms to show of each index.

        Raises:
            ImageNotFound: A filter names an image that does not exist.
        """
        from store.queries import tree

        with self.read() as connection:
            return tree.list_tree(connection, filters)

    def names(self, prefix: str, limit: int) -> tuple[Reference, ...]:
        """Return tags whose familiar name begins with ``prefix``, in byte order.

        Args:
            prefix: The beginning of a name as docker shows it.
            limit: The largest number of tags to return.
        """
        from store.queries import lists

        with self.read() as connection:
            return lists.list_names(connection, prefix, limit)

    def digests(self, repository: Repository) -> tuple[Reference, ...]:
        """Return the manifests that ``repository`` holds by their digests, without a tag."""
        from store.catalog.lists import digest_references

        with self.read() as connection:
            found = digest_references.beginning_with(connection, repository.familiar)
        return tuple(one.reference for one in found if one.reference.repository == repository)

    def inspect_manifest(self, name: str) -> ManifestContents:
        """Return a manifest or index with its links and names.

        Args:
            name: A tag, digest reference or digest.

        Raises:
            ImageNotFound: No manifest has this name.
            AmbiguousName: The name begins the IDs of several images.
        """
        from store.queries import details

        with self.read() as connection:
            return details.manifest_contents(connection, name)

    def inspect(self, name: str, choice: PlatformChoice | None = None) -> ImageDetails:
        """Return the details of one image: its config, layers, names, manifests and relatives.

        Args:
            name: A tag, digest reference, digest or image ID.
            choice: The platform to choose for, if the name is that of an index; None for
                linux/amd64, or else the first.

        Raises:
            ImageNotFound: No image has this name.
            InvalidInput: The name has no image for the wanted platforms.
            AmbiguousName: The name begins the IDs of several images.
        """
        from store.queries import details

        with self.read() as connection:
            return details.image_details(
                connection, name, self.read_whole, choice or DEFAULT_CHOICE
            )

    def events(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        actions: Sequence[str] = (),
        targets: Sequence[str] = (),
    ) -> Iterator[Event]:
        """Yield the store's history, oldest first.

        Args:
            since: The earliest time; None for the beginning.
            until: The latest time; None for the end.
            actions: Only events with one of these actions; empty for all.
            targets: Only events about one of these images or names; empty for all.
        """
        from store.catalog import events

        with self.read() as connection:
            yield from events.events(
                connection, since=since, until=until, actions=actions, targets=targets
            )

    def prune_events(self, *, before: datetime | None = None, keep: int | None = None) -> int:
        """Remove old events, changes of tags and imports; return the number of events removed.

        Args:
            before: Remove everything before this time; None for no such limit.
            keep: The number of each to keep, without the events of reads over the network; None
                for the numbers that a collection keeps.
        """
        from store.maintenance.history import remove_old_history

        return remove_old_history(lambda: self.write("events"), before=before, keep=keep)

    def usage(self, *, each: bool = True) -> Usage:
        """Return the disk usage of the store, and what a collection would free.

        Args:
            each: Whether to list every image in addition to the sums.
        """
        from store.files.sizes import folder_bytes
        from store.queries import usage

        with self.read() as connection:
            found = usage.usage(connection, each=each)
        return usage.completed(
            found,
            database_bytes=self.catalogue_bytes(),
            other_bytes=sum(folder_bytes(self.root / name) for name in root_folder.OTHERS),
            reserve_bytes=self.reserve.size_bytes(),
            collection=self.collect(dry_run=True),
        )

    def verify_image(
        self, image_id: ImageID, *, is_stopped: Callable[[], bool] = lambda: False
    ) -> DiffState:
        """Return whether the layers of a pushed image decode to the config's diff IDs.

        Layers that were not decoded before are decoded now, and the result is recorded.

        Args:
            image_id: The ID of the image.
            is_stopped: Called while layers are decoded; returns whether to give up. The state of
                the image then does not change.

        Raises:
            ImageNotFound: The store does not have the image.
            ReadOnlyStore: The result is not known, and the store is read-only.
        """
        return self._verifier.verify(image_id, is_stopped=is_stopped)

    def layer_fault(self, manifest: Digest, image_id: ImageID) -> tuple[str, bool] | None:
        """Return why the layers of a manifest are not those of its config.

        Layers are decoded for the answer, and nothing is recorded.

        Args:
            manifest: The digest of a manifest that describes an image.
            image_id: The ID of the image.

        Returns:
            The fact, and whether a layer exceeds a limit; None if all stored layers are right.
        """
        return self._verifier.layer_fault(manifest, image_id)

    def needs_verification(self, image_id: ImageID) -> bool:
        """Return whether `verify_image` could change the state of an image.

        Args:
            image_id: The ID of the image.

        Raises:
            ImageNotFound: The store does not have the image.
        """
        return self._verifier.is_needed(image_id)

    def unverified_images(
        self, *, after: ImageID | None = None, limit: int
    ) -> list[tuple[ImageID, str]]:
        """Return pushed images whose layers have not been decoded yet, sorted.

        Args:
            after: The last image of the previous page; None for the first page.
            limit: The largest number of images to return.

        Returns:
            Each image with the full name of a repository that holds it, or with an empty name.
        """
        from store.catalog.checking import verification

        with self.read() as connection:
            found = verification.unverified_images(
                connection, after=None if after is None else after.digest, limit=limit
            )
        return [(ImageID(digest), name) for digest, name in found]

    @cached_property
    def _verifier(self) -> Verifier:
        from store.maintenance.verification import Verifier

        return Verifier(self)

    # --- changes ----------------------------------------------------------------------------------

    def tag(self, source: str, target: str) -> TagChange:
        """Point the tag ``target`` at the image or manifest that ``source`` names.

        Args:
            source: A tag, digest reference, digest or image ID.
            target: The new tag; a name without a tag gets ``latest``.

        Raises:
            ImageNotFound: No image or manifest has the name ``source``.
            AmbiguousName: ``source`` begins the IDs of several images.
            InvalidReference: ``target`` cannot be a tag.
        """
        from store.model.references import Reference
        from store.names import tagging

        name = Reference.parse(target).with_default_tag()
        with self.write("tag") as connection:
            return tagging.tag(connection, source, name, now=self.now())

    def untag(self, name: str) -> tuple[RemovedName, ...]:
        """Remove a tag and keep the image.

        Args:
            name: The tag; a name without a tag means ``latest``.

        Raises:
            InvalidReference: ``name`` is not a valid name of a tag.
            ReferenceNotFound: There is no such tag.
        """
        from store.model.references import Reference
        from store.names import tagging

        reference = Reference.parse(name).with_default_tag()
        with self.write("untag") as connection:
            return tagging.untag(connection, reference, now=self.now())

    def remove(
        self, name: str, *, force: bool = False, prune_parents: bool = True
    ) -> tuple[RemovedName, ...]:
        """Remove a name, by the rules of ``docker rmi``. Removing the last name removes the image.

        The next collection frees the bytes.

        Args:
            name: A tag, digest reference, digest or image ID.
            force: Whether to remove an image by ID although several repositories name it.
            prune_parents: Whether to remove parents that have no name and no other child.

        Raises:
            ImageNotFound: No image or manifest has this name.
            AmbiguousName: The name begins the IDs of several images.
            ImageInUse: The image has names in several repositories, other images are built on it,
                or an index or a tag holds what was named.
        """
        from store.names import removal

        with self.write("remove") as connection:
            return removal.remove(
                connection, name, force=force, prune_parents=prune_parents, now=self.now()
            )

    def collect(
        self, *, dry_run: bool = False, dangling: bool = False, end_grace: bool = False
    ) -> CollectionReport:
        """Delete everything that nothing refers to. Imports and saves may run at the same time.

        Args:
            dry_run: Whether to try the collection on a copy of the catalogue. Then no writer waits,
                and the store may be read-only.
            dangling: Whether to delete dangling images as well.
            end_grace: Whether to delete pushed blobs that no manifest lists as well, unless
                somebody has just pushed to a repository that holds them.
        """
        from store.maintenance.gc import Collector
        from store.registry.upload_collection import UploadCollection
        from store.undo.retention import Retention

        collector = Collector(self, UploadCollection(self), Retention(self))
        collect = collector.dry_run if dry_run else collector.run
        return collect(dangling=dangling, end_grace=end_grace)

    def fsck(
        self,
        progress: Progress | None = None,
        checked: Checked | None = None,
        *,
        with_catalogue: bool = True,
    ) -> Iterator[Finding]:
        """Recompute every digest and compare every row; mark damage; yield all findings.

        Args:
            progress: Receives the progress of each blob; None if progress is not shown.
            checked: Counts what was checked; None if nobody asks.
            with_catalogue: Whether to check the catalogue's file as well.
        """
        from store.maintenance.fsck.run import check
        from store.model.progress import Silent

        return check(self, progress or Silent(), checked, with_catalogue=with_catalogue)
