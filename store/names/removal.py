"""Removal of names, images and manifests by the rules of ``docker rmi``.

Only rows in the catalogue change. Garbage collection frees the disk space. Every line of a result
stands for a change: what stays in the store has no line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from store.catalog import (
    events,
    images,
    manifests,
    naming,
    references,
    repositories,
    serving,
)
from store.catalog.collection import garbage, reachability, removed
from store.catalog.events import Event
from store.catalog.lists import digest_references
from store.errors import ImageInUse
from store.model.remedies import Remedy
from store.names.resolve import parse_full_id, resolve_image, resolve_manifest
from store.names.tagging import RemovedName, record_deleted, untag_target

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from store.catalog.lists.digest_references import DigestTarget
    from store.catalog.references import TagTarget
    from store.db.types import ContentKey
    from store.model.digests import ImageID
    from store.model.references import Reference, Repository
    from store.names.resolve import ResolvedImage, ResolvedManifest

_SHOWN: Final = 3
"""The most names that a message lists."""


def remove(
    connection: Connection, name: str, *, force: bool, prune_parents: bool, now: datetime
) -> tuple[RemovedName, ...]:
    """Remove a name. If it was the last name of an image, remove the image as well.

    If the image has other names, only the given name is removed. An ID removes all names of the
    image. A digest reference removes only the digest from its repository, even if it has a tag too.

    Args:
        connection: A write unit.
        name: A tag, digest reference, digest or image ID.
        force: Whether to remove an image by ID even if several repositories name it. With
            force, an unnamed image that other images are built on stays, and is not an error.
        prune_parents: Whether to remove parents that have no name and no other child.
        now: The time of the change.

    Returns:
        A line for each removed name and each deleted image or manifest.

    Raises:
        ImageNotFound: No image or manifest has this name.
        AmbiguousName: The name begins the IDs of several images.
        ImageInUse: The image has names in several repositories, other images are built on it, or
            an index or a tag holds what was named.
    """
    found = resolve_manifest(connection, name)
    used = name if found.reference is None else found.reference.familiar
    removal = _Removal(connection, used, now, prune_parents=prune_parents)
    if found.reference is not None and found.reference.digest is not None:
        removal.remove_digest(found, found.reference)
    elif (
        found.image is None
        or found.digest == parse_full_id(name)
        or manifests.is_index(connection, found.key)
    ):
        removal.remove_manifest(found, force=force)
    else:
        image = resolve_image(connection, name)
        if image.target is not None:
            removal.remove_tag(image, image.target)
        else:
            removal.remove_image(image, force=force)
    return tuple(removal.removed)


@final
class _Removal:
    """One removal, and a line for each change so far."""

    def __init__(
        self, connection: Connection, name: str, now: datetime, *, prune_parents: bool
    ) -> None:
        self._connection = connection
        self._name = name
        self._now = now
        self._prune_parents = prune_parents
        self.removed: list[RemovedName] = []

    def remove_digest(self, found: ResolvedManifest, name: Reference) -> None:
        """Remove a digest from a repository, and what was named only by it.

        Args:
            found: The manifest or index.
            name: The digest reference.

        Raises:
            ImageInUse: The repository has a tag or an index with the digest.
        """
        self._require_only_digest(found.key, name)
        self._let_go(name.repository, found.key)
        self._untagged(name, str(found.digest))
        if found.image is not None and not manifests.is_index(self._connection, found.key):
            image = images.id_of(self._connection, found.image)
            if not self._names_of(found.image):
                self._delete_image(found.image, image)
        elif not references.of_manifest(
            self._connection, found.key
        ) and not repositories.holder_keys(self._connection, found.key):
            self._delete_manifest(found)
        serving.drop_unheld(self._connection, found.key)

    def remove_manifest(self, found: ResolvedManifest, *, force: bool) -> None:
        """Remove a name of an index or artifact. If it was the last name, remove the manifest.

        Args:
            found: The manifest; named by a tag or by its digest alone.
            force: Whether to remove it by digest even if several repositories name it.

        Raises:
            ImageInUse: Several repositories name the manifest, or an index lists it.
        """
        tags = references.of_manifest(self._connection, found.key)
        digests = digest_references.of_manifest(self._connection, found.key)
        if found.target is not None:
            self._untag(found.target)
            others = references.of_manifest(self._connection, found.key)
            self._let_go_untagged(found.target, others)
            if others or digest_references.of_manifest(self._connection, found.key):
                return
        else:
            self._require_no_index((found.key,), f"unable to delete {found.digest}")
            if not force:
                _require_one_repository(str(found.digest), (*tags, *digests))
            self._untag_all(tags, digests)
        self._delete_manifest(found)

    def remove_tag(self, image: ResolvedImage, target: TagTarget) -> None:
        """Remove a tag of an image. If it was the last name, remove the image.

        Args:
            image: The image.
            target: The tag, which names a manifest of the image.
        """
        self._untag(target)
        tags = references.of_image(self._connection, image.key)
        self._let_go_untagged(target, tags)
        if not any(tag.reference.repository == target.reference.repository for tag in tags):
            # As in Docker, a repository without tags of an image keeps no digest of it.
            for one in digest_references.of_image(self._connection, image.key):
                if one.reference.repository == target.reference.repository:
                    self._let_go(one.reference.repository, one.manifest)
                    self._untagged(one.reference, str(image.image_id))
        if not self._names_of(image.key):
            self._delete_image(image.key, image.image_id)

    def remove_image(self, image: ResolvedImage, *, force: bool) -> None:
        """Remove all names of an image, and the image.

        Args:
            image: The image.
            force: Whether to remove it even if several repositories name it.

        Raises:
            ImageInUse: Several repositories name the image, an index lists it beside other images,
                or other images are built on it.
        """
        short = image.image_id.digest.short
        described = self._manifests_of(image.key)
        shared = self._shared(images.indexes_above(self._connection, described), image.key)
        if shared:
            raise ImageInUse(
                f"unable to delete {short} (cannot be forced) - {self._shown(shared)} lists it"
                " beside other images",
                hint="remove the index by name",
            )
        tags = references.of_image(self._connection, image.key)
        digests = digest_references.of_image(self._connection, image.key)
        if not force:
            _require_one_repository(short, (*tags, *digests))
        children = images.children_of(self._connection, image.key)
        if children and not tags and not digests and not force:
            raise ImageInUse(
                f"unable to delete {short} (cannot be forced) - image has dependent child images",
                hint=f"first remove {', '.join(child.digest.short for child in children[:3])}",
            )
        self._untag_all(tags, digests)
        self._delete_image(image.key, image.image_id)
        if not self.removed and not children:
            raise ImageInUse(
                f"unable to delete {short} - a running operation reads it",
                hint="try again when the operation has ended",
            )

    # --- rows -------------------------------------------------------------------------------------

    def _untag(self, target: TagTarget) -> None:
        # A variant may already have been removed together with its original.
        if RemovedName("untagged", target.reference.familiar) not in self.removed:
            self.removed += untag_target(self._connection, target, self._now)

    def _untag_all(self, tags: Iterable[TagTarget], digests: Iterable[DigestTarget]) -> None:
        named = list(tags)
        for target in named:
            self._untag(target)
        for target in named:
            self._let_go(target.reference.repository, target.manifest)
        for one in digests:
            self._let_go(one.reference.repository, one.manifest)
            self._untagged(one.reference, str(one.reference.digest))

    def _untagged(self, name: Reference, target: str) -> None:
        self.removed.append(RemovedName("untagged", name.familiar))
        events.add_events(
            self._connection, [Event(self._now, "untag", target, {"name": name.familiar})]
        )

    def _let_go_untagged(self, target: TagTarget, tags: Iterable[TagTarget]) -> None:
        """Let the repository of a removed tag go of its manifest, unless another tag needs it."""
        mine = target.reference.repository
        if not any(
            tag.manifest == target.manifest and tag.reference.repository == mine for tag in tags
        ):
            repository = repositories.find(self._connection, mine)
            if repository is not None and not digest_references.listing(
                self._connection, repository, target.manifest
            ):
                self._let_go(mine, target.manifest)
        serving.drop_unheld(self._connection, target.manifest)

    def _let_go(self, name: Repository, key: ContentKey) -> None:
        """Stop serving a manifest in a repository, with what was served only because of it."""
        repository = repositories.find(self._connection, name)
        waiting = [key] if repository is not None else []
        self._note(waiting)
        while waiting and repository is not None:
            current = waiting.pop()
            serving.let_go(self._connection, repository, current)
            waiting += digest_references.nameless_parts(self._connection, repository, current)

    def _delete_manifest(self, found: ResolvedManifest) -> None:
        """Delete a manifest without a name, and everything below it that nothing else needs."""
        if images.indexes_above(self._connection, (found.key,)):
            return
        self._note((found.key,))
        naming.drop(self._connection, (found.key,))
        gone = self._delete((found.key,))
        digest = (
            [] if manifests.key_of(self._connection, found.digest) is not None else [found.digest]
        )
        self._deleted((*digest, *gone))

    def _delete_image(self, key: ContentKey, image_id: ImageID) -> None:
        """Delete an image without a name, and then its parents without a name.

        An image that other images are built on stays, as in Docker. So does an image in an index
        with other images.
        """
        next_key: ContentKey | None = key
        while next_key is not None:
            key, next_key = next_key, None
            described = self._manifests_of(key)
            if images.children_of(self._connection, key):
                for manifest in described[:1]:
                    naming.keep(self._connection, manifest, now=self._now)
                return
            above = images.indexes_above(self._connection, described)
            if self._shared(above, key):
                return
            parent = images.parent_of(self._connection, key)
            self._note((*above, *described))
            naming.drop(self._connection, (*above, *described))
            gone = self._delete((*above, *described), key)
            self._deleted(sorted(gone, key=lambda one: one != image_id))
            if image_id in gone and self._prune_parents and parent is not None:
                next_key, image_id = images.key_of(self._connection, parent), parent
            if next_key is not None and (
                self._names_of(next_key) or images.children_of(self._connection, next_key)
            ):
                return

    def _delete(
        self, keys: Sequence[ContentKey], image: ContentKey | None = None
    ) -> tuple[ImageID, ...]:
        """Delete manifests, and what only they need; return the images that are gone.

        Args:
            keys: Row numbers of manifests that have no name and are not kept.
            image: Row number of the image that the manifests describe; None if they describe
                others.
        """
        every = sorted({key for one in keys for key in reachability.below(self._connection, one)})
        free = manifests.images_of(self._connection, every)
        # Referrers are deleted before their subject, and indexes before their children. A referrer
        # may be an index, so this takes several rounds.
        while garbage.delete_manifests(self._connection, every):
            pass
        return garbage.delete_images(
            self._connection, [*free, *([] if image is None or image in free else [image])]
        )

    def _note(self, keys: Iterable[ContentKey]) -> None:
        """Record what manifests and everything below them are, so that they can come back."""
        every = {below for key in keys for below in reachability.below(self._connection, key)}
        removed.note(self._connection, every, now=self._now)

    def _deleted(self, names: Iterable[object]) -> None:
        texts = [str(name) for name in names]
        self.removed += [RemovedName("deleted", text) for text in texts]
        record_deleted(self._connection, texts, self._now, self._name)

    # --- questions --------------------------------------------------------------------------------

    def _manifests_of(self, image: ContentKey) -> list[ContentKey]:
        return [key for key, _, _, _ in images.manifests_of(self._connection, image)]

    def _names_of(self, image: ContentKey) -> bool:
        return bool(
            references.of_image(self._connection, image)
            or digest_references.of_image(self._connection, image)
        )

    def _shared(self, indexes: Iterable[ContentKey], image: ContentKey) -> list[ContentKey]:
        """Return the indexes that list other images too."""
        return [
            key
            for key in indexes
            if any(one.image != image for one in images.images_of_index(self._connection, key))
        ]

    def _require_only_digest(self, key: ContentKey, name: Reference) -> None:
        """Check that a repository holds a digest neither by a tag nor as a part of an index.

        Raises:
            ImageInUse: A tag or an index needs the digest.
        """
        tags = [
            target.reference.familiar
            for target in references.of_manifest(self._connection, key)
            if target.reference.repository == name.repository
        ]
        if tags:
            raise ImageInUse(
                f"unable to remove {name.familiar} - the same manifest has the tag"
                f" {', '.join(tags[:_SHOWN])}",
                hint="remove the tag by name",
            )
        repository = repositories.find(self._connection, name.repository)
        listing = (
            ()
            if repository is None
            else digest_references.listing(self._connection, repository, key)
        )
        if listing:
            raise ImageInUse(
                f"unable to remove {name.familiar} - {self._shown(listing)} lists it",
                hint="remove the index by name",
            )

    def _require_no_index(self, keys: Iterable[ContentKey], what: str) -> None:
        above = images.indexes_above(self._connection, keys)
        if above:
            raise ImageInUse(
                f"{what} (cannot be forced) - {self._shown(above)} lists it",
                hint="remove the index by name",
            )

    def _shown(self, indexes: Iterable[ContentKey]) -> str:
        """Return the names of indexes for a message."""
        names: list[str] = []
        for key in indexes:
            tags = references.of_manifest(self._connection, key)
            digests = digest_references.of_manifest(self._connection, key)
            named = [one.reference.familiar for one in tags]
            named += [one.reference.familiar for one in digests]
            names += named or [str(manifests.describe(self._connection, key).digest)]
        return f"the index {', '.join(names[:_SHOWN])}"


def _require_one_repository(shown: str, names: Iterable[TagTarget | DigestTarget]) -> None:
    """Check that all names are in one repository.

    Raises:
        ImageInUse: They are in several repositories.
    """
    if len({one.reference.repository for one in names}) > 1:
        raise ImageInUse(
            f"unable to delete {shown} (must be forced) - image is referenced in multiple"
            " repositories",
            hint="remove the names one by one",
            remedy=Remedy.FORCE_REMOVAL,
        )
