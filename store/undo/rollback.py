"""Tags pointed back at what they named before, from the log of references.

The log records every change, so that a change that was undone can be undone in turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from store.catalog import (
    events,
    images,
    naming,
    references,
    repositories,
    serving,
)
from store.catalog.events import Event
from store.catalog.lists import tag_changes
from store.errors import ImageNotFound, InvalidReference, ReferenceNotFound
from store.model.digests import ImageID
from store.model.references import Reference
from store.model.remedies import Remedy
from store.names.tagging import RemovedName, TagChange, remove_variants
from store.undo import revival
from store.undo.documents import Documents

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from store.catalog.lists.tag_changes import LoggedChange
    from store.catalog.references import TagTarget
    from store.db.types import ContentKey
    from store.model.digests import Digest
    from store.workspace.workspace import Workspace

OPERATION: Final = "rollback"
"""The name of this operation in the log of references."""


@final
@dataclass(frozen=True, slots=True)
class RolledBack:
    """The result for one tag.

    Attributes:
        reference: The tag.
        before: The manifest that it named; None if there was no such tag.
        after: The manifest that it names now; None if there is no such tag any more.
        image_id: The image that the tag stands for now; None for an artifact, for no tag, and in a
            dry run for an image that is not in the store.
        removed: Variants that were removed with the tag.
    """

    reference: Reference
    before: Digest | None
    after: Digest | None
    image_id: ImageID | None
    removed: tuple[RemovedName, ...] = ()


def log(workspace: Workspace, name: str, *, limit: int | None = None) -> tuple[LoggedChange, ...]:
    """Return the changes of a tag, of all tags of a repository, or of a run, newest first.

    Args:
        workspace: The opened store.
        name: A tag, the name of a repository without a tag, or the name of a run of a sync.
        limit: The most changes to return; None for all.

    Raises:
        InvalidReference: ``name`` is not a valid name, or has a digest.
        ReferenceNotFound: No change is recorded.
    """
    reference = _named(name)
    with workspace.read() as connection:
        if of_run := _of_run(connection, name):
            return of_run[::-1][:limit]
        found = tag_changes.changes(connection, reference, limit=limit)
    if not found:
        raise ReferenceNotFound(
            f"no change of {reference.familiar} is recorded", remedy=Remedy.LIST_IMAGES
        )
    return found


def rollback(
    workspace: Workspace,
    names: Sequence[str],
    *,
    to: datetime | None = None,
    steps: int = 1,
    all_tags: bool = False,
    dry_run: bool = False,
) -> tuple[RolledBack, ...]:
    """Point tags at what they named before; all of them, or none.

    Args:
        workspace: The opened store.
        names: Tags; a name without a tag means ``latest``. The name of a run of a sync stands for
            all tags that the run changed. Tags that were changed later stay.
        to: The time whose state is wanted; None to go back by ``steps``.
        steps: The number of changes of each tag to undo.
        all_tags: Whether ``names`` are repositories, whose tags are all changed.
        dry_run: Whether to change nothing.

    Raises:
        InvalidReference: A name is not a valid name of a tag.
        ReferenceNotFound: The wanted change of a tag is not recorded.
        ImageNotFound: A collection has removed the image that a tag named before.
    """
    run = _Rollback(workspace, to, steps)
    if dry_run:
        with workspace.read() as connection:
            wishes = run.wishes(connection, names, all_tags=all_tags)
            return tuple(run.planned(connection, *wish) for wish in wishes.items())
    with workspace.write(OPERATION) as connection:
        wishes = run.wishes(connection, names, all_tags=all_tags)
        return tuple(run.apply(connection, *wish) for wish in wishes.items())


def tag_as_of(workspace: Workspace, source: str, target: str, moment: datetime) -> TagChange:
    """Point a tag at what another tag, or the same, named at a time.

    Args:
        workspace: The opened store.
        source: The tag that named the image at that time.
        target: The new tag; a name without a tag gets ``latest``.
        moment: The time.

    Raises:
        InvalidReference: ``source`` or ``target`` cannot be a tag.
        ReferenceNotFound: The tag did not exist at that time, or the log begins later.
        ImageNotFound: A collection has removed the image.
    """
    named, name = _named(source).with_default_tag(), Reference.parse(target).with_default_tag()
    run = _Rollback(workspace, moment, 1)
    with workspace.write("tag") as connection:
        digest = run.wanted(connection, named)
        if digest is None:
            raise ReferenceNotFound(f"{named.familiar} did not exist at that time")
        return run.tag(connection, named, name, digest)


@final
class _Rollback:
    """Finds what tags named before, and points them there."""

    def __init__(self, workspace: Workspace, to: datetime | None, steps: int) -> None:
        self._workspace = workspace
        self._documents = Documents(workspace)
        self._to = to
        self._steps = steps

    # --- questions --------------------------------------------------------------------------------

    @staticmethod
    def references(
        connection: Connection, names: Sequence[str], *, all_tags: bool
    ) -> list[Reference]:
        """Return the tags to change, without repetition.

        Raises:
            InvalidReference: A name is not a valid name of a tag, or of a repository.
            ReferenceNotFound: No change of a repository is recorded.
        """
        found: dict[Reference, None] = {}
        for text in names:
            name = _named(text)
            if not all_tags:
                found[name.with_default_tag()] = None
                continue
            if name.tag is not None:
                raise InvalidReference(
                    f"expected the name of a repository, without a tag: {text!r}", text=text
                )
            tags = tag_changes.tags(connection, name.repository)
            if not tags:
                raise ReferenceNotFound(
                    f"no change of {name.familiar} is recorded", remedy=Remedy.LIST_IMAGES
                )
            found.update(dict.fromkeys(tags))
        return list(found)

    def wishes(
        self, connection: Connection, names: Sequence[str], *, all_tags: bool
    ) -> dict[Reference, Digest | None]:
        """Return the tags to change, and the manifest that each is to name; None for no tag.

        Raises:
            InvalidReference: A name is not a valid name of a tag, or of a repository.
            ReferenceNotFound: The wanted change of a tag is not recorded.
        """
        found: dict[Reference, Digest | None] = {}
        for text in names:
            changes = _of_run(connection, text) if self._to is None and self._steps == 1 else ()
            if changes:
                found.update(_before_run(connection, changes))
                continue
            for name in self.references(connection, (text,), all_tags=all_tags):
                found[name] = self.wanted(connection, name)
        return found

    def wanted(self, connection: Connection, name: Reference) -> Digest | None:
        """Return the manifest that a tag is to name; None if the tag is not to exist.

        Raises:
            ReferenceNotFound: The wanted change is not recorded.
        """
        if self._to is None:
            changes = tag_changes.changes(connection, name, limit=1, skip=self._steps - 1)
            if not changes:
                raise _not_recorded(connection, name, self._steps)
            return changes[0].old
        forgotten = tag_changes.forgotten_before(connection)
        if forgotten is not None and self._to < forgotten:
            raise ReferenceNotFound(
                f"what {name.familiar} named at that time is not recorded: the log of changes"
                f" begins at {forgotten:%Y-%m-%dT%H:%M:%SZ}"
            )
        change = tag_changes.first_after(connection, name, self._to)
        if change is not None:
            return change.old
        target = references.get(connection, name)
        if target is None and not tag_changes.changes(connection, name, limit=1):
            raise _not_recorded(connection, name, 1)
        return None if target is None else target.digest

    def planned(self, connection: Connection, name: Reference, digest: Digest | None) -> RolledBack:
        """Return what `apply` would return, and change nothing.

        Raises:
            ImageNotFound: A collection has removed the image.
        """
        before = references.get(connection, name)
        image_id = None
        if digest is not None:
            found = self._find(connection, name, digest)
            if not found.revived:
                key = references.image_of(connection, found.key)
                image_id = None if key is None else images.id_of(connection, key)
            elif found.revived[0].record.image is not None:
                image_id = ImageID(found.revived[0].record.image)
        return RolledBack(name, None if before is None else before.digest, digest, image_id)

    # --- changes ----------------------------------------------------------------------------------

    def apply(self, connection: Connection, name: Reference, digest: Digest | None) -> RolledBack:
        """Point a tag at what it named before, or remove it; return what was done.

        Raises:
            ImageNotFound: A collection has removed the image.
        """
        before = references.get(connection, name)
        old = None if before is None else before.digest
        if digest == old:
            return RolledBack(name, old, old, None if before is None else before.image_id)
        if digest is None:
            return RolledBack(name, old, None, None, self._remove(connection, before))
        key = self._revive(connection, name, digest)
        repository = serving.ensure_repositories(connection, (name.repository,))[name.repository]
        revival.hold_again(connection, str(name.repository), repository, key)
        image_id = self._set(connection, name, key, digest, OPERATION)
        return RolledBack(name, old, digest, image_id)

    def tag(
        self, connection: Connection, source: Reference, name: Reference, digest: Digest
    ) -> TagChange:
        """Point a tag at what another tag named, with the content that the other one gave.

        Raises:
            ImageNotFound: A collection has removed the image.
        """
        before = references.get(connection, name)
        key = self._revive(connection, source, digest)
        giver = repositories.find(connection, source.repository)
        if giver is None:
            raise _gone(source, digest, digest)
        again = revival.hold_again(connection, str(source.repository), giver, key)
        taker = serving.ensure_repositories(connection, (name.repository,))[name.repository]
        serving.serve(connection, {(taker, key)}, sources=(giver,))
        if taker != giver:
            # The source itself stays as it is.
            for one in again:
                serving.let_go(connection, giver, one)
        image_id = self._set(connection, name, key, digest, "tag")
        replaced = before.image_id if before is not None and before.image_id != image_id else None
        return TagChange(name, image_id, replaced)

    def _set(
        self,
        connection: Connection,
        name: Reference,
        key: ContentKey,
        digest: Digest,
        operation: str,
    ) -> ImageID | None:
        now = self._workspace.now()
        naming.set_tags(connection, {name: key}, now=now, operation=operation, served=True)
        image = references.image_of(connection, key)
        image_id = None if image is None else images.id_of(connection, image)
        facts = {"name": name.familiar}
        events.add_events(connection, [Event(now, "tag", str(image_id or digest), facts)])
        return image_id

    def _remove(self, connection: Connection, target: TagTarget | None) -> tuple[RemovedName, ...]:
        """Remove a tag that did not exist before; its image stays without a name."""
        if target is None:
            return ()
        now = self._workspace.now()
        naming.remove_tag(connection, target, now=now, operation=OPERATION)
        naming.keep(connection, target.manifest, now=now)
        about, facts = str(target.image_id or target.digest), {"name": target.reference.familiar}
        events.add_events(connection, [Event(now, "untag", about, facts)])
        return remove_variants(connection, target.reference, now=now, operation=OPERATION)

    def _revive(self, connection: Connection, name: Reference, digest: Digest) -> ContentKey:
        found = self._find(connection, name, digest)
        if found.revived:
            revival.write(connection, found.revived)
        return found.key

    def _find(self, connection: Connection, name: Reference, digest: Digest) -> revival.Found:
        try:
            return revival.find(connection, digest, self._documents)
        except revival.GoneError as gone:
            raise _gone(name, digest, gone.digest) from None


def _of_run(connection: Connection, text: str) -> tuple[LoggedChange, ...]:
    """Return the changes of a run of a sync; none if the text does not name one."""
    return tag_changes.of_run(connection, text) if tag_changes.is_run(text) else ()


def _before_run(
    connection: Connection, changes: Sequence[LoggedChange]
) -> dict[Reference, Digest | None]:
    """Return what the tags of a run named before it; tags that were changed since stay."""
    first = {change.reference: change.old for change in reversed(changes)}
    last = {change.reference: change.new for change in changes}
    now = references.get_all(connection, last)
    found: dict[Reference, Digest | None] = {}
    for name, after in last.items():
        target = now.get(name)
        digest = None if target is None else target.digest
        found[name] = first[name] if digest == after else digest
    return found


def _named(text: str) -> Reference:
    name = Reference.parse(text)
    if name.digest is not None:
        raise InvalidReference(f"expected a name with a tag, not a digest: {text!r}", text=text)
    return name


def _gone(name: Reference, digest: Digest, missing: Digest) -> ImageNotFound:
    what = "it" if missing == digest else f"{missing}, which it needs,"
    return ImageNotFound(
        f"{name.familiar} named {digest} then, but {what} is no longer stored: a collection has"
        " removed it",
        remedy=Remedy.KEEP_UNDO,
    )


def _not_recorded(connection: Connection, name: Reference, steps: int) -> ReferenceNotFound:
    count = len(tag_changes.changes(connection, name, limit=steps))
    if count == 0:
        message = f"no change of {name.familiar} is recorded"
    else:
        message = f"only {count} change(s) of {name.familiar} are recorded, not {steps}"
    return ReferenceNotFound(message, remedy=Remedy.LIST_IMAGES if count == 0 else None)
