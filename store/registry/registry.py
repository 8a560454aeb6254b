"""The registry's view of a store: repositories with manifests, blobs, tags and referrers.

A repository serves only the manifests and blobs that the table `repository_content` lists for it,
even if the store holds more.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, final

from store.catalog import references, repositories, variants
from store.catalog.in_progress import pushes
from store.catalog.lists import repository_lists
from store.errors import ReferenceNotFound
from store.formats.distribution.names import BY_ID
from store.model.limits import DEFAULT_LIMITS
from store.model.references import Reference, Repository
from store.registry import deletion, holding
from store.registry.blobs import ServedBlobs
from store.registry.manifests import ServedManifest, ServedManifests
from store.registry.push import (
    MAX_MANIFEST_BYTES,
    Pushed,
    Sparse,
    image_config,
    parse_manifest,
    push_manifest,
)
from store.registry.repositories import repository_of, require_repository
from store.registry.uploads import Uploads
from store.workspace.soundness import sound_files, unsound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from store.catalog.lists.repository_lists import Referrer
    from store.model.actors import Actor
    from store.model.contents import Sources
    from store.model.digests import DiffID, Digest
    from store.model.limits import Limits
    from store.registry.blobs import ServedBlob
    from store.workspace.workspace import Workspace

__all__ = ["MAX_MANIFEST_BYTES", "Pushed", "Registry", "ServedManifest", "Sparse"]


@final
class Registry:
    """The registry's view of a store. Threads may share this object.

    Damaged manifests and blobs count as not held, so that clients push them again.

    Args:
        workspace: The opened store.
        sparse: The targets of a pushed manifest that may be missing.
        limits: The limits of pushed documents and blobs.
        max_uploads: Largest number of uploads in progress; None for no limit.
        on_damage: Called with the digest of each manifest or blob that is found damaged or missing.

    Attributes:
        uploads: The uploads in progress.
    """

    def __init__(
        self,
        workspace: Workspace,
        *,
        sparse: Sparse = Sparse.INDEXES,
        limits: Limits = DEFAULT_LIMITS,
        max_uploads: int | None = None,
        on_damage: Callable[[Digest], None] = lambda _: None,
    ) -> None:
        self._workspace = workspace
        self._blobs = ServedBlobs(workspace, on_damage)
        self._manifests = ServedManifests(workspace, on_damage)
        self._sparse = sparse
        self._limits = limits
        self.uploads = Uploads(workspace, max_bytes=limits.layer_bytes, max_uploads=max_uploads)

    # --- manifests --------------------------------------------------------------------------------

    def manifest(self, repository: Repository, target: str | Digest) -> ServedManifest:
        """Return a manifest or index. This may wait for a disk.

        Args:
            repository: The repository that serves the manifest.
            target: A tag or a digest.

        Raises:
            RepositoryNotFound: There is no such repository.
            ReferenceNotFound: The repository does not have the tag, or its manifest is damaged.
            ContentNotFound: The repository does not hold the digest, or the manifest is damaged.
        """
        return self._manifests.get(repository, target)

    def manifest_if_inline(
        self, repository: Repository, target: str | Digest
    ) -> ServedManifest | None:
        """Return a manifest with one look-up, so that an event loop need not wait.

        Args:
            repository: The repository that serves the manifest.
            target: A tag or a digest.

        Returns:
            The manifest; None if its bytes are not in the database, or the repository does not
            serve it. Then call `manifest`.
        """
        return self._manifests.get_if_inline(repository, target)

    def put_manifest(
        self,
        repository: Repository,
        data: bytes,
        *,
        media_type: str,
        digest: Digest | None,
        tags: Sequence[str],
        offered_for: Reference | None = None,
        actor: Actor | None = None,
    ) -> Pushed:
        """Write a manifest or index and its tags in one transaction.

        Args:
            repository: The repository that receives the manifest.
            data: The exact bytes.
            media_type: The media type that the client states; may be empty.
            digest: The digest that the client states; None if it states none.
            tags: The tags that name the manifest from now on.
            offered_for: The original of a variant, as tag and digest; None if the manifest is not
                a variant. A variant is removed with the tag of its original.
            actor: The user who pushes; None for the user of this process.

        Raises:
            TooLarge: The manifest is larger than `MAX_MANIFEST_BYTES`, the indexes below it are
                nested too deep or lead to too many manifests, or the manifest has too many
                annotations or its config too many labels.
            InvalidDocument: The bytes are not a manifest or index.
            DigestMismatch: The stated digest, or a size in a descriptor, is wrong.
            MissingBlobs: The repository does not hold a target that must exist.
            ReferenceNotFound: The tag of a variant's original has moved, or a user has set a tag
                of the variant.
        """
        document = parse_manifest(data, media_type=media_type, digest=digest, limits=self._limits)
        blobs = [one.digest for one in document.links if not one.is_document]
        # To look at content of other repositories would take time, which would tell that it exists.
        with self._workspace.read() as connection:
            known = pushes.known_content(connection, repository, documents=blobs)
        held = {digest: one for digest, one in known.items() if one.is_held}
        files = [one for one in held.values() if not one.is_inline]

        def read(wanted: Digest) -> bytes:
            others = partial(self._blobs.sources, repository, wanted)
            return self._manifests.read_held(held.get(wanted), others)

        config = image_config(document, self._limits, read)
        if doubtful := held.keys() - sound_files(self._workspace.blobs, files, is_untouched=True):
            unsound(self._workspace, doubtful)
        with self._workspace.write("push", actor=actor) as connection:
            if offered_for is not None:
                _require_offer(connection, offered_for, tags)
            return push_manifest(
                connection,
                repository,
                document,
                config,
                tags=tags,
                sparse=self._sparse,
                blobs=self._workspace.blobs,
                now=self._workspace.now(),
                operation="push" if offered_for is None else variants.OFFER,
                limits=self._limits,
            )

    def delete_manifest(
        self, repository: Repository, digest: Digest, *, actor: Actor | None = None
    ) -> None:
        """Remove a manifest from a repository, with its tags and their variants.

        Args:
            repository: The repository that holds the manifest.
            digest: The digest of the manifest.
            actor: The user who deletes; None for the user of this process.

        Raises:
            RepositoryNotFound: There is no such repository.
            ContentNotFound: The repository does not hold the manifest.
        """
        with self._workspace.write_to_free("registry", actor=actor) as connection:
            deletion.delete_manifest(connection, repository, digest, now=self._workspace.now())

    def delete_tag(self, repository: Repository, tag: str, *, actor: Actor | None = None) -> None:
        """Remove a tag, and the variants of its image. The manifest stays readable by digest.

        Args:
            repository: The repository that has the tag.
            tag: The name of the tag.
            actor: The user who deletes; None for the user of this process.

        Raises:
            RepositoryNotFound: There is no such repository.
            ReferenceNotFound: The repository does not have the tag.
        """
        with self._workspace.write_to_free("registry", actor=actor) as connection:
            deletion.delete_tag(connection, repository, tag, now=self._workspace.now())

    # --- blobs ------------------------------------------------------------------------------------

    def open_blob(
        self, repository: Repository, digest: Digest, likely: Sources | None = None
    ) -> ServedBlob:
        """Open a blob. This may wait for a disk.

        Args:
            repository: The repository that serves the blob.
            digest: The digest of the blob.
            likely: What `find_blob` has returned for this request.

        Returns:
            The blob, to be closed by the caller.

        Raises:
            ContentNotFound: The repository does not hold the blob.
        """
        return self._blobs.open(repository, digest, likely)

    def find_blob(self, repository: Repository, digest: Digest) -> Sources | None:
        """Find a blob with one look-up, so that an event loop need not wait.

        Returns:
            What `open_blob` may be told; None if more look-ups are needed.

        Raises:
            ContentNotFound: The repository does not hold the blob.
        """
        return self._blobs.find(repository, digest)

    def blob(self, repository: Repository, digest: Digest) -> Sources:
        """Return the stored forms of a blob, without the forms whose files are missing.

        Args:
            repository: The repository that serves the blob.
            digest: The digest of the blob.

        Raises:
            ContentNotFound: The repository does not hold the blob.
        """
        return self._blobs.sources(repository, digest)

    def renew(self, repository: Repository, digest: Digest) -> bool:
        """Extend the grace period of a blob that a client relies on.

        Args:
            repository: The repository that holds the blob.
            digest: The digest of the blob.

        Returns:
            False if the repository no longer holds the blob.
        """
        return holding.extend_grace(self._workspace, repository, digest)

    def mount(
        self,
        repository: Repository,
        digest: Digest,
        may_read: Callable[[Repository], bool],
        source: Repository | None = None,
    ) -> bool:
        """Let a repository serve a blob that another repository serves.

        Args:
            repository: The repository that will serve the blob.
            digest: The digest of the blob.
            may_read: Returns whether the client may read a repository.
            source: The only repository to search; None to search all repositories.

        Returns:
            Whether the repository serves the blob now.
        """
        return holding.mount(self._workspace, repository, digest, may_read, source=source)

    def adopt(self, repository: Repository, digests: Iterable[Digest]) -> None:
        """Let a repository serve stored blobs. The caller has checked permission.

        Args:
            repository: The repository that will serve the blobs.
            digests: The digests of the blobs; missing and damaged blobs are left out.
        """
        with self._workspace.write("registry") as connection:
            holding.adopt(connection, repository, digests, now=self._workspace.now())

    def note_encodings(self, made: Mapping[Digest, DiffID], codec: str) -> None:
        """Record the layer that each stored blob decodes to. The caller has encoded the blobs.

        Args:
            made: The diff ID of each blob, by the blob's digest.
            codec: The codec of all these blobs.
        """
        with self._workspace.write("registry") as connection:
            holding.record_encodings(connection, made, codec)

    def delete_blob(self, repository: Repository, digest: Digest) -> None:
        """Stop serving a blob from a repository. A later collection frees the bytes.

        Args:
            repository: The repository that serves the blob.
            digest: The digest of the blob.

        Raises:
            RepositoryNotFound: There is no such repository.
            ContentNotFound: The repository does not hold the blob.
        """
        with self._workspace.write_to_free("registry") as connection:
            deletion.delete_blob(connection, repository, digest)

    # --- lists ------------------------------------------------------------------------------------

    def repositories(
        self, *, after: str, limit: int, domain: str | None = None, outside: str | None = None
    ) -> list[Repository]:
        """Return repositories that hold a manifest, in byte order of their full names.

        Args:
            after: The last full name of the previous page; empty for the first page.
            limit: The largest number of repositories to return.
            domain: Only repositories of this domain; None for all.
            outside: Only repositories that are not of this domain; None for all.
        """
        with self._workspace.read() as connection:
            names = repository_lists.repositories(
                connection, after=after, limit=limit, domain=domain, outside=outside
            )
            return [repository_of(name) for name in names]

    def tags(
        self, repository: Repository, *, after: str = "", limit: int | None = None
    ) -> list[str]:
        """Return tags of a repository, in byte order.

        Args:
            repository: The repository to list.
            after: The last tag of the previous page; empty for the first page.
            limit: The largest number of tags to return; None for all.

        Raises:
            RepositoryNotFound: There is no such repository.
        """
        with self._workspace.read() as connection:
            require_repository(connection, repository)
            return repository_lists.tags(connection, repository, after=after, limit=limit)

    def encoded_tags(self, repository: Repository, tags: Iterable[str], codec: str) -> set[str]:
        """Return the tags that name images whose layers are all stored in one codec.

        Args:
            repository: The repository that has the tags.
            tags: The tags to choose from.
            codec: The codec of the stored layers; the codec in the manifests does not matter.
        """
        with self._workspace.read() as connection:
            return variants.encoded_tags(connection, repository, tags, codec)

    def is_taken(self, repository: Repository, tag: str) -> bool:
        """Return whether a tag exists and does not name a variant.

        Args:
            repository: The repository to search.
            tag: The name of the tag.
        """
        with self._workspace.read() as connection:
            return _is_taken(connection, Reference(repository, tag))

    def referrers(
        self,
        repository: Repository,
        subject: Digest,
        *,
        artifact_type: str | None,
        after: str,
        limit: int,
    ) -> list[Referrer]:
        """Return the referrers of ``subject`` in a repository, sorted by digest.

        Args:
            repository: The repository that holds the referrers.
            subject: The digest of the subject, which the repository need not hold.
            artifact_type: Only referrers of this type; None for all.
            after: The last digest of the previous page; empty for the first page.
            limit: The largest number of referrers to return.
        """
        with self._workspace.read() as connection:
            return repository_lists.referrers(
                connection,
                repository,
                subject,
                artifact_type=artifact_type,
                after=after,
                limit=limit,
            )

    # --- holders ---------------------------------------------------------------------------------

    def holders(self, digest: Digest) -> tuple[Repository, ...]:
        """Return the repositories that serve a blob.

        Args:
            digest: The digest of the blob.
        """
        with self._workspace.read() as connection:
            return tuple(repository_of(name) for name in repositories.holders(connection, digest))

    def image_holders(self, digest: Digest) -> tuple[Repository, ...]:
        """Return the repositories that serve a manifest or an image.

        Args:
            digest: The digest of a manifest or index, or an image's ID.

        Returns:
            The repositories; `BY_ID` is among them if the manifest or image is kept without a name.
        """
        with self._workspace.read() as connection:
            names = repositories.image_holders(connection, digest)
            found = tuple(repository_of(name) for name in names)
            is_kept = repositories.kept_without_name(connection, digest)
            return (*found, BY_ID) if is_kept else found


def _is_taken(connection: Connection, name: Reference) -> bool:
    return references.get(connection, name) is not None and not variants.is_offered(
        connection, name
    )


def _require_offer(connection: Connection, original: Reference, tags: Sequence[str]) -> None:
    """Reject a variant whose original has moved, or whose tags a user has set.

    Raises:
        ReferenceNotFound: The original has moved, or a tag is taken.
    """
    target = references.get(connection, original)
    if target is None or target.digest != original.digest:
        raise ReferenceNotFound(f"the tag {original.familiar} has moved")
    for tag in tags:
        if _is_taken(connection, Reference(original.repository, tag)):
            raise ReferenceNotFound(f"another push has set {original.repository}:{tag}")
