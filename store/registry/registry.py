"""A store as a registry sees it.

Repositories that hold blobs and manifests by digest, tags, referrers.

Reading asks `repository_content`: what a repository was not given it does not serve, wherever else
it lies in the store.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, final

from store.catalog import content, encodings, naming, references, serving, variants
from store.catalog import events as records
from store.catalog import repositories as catalog
from store.catalog.checking import verification
from store.catalog.events import Event
from store.catalog.lists import repository_lists
from store.content.stored import damaged
from store.errors import (
    ContentMissing,
    ContentNotFound,
    DamagedContent,
    DigestMismatch,
    InvalidDocument,
    ReferenceNotFound,
    RepositoryNotFound,
    TooLarge,
    printable,
)
from store.formats.distribution.names import BY_ID
from store.formats.image.config import ImageConfig
from store.formats.image.manifests import Document
from store.model.contents import ContentState, Sources
from store.model.digests import Digest, ImageID
from store.model.limits import DEFAULT_LIMITS, MIB
from store.model.references import Reference, Repository
from store.names import tagging as removal
from store.registry.blobs import ServedBlobs, unknown_blob
from store.registry.damage import tolerating_failed_notes
from store.registry.push import Pushed, Put, Sparse
from store.registry.uploads import Uploads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from store.catalog.lists.repository_lists import Referrer
    from store.catalog.repositories import HeldManifest
    from store.db.types import RepositoryKey
    from store.model.digests import DiffID
    from store.model.limits import Limits
    from store.registry.blobs import ServedBlob
    from store.workspace.workspace import Workspace

__all__ = ["BY_ID", "MANIFEST_BYTES", "RENEWED_S", "Pushed", "Registry", "ServedManifest", "Sparse"]

logger = logging.getLogger(__name__)

MANIFEST_BYTES: Final = 4 * MIB
"""The largest manifest that is taken; the specification asks for no less."""

RENEWED_S: Final = 3600
"""The grace of a blob is begun anew when it began longer ago than this.

It lasts a day (see `store.maintenance.gc`).
"""

_OPERATION: Final = "registry"


@final
@dataclass(frozen=True, slots=True)
class ServedManifest:
    """A manifest or index, with its exact bytes."""

    digest: Digest
    media_type: str
    data: bytes


@final
class Registry:
    """The registry's view of a store. Threads may share it.

    What is damaged is not there, whoever asks, and however: so that a client that has it brings it
    once more, and it is sound again.

    Args:
        workspace: The store.
        sparse: What pushed manifests may point at although it is not here.
        limits: Ceilings for what is pushed.
        max_uploads: How many may be in progress at once.
        on_damage: Told of each stored content that is found damaged, or gone.
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
        self._on_damage = on_damage
        self._blobs = ServedBlobs(workspace, on_damage)
        self._sparse = sparse
        self._limits = limits
        self.uploads = Uploads(workspace, max_bytes=limits.layer_bytes, most=max_uploads)

    # --- reading ----------------------------------------------------------------------------------

    def manifest(self, repository: Repository, target: str | Digest) -> ServedManifest:
        """A manifest or index by tag or digest.

        Raises RepositoryNotFound, ReferenceNotFound, ContentNotFound.
        """
        with self._workspace.read() as connection:
            found = self._find(connection, repository, target)
            if found.data is not None:
                return ServedManifest(found.digest, found.media_type, found.data)
            sources = content.sources(connection, (found.digest,))[found.digest]
        try:
            return ServedManifest(found.digest, found.media_type, self._whole(sources))
        except (DamagedContent, ContentMissing) as exc:
            if sources.state is ContentState.PRESENT:
                logger.error("%s", printable(exc.message))  # noqa: TRY400 - what is wrong is known
                with tolerating_failed_notes():
                    self._workspace.report_damage(exc)
                self._on_damage(exc.digest)
            raise _unknown_manifest(
                repository, target, because="it is damaged here; push it again"
            ) from exc

    def quick_manifest(self, repository: Repository, target: str | Digest) -> ServedManifest | None:
        """The same where one look-up by index has the answer: no thread is worth its while for that. None when it has not, whatever the reason."""
        if repository == BY_ID:
            return None
        with self._workspace.look() as connection:
            found = (
                catalog.by_digest(connection, repository, target)
                if isinstance(target, Digest)
                else catalog.by_tag(connection, repository, target)
            )
        return (
            None
            if found is None or found.data is None
            else ServedManifest(found.digest, found.media_type, found.data)
        )

    def _whole(self, sources: Sources) -> bytes:
        if sources.state is not ContentState.PRESENT:
            raise damaged(sources.digest, "it was found damaged before")
        with self._workspace.reader() as reader:
            return b"".join(reader.chunks(sources))

    def _find(
        self, connection: Connection, repository: Repository, target: str | Digest
    ) -> HeldManifest:
        if repository == BY_ID:
            if isinstance(target, Digest) and catalog.kept_without_name(connection, target):
                found = catalog.manifest_of(connection, target)
                if found is not None:
                    return found
            raise _unknown_manifest(repository, target)
        found = (
            catalog.by_digest(connection, repository, target)
            if isinstance(target, Digest)
            else catalog.by_tag(connection, repository, target)
        )
        if found is None:
            self._require(connection, repository)
            raise _unknown_manifest(repository, target)
        return found

    def open_blob_if_cached(self, repository: Repository, digest: Digest) -> ServedBlob | None:
        """Open a blob with one look-up by index and without waiting, so that an event loop may.

        Returns:
            The blob, to be closed by the caller; None if only `open_blob` can tell.

        Raises:
            ContentNotFound: The repository does not hold the blob.
        """
        return self._blobs.open_if_cached(repository, digest)

    def open_blob(self, repository: Repository, digest: Digest) -> ServedBlob:
        """Open a blob; this may wait for a disk.

        Returns:
            The blob, to be closed by the caller.

        Raises:
            ContentNotFound: The repository does not hold the blob.
        """
        return self._blobs.open(repository, digest)

    def blob(self, repository: Repository, digest: Digest) -> Sources:
        """Return the forms of a blob whose files are there.

        Raises:
            ContentNotFound: The repository does not hold the blob.
        """
        return self._blobs.sources(repository, digest)

    def holders(self, digest: Digest) -> tuple[Repository, ...]:
        """The repositories that serve this blob."""
        with self._workspace.read() as connection:
            return tuple(_repository(name) for name in catalog.holders(connection, digest))

    def image_holders(self, digest: Digest) -> tuple[Repository, ...]:
        """The repositories that serve a manifest or index with this digest, or an image with this ID; `BY_ID` when it is kept without a name."""
        with self._workspace.read() as connection:
            named = tuple(_repository(name) for name in catalog.image_holders(connection, digest))
            return (*named, BY_ID) if catalog.kept_without_name(connection, digest) else named

    def unverified_images(self) -> tuple[ImageID, ...]:
        """Pushed images whose layers nobody has decoded yet."""
        with self._workspace.read() as connection:
            return tuple(map(ImageID, verification.unverified_images(connection)))

    def unreadable(
        self, contents: Iterable[Sources], may_read: Callable[[Repository], bool]
    ) -> list[Digest]:
        """Which of ``contents`` no repository serves that ``may_read`` allows: neither as they are nor as something that they are decoded from."""
        wanted = list(contents)
        with self._workspace.read() as connection:
            forms = {
                one.digest: {one.digest, *(stored.digest for stored in one.encodings)}
                for one in wanted
            }
            held = catalog.holders_of_all(
                connection, {digest for some in forms.values() for digest in some}
            )
            answers: dict[str, bool] = {}

            def readable(name: str) -> bool:
                if name not in answers:
                    answers[name] = may_read(_repository(name))
                return answers[name]

            found = [
                digest
                for digest, some in forms.items()
                if not any(readable(name) for form in some for name in held.get(form, ()))
            ]
            if found and may_read(BY_ID):
                found = [
                    digest
                    for digest in found
                    if not any(
                        catalog.kept_without_name(connection, form) for form in forms[digest]
                    )
                ]
            return found

    def tags(
        self, repository: Repository, *, after: str = "", limit: int | None = None
    ) -> list[str]:
        """Its tags behind ``after``, in byte order. Raises RepositoryNotFound."""
        with self._workspace.read() as connection:
            self._require(connection, repository)
            return repository_lists.tags(connection, repository, after=after, limit=limit)

    def encoded_tags(self, repository: Repository, tags: Iterable[str], codec: str) -> set[str]:
        """Those of ``tags`` that name images whose layers are all stored in ``codec``, whatever their manifests say."""
        with self._workspace.read() as connection:
            return variants.encoded_tags(connection, repository, tags, codec)

    def is_taken(self, repository: Repository, tag: str) -> bool:
        """Whether somebody has set this tag: it names something, and is none that was `put_manifest` as offered."""
        with self._workspace.read() as connection:
            return self._is_taken(connection, Reference(repository, tag))

    @staticmethod
    def _is_taken(connection: Connection, name: Reference) -> bool:
        return references.get(connection, name) is not None and not variants.is_offered(
            connection, name
        )

    def repositories(
        self, *, after: str, limit: int, domain: str | None = None, outside: str | None = None
    ) -> list[Repository]:
        """Those that hold a manifest, behind ``after`` in the byte order of full names: of one ``domain``, or ``outside`` of one."""
        with self._workspace.read() as connection:
            return [
                _repository(name)
                for name in repository_lists.repositories(
                    connection, after=after, limit=limit, domain=domain, outside=outside
                )
            ]

    def referrers(
        self,
        repository: Repository,
        subject: Digest,
        *,
        artifact_type: str | None,
        after: str,
        limit: int,
    ) -> list[Referrer]:
        """What refers to ``subject`` in this repository, in the order of digests.

        Whether or not the subject is here.
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

    @staticmethod
    def _require(connection: Connection, repository: Repository) -> RepositoryKey:
        key = catalog.find(connection, repository)
        if key is None:
            raise RepositoryNotFound(f"no repository {repository}")
        return key

    # --- blobs ------------------------------------------------------------------------------------

    def renew(self, repository: Repository, digest: Digest) -> None:
        """Somebody relies on a blob being here: begin its grace anew, when much of it is over.

        Nothing happens when it is not held, or the store cannot be written.
        """
        if self._workspace.read_only:
            return
        with self._workspace.look() as connection:
            # Clients ask about the same blobs over and over: that must not be a write every time.
            if catalog.is_fresh(
                connection, repository, digest, self._workspace.now() - timedelta(seconds=RENEWED_S)
            ):
                return
        with tolerating_failed_notes(), self._workspace.write("registry") as connection:
            held = catalog.held(connection, repository, (digest,))
            key = catalog.find(connection, repository)
            if digest in held and key is not None:
                serving.hold(connection, key, held[digest], fresh_at=self._workspace.now())

    def mount(
        self, repository: Repository, digest: Digest, sources: Callable[[Repository], bool]
    ) -> bool:
        """Let a repository serve a blob that another one serves which ``sources`` allows.

        False when there is none, or its bytes are not sound.
        """
        with self._workspace.write("mount") as connection:
            self._blobs.mark_missing(connection, digest)
            allowed = any(
                sources(_repository(name)) for name in catalog.holders(connection, digest)
            )
            known = content.find(connection, (digest,)).get(digest)
            if not allowed or known is None:
                return False
            key = serving.ensure_repositories(connection, (repository,))[repository]
            serving.hold(connection, key, known.key, fresh_at=self._workspace.now())
        return True

    def adopt(self, repository: Repository, digests: Iterable[Digest]) -> None:
        """Let a repository serve contents that are sound here: for who has made sure that it may."""
        with self._workspace.write("registry") as connection:
            key = serving.ensure_repositories(connection, (repository,))[repository]
            now = self._workspace.now()
            for known in content.find(connection, digests).values():
                if known.state is ContentState.PRESENT:
                    serving.hold(connection, key, known.key, fresh_at=now)

    def note_encodings(self, made: Mapping[Digest, DiffID], codec: str) -> None:
        """Contents that are here, each with the diff that it was encoded from: for who has encoded it, and need not decode it to know."""
        with self._workspace.write("registry") as connection:
            known = content.find(connection, {*made, *(diff.digest for diff in made.values())})
            both = [
                (diff.digest, digest)
                for digest, diff in made.items()
                if digest in known and diff.digest in known
            ]
            encodings.put_encodings(
                connection,
                [
                    encodings.NewEncoding(known[diff].key, known[digest].key, codec, seekable=False)
                    for diff, digest in both
                ],
            )

    def delete_blob(self, repository: Repository, digest: Digest) -> None:
        """The repository serves it no longer; gc frees the bytes.

        Raises RepositoryNotFound, ContentNotFound.
        """
        with self._workspace.write("registry") as connection:
            key = self._require(connection, repository)
            known = content.find(connection, (digest,)).get(digest)
            if known is None or not serving.let_go(connection, key, known.key):
                raise unknown_blob(repository, digest)

    # --- manifests --------------------------------------------------------------------------------

    def put_manifest(
        self,
        repository: Repository,
        data: bytes,
        *,
        media_type: str,
        digest: Digest | None,
        tags: Sequence[str],
        offered_for: Reference | None = None,
    ) -> Pushed:
        """Take in a manifest or index, and let ``tags`` name it: all of it or nothing.

        Everything it points at must be in the repository, but for what `Sparse` says.

        Args:
            repository: Where it is pushed to. data: The exact bytes. media_type: What the client
                calls it; may be empty. digest: What the client says they hash to. tags: Names to
                give it. offered_for: It is a variant of what this tag names, the digest being that
                of its manifest: it is taken only while that is so and nobody has set
                its own tag, and goes with it.

        Raises:
            InvalidDocument: It is no manifest that can be stored.
            DigestMismatch: The bytes or something they say do not fit a digest or size.
            TooLarge: It passes `MANIFEST_BYTES`.
            MissingBlobs: Something it points at is not here.
            ReferenceNotFound: A variant's time has passed.
        """
        if len(data) > MANIFEST_BYTES:
            raise TooLarge(f"a manifest of {len(data)} bytes", limit=MANIFEST_BYTES)
        got = Digest.of(data, "sha256" if digest is None else digest.algorithm)
        if digest is not None and got != digest:
            raise DigestMismatch("the manifest", want=digest, got=got)
        document = Document.parse(data, digest=got, media_type=media_type, limits=self._limits)
        config = self._config(repository, document)
        with self._workspace.write("push") as connection:
            put = Put(
                connection,
                repository,
                document,
                self._workspace.blobs,
                now=self._workspace.now(),
                sparse=self._sparse,
            )
            if offered_for is not None:
                self._require_wanted(connection, offered_for, tags)
            return put.run(
                config, tags, operation="push" if offered_for is None else variants.OFFER
            )

    def _require_wanted(
        self, connection: Connection, original: Reference, tags: Sequence[str]
    ) -> None:
        target = references.get(connection, original)
        if target is None or target.digest != original.digest:
            raise ReferenceNotFound(f"{original.familiar} has moved")
        for tag in tags:
            if self._is_taken(connection, Reference(original.repository, tag)):
                raise ReferenceNotFound(f"somebody has set {original.repository}:{tag}")

    def _config(self, repository: Repository, document: Document) -> ImageConfig | None:
        """The config of the image a manifest describes; None when it describes none."""
        link = document.config
        if (
            not document.claims_image
            or link is None
            or link.target.size_bytes > self._limits.inline_bytes
        ):
            return None
        try:
            data = self._whole(self.blob(repository, link.digest))
        except (ContentNotFound, DamagedContent):
            return None
        try:
            config = ImageConfig.parse(data, self._limits, digest=link.digest)
        except (InvalidDocument, TooLarge):
            # A type is borrowed easily: signatures, and what tests push.
            return None
        return config if len(config.diff_ids) == len(document.layers) else None

    def delete_tag(self, repository: Repository, tag: str) -> None:
        """Take a tag away, and the variants that were offered for it.

        The manifest stays, by its digest. Raises RepositoryNotFound, ReferenceNotFound.
        """
        with self._workspace.write("registry") as connection:
            self._require(connection, repository)
            target = references.get(connection, Reference(repository, tag))
            if target is None:
                raise _unknown_manifest(repository, tag)
            naming.remove_tag(connection, target, now=self._workspace.now(), operation=_OPERATION)
            self._record(connection, "untag", target.image_id, target.digest, target.reference)
            removal.remove_variants(
                connection, target.reference, now=self._workspace.now(), operation=_OPERATION
            )

    def delete_manifest(self, repository: Repository, digest: Digest) -> None:
        """Take a manifest out of the repository, its tags, and what was offered for these.

        Raises RepositoryNotFound, ContentNotFound.
        """
        with self._workspace.write("registry") as connection:
            key = self._require(connection, repository)
            found = catalog.by_digest(connection, repository, digest)
            if found is None:
                raise _unknown_manifest(repository, digest)
            now = self._workspace.now()
            for tag in repository_lists.tags_of(connection, key, found.key):
                target = references.get(connection, Reference(repository, tag))
                if target is not None:
                    naming.remove_tag(connection, target, now=now, operation=_OPERATION)
                    removal.remove_variants(
                        connection, target.reference, now=now, operation=_OPERATION
                    )
            serving.let_go(connection, key, found.key)
            serving.drop_unheld(connection, found.key)
            self._record(connection, "delete", None, digest, Reference(repository, None, digest))

    def _record(
        self,
        connection: Connection,
        action: str,
        image_id: ImageID | None,
        digest: Digest,
        name: Reference,
    ) -> None:
        records.add_events(
            connection,
            [
                Event(
                    self._workspace.now(), action, str(image_id or digest), {"name": name.familiar}
                )
            ],
        )


def _repository(name: str) -> Repository:
    domain, _, path = name.partition("/")
    return Repository(domain, path)


def _unknown_manifest(
    repository: Repository, target: str | Digest, *, because: str = ""
) -> ReferenceNotFound | ContentNotFound:
    why = because and f": {because}"
    if isinstance(target, Digest):
        return ContentNotFound(f"{repository} holds no manifest {target}{why}", digest=target)
    return ReferenceNotFound(f"{repository} has no tag {target}{why}")
