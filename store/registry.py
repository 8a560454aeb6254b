"""A store as a registry sees it: repositories that hold blobs and manifests by digest, tags, referrers.

Reading asks `repository_content`: what a repository was not given it does not serve, wherever else it lies in the store.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, final

from store.catalog import content, images, manifests, records, references, variants
from store.catalog import registry as catalog
from store.documents import ImageConfig
from store.errors import ContentNotFound, DamagedContent, DigestMismatch, InvalidDocument, MissingBlobs, ReferenceNotFound, RepositoryNotFound, TooLarge
from store.limits import DEFAULT_LIMITS, MIB
from store.manifests import Document, Role
from store.model import ContentState, Event
from store.reader import damaged
from store.references import Reference, Repository
from store.uploads import Uploads
from store.values import Digest, ImageID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from store.catalog.content import Sources
    from store.catalog.registry import HeldManifest, Referrer
    from store.db.types import ContentKey, RepositoryKey
    from store.facade import Store
    from store.limits import Limits
    from store.manifests import Link
    from store.values import DiffID

MANIFEST_BYTES: Final = 4 * MIB
"""The largest manifest that is taken; the specification asks for no less."""

RENEWED_S: Final = 3600
"""The grace of a blob is begun anew when it began longer ago than this; it lasts a day (see `store.gc`)."""

BY_ID: Final = Repository("_", "by-id")
"""Where images without a name are served, by the digest of their manifest. No image reference can be written for it, so nobody can push there."""


class Sparse(StrEnum):
    """What a manifest that is pushed may point at although it is not in the repository. What has URLs of its own always may be missing."""

    NOTHING = "nothing"
    INDEXES = "indexes"
    """Manifests that an index lists: the platforms nobody wanted."""

    BLOBS = "blobs"
    """Blobs as well: a client that relies on being told of a missing one is not told."""


@final
@dataclass(frozen=True, slots=True)
class ServedManifest:
    """A manifest or index, with its exact bytes."""

    digest: Digest
    media_type: str
    data: bytes


@final
@dataclass(frozen=True, slots=True)
class Pushed:
    """What a manifest's push did."""

    digest: Digest
    subject: Digest | None
    tags: tuple[str, ...]
    image_id: ImageID | None
    """The image it describes, when its layers have not been looked into yet."""


@final
class Registry:
    """The registry's view of a store. Threads may share it."""

    def __init__(self, store: Store, *, sparse: Sparse = Sparse.INDEXES, limits: Limits = DEFAULT_LIMITS, most_uploads: int | None = None) -> None:
        self._store = store
        self._sparse = sparse
        self._limits = limits
        self.uploads = Uploads(store, max_bytes=limits.layer_bytes, most=most_uploads)

    # --- reading -----------------------------------------------------------------------------------------------------

    def manifest(self, repository: Repository, target: str | Digest) -> ServedManifest:
        """A manifest or index by tag or digest. Raises RepositoryNotFound, ReferenceNotFound, ContentNotFound, DamagedContent."""
        with self._store.read() as connection:
            found = self._find(connection, repository, target)
            if found.data is not None:
                return ServedManifest(found.digest, found.media_type, found.data)
            sources = content.sources(connection, (found.digest,))[found.digest]
        return ServedManifest(found.digest, found.media_type, self._whole(sources))

    def quick_manifest(self, repository: Repository, target: str | Digest) -> ServedManifest | None:
        """The same where one look-up by index has the answer: no thread is worth its while for that. None when it has not, whatever the reason."""
        if repository == BY_ID:
            return None
        with self._store.look() as connection:
            found = catalog.by_digest(connection, repository, target) if isinstance(target, Digest) else catalog.by_tag(connection, repository, target)
        return None if found is None or found.data is None else ServedManifest(found.digest, found.media_type, found.data)

    def _whole(self, sources: Sources) -> bytes:
        if sources.state is not ContentState.PRESENT:
            raise damaged(sources.digest, "it was found damaged before")
        with self._store.reader() as reader:
            return b"".join(reader.chunks(sources))

    def _find(self, connection: Connection, repository: Repository, target: str | Digest) -> HeldManifest:
        if repository == BY_ID:
            if isinstance(target, Digest) and catalog.kept_without_name(connection, target):
                found = catalog.manifest_of(connection, target)
                if found is not None:
                    return found
            raise _unknown_manifest(repository, target)
        found = catalog.by_digest(connection, repository, target) if isinstance(target, Digest) else catalog.by_tag(connection, repository, target)
        if found is None:
            self._require(connection, repository)
            raise _unknown_manifest(repository, target)
        return found

    def blob(self, repository: Repository, digest: Digest) -> Sources:
        """Where the bytes of a blob can be had. Raises RepositoryNotFound, ContentNotFound."""
        with self._store.read() as connection:
            if not self._holds(connection, repository, digest):
                raise ContentNotFound(f"{repository} holds no blob {digest}", digest=digest)
            return content.sources(connection, (digest,))[digest]

    @staticmethod
    def _holds(connection: Connection, repository: Repository, digest: Digest) -> bool:
        if repository == BY_ID:
            return catalog.kept_without_name(connection, digest)
        return digest in catalog.held(connection, repository, (digest,))

    def holders(self, digest: Digest) -> tuple[Repository, ...]:
        """The repositories that serve this blob."""
        with self._store.read() as connection:
            return tuple(_repository(name) for name in catalog.holders(connection, digest))

    def image_holders(self, digest: Digest) -> tuple[Repository, ...]:
        """The repositories that serve a manifest or index with this digest, or an image with this ID; `BY_ID` when it is kept without a name."""
        with self._store.read() as connection:
            named = tuple(_repository(name) for name in catalog.image_holders(connection, digest))
            return (*named, BY_ID) if catalog.kept_without_name(connection, digest) else named

    def unverified_images(self) -> tuple[ImageID, ...]:
        """Pushed images whose layers nobody has decoded yet."""
        with self._store.read() as connection:
            return tuple(map(ImageID, catalog.unverified_images(connection)))

    def unreadable(self, contents: Iterable[Sources], may_read: Callable[[Repository], bool]) -> list[Digest]:
        """Which of ``contents`` no repository serves that ``may_read`` allows: neither as they are nor as something that they are decoded from."""
        wanted = list(contents)
        with self._store.read() as connection:
            forms = {one.digest: {one.digest, *(stored.digest for stored in one.encodings)} for one in wanted}
            held = catalog.holders_of_all(connection, {digest for some in forms.values() for digest in some})
            answers: dict[str, bool] = {}

            def readable(name: str) -> bool:
                if name not in answers:
                    answers[name] = may_read(_repository(name))
                return answers[name]

            found = [digest for digest, some in forms.items() if not any(readable(name) for form in some for name in held.get(form, ()))]
            if found and may_read(BY_ID):
                found = [digest for digest in found if not any(catalog.kept_without_name(connection, form) for form in forms[digest])]
            return found

    def tags(self, repository: Repository, *, after: str = "", limit: int | None = None) -> list[str]:
        """Its tags behind ``after``, in byte order. Raises RepositoryNotFound."""
        with self._store.read() as connection:
            self._require(connection, repository)
            return catalog.tags(connection, repository, after=after, limit=limit)

    def encoded_tags(self, repository: Repository, tags: Iterable[str], codec: str) -> set[str]:
        """Those of ``tags`` that name images whose layers are all stored in ``codec``, whatever their manifests say."""
        with self._store.read() as connection:
            return variants.encoded_tags(connection, repository, tags, codec)

    def repositories(self, *, after: str, limit: int, domain: str | None = None, outside: str | None = None) -> list[Repository]:
        """Those that hold a manifest, behind ``after`` in the byte order of full names: of one ``domain``, or ``outside`` of one."""
        with self._store.read() as connection:
            return [_repository(name) for name in catalog.repositories(connection, after=after, limit=limit, domain=domain, outside=outside)]

    def referrers(self, repository: Repository, subject: Digest, *, artifact_type: str | None, after: str, limit: int) -> list[Referrer]:
        """What refers to ``subject`` in this repository, in the order of digests; whether or not the subject is here."""
        with self._store.read() as connection:
            return catalog.referrers(connection, repository, subject, artifact_type=artifact_type, after=after, limit=limit)

    @staticmethod
    def _require(connection: Connection, repository: Repository) -> RepositoryKey:
        key = catalog.find(connection, repository)
        if key is None:
            raise RepositoryNotFound(f"no repository {repository}")
        return key

    # --- blobs -------------------------------------------------------------------------------------------------------

    def renew(self, repository: Repository, digest: Digest) -> None:
        """Somebody relies on a blob being here: begin its grace anew, when much of it is over.

        Nothing happens when it is not held, or the store cannot be written.
        """
        if self._store.read_only:
            return
        with self._store.look() as connection:
            # Clients ask about the same blobs over and over: that must not be a write every time.
            if catalog.is_fresh(connection, repository, digest, self._store.now() - timedelta(seconds=RENEWED_S)):
                return
        with self._store.write("registry") as connection:
            held = catalog.held(connection, repository, (digest,))
            key = catalog.find(connection, repository)
            if digest in held and key is not None:
                catalog.hold(connection, key, held[digest], fresh_at=self._store.now())

    def mount(self, repository: Repository, digest: Digest, sources: Callable[[Repository], bool]) -> bool:
        """Let a repository serve a blob that another one serves which ``sources`` allows; False when there is none."""
        with self._store.write("mount") as connection:
            allowed = any(sources(_repository(name)) for name in catalog.holders(connection, digest))
            known = content.find(connection, (digest,)).get(digest)
            if not allowed or known is None:
                return False
            key = references.ensure_repositories(connection, (repository,))[repository]
            catalog.hold(connection, key, known.key, fresh_at=self._store.now())
        return True

    def adopt(self, repository: Repository, digests: Iterable[Digest]) -> None:
        """Let a repository serve contents that are sound here: for who has made sure that it may."""
        with self._store.write("registry") as connection:
            key = references.ensure_repositories(connection, (repository,))[repository]
            now = self._store.now()
            for known in content.find(connection, digests).values():
                if known.state is ContentState.PRESENT:
                    catalog.hold(connection, key, known.key, fresh_at=now)

    def note_encodings(self, made: Mapping[Digest, DiffID], codec: str) -> None:
        """Contents that are here, each with the diff that it was encoded from: for who has encoded it, and need not decode it to know."""
        with self._store.write("registry") as connection:
            known = content.find(connection, {*made, *(diff.digest for diff in made.values())})
            both = [(diff.digest, digest) for digest, diff in made.items() if digest in known and diff.digest in known]
            content.put_encodings(connection, [content.NewEncoding(known[diff].key, known[digest].key, codec, seekable=False) for diff, digest in both])

    def delete_blob(self, repository: Repository, digest: Digest) -> None:
        """The repository serves it no longer; gc frees the bytes. Raises RepositoryNotFound, ContentNotFound."""
        with self._store.write("registry") as connection:
            key = self._require(connection, repository)
            known = content.find(connection, (digest,)).get(digest)
            if known is None or not catalog.let_go(connection, key, known.key):
                raise ContentNotFound(f"{repository} holds no blob {digest}", digest=digest)

    # --- manifests ---------------------------------------------------------------------------------------------------

    def put_manifest(self, repository: Repository, data: bytes, *, media_type: str, digest: Digest | None, tags: Sequence[str]) -> Pushed:
        """Take in a manifest or index, and let ``tags`` name it: all of it or nothing.

        Everything it points at must be in the repository, but for what `Sparse` says.

        Args:
            repository: Where it is pushed to.
            data: The exact bytes.
            media_type: What the client calls it; may be empty.
            digest: What the client says they hash to.
            tags: Names to give it.

        Raises:
            InvalidDocument: It is no manifest that can be stored.
            DigestMismatch: The bytes or something they say do not fit a digest or size.
            TooLarge: It passes `MANIFEST_BYTES`.
            MissingBlobs: Something it points at is not here.
        """
        if len(data) > MANIFEST_BYTES:
            raise TooLarge(f"a manifest of {len(data)} bytes", limit=MANIFEST_BYTES)
        got = Digest.of(data, "sha256" if digest is None else digest.algorithm)
        if digest is not None and got != digest:
            raise DigestMismatch("the manifest", want=digest, got=got)
        document = Document.parse(data, digest=got, media_type=media_type, limits=self._limits)
        config = self._config(repository, document)
        with self._store.write("push") as connection:
            put = _Put(connection, repository, document, now=self._store.now(), sparse=self._sparse)
            return put.run(config, tags)

    def _config(self, repository: Repository, document: Document) -> ImageConfig | None:
        """The config of the image a manifest describes; None when it describes none."""
        link = document.config
        if not document.claims_image or link is None or link.target.size_bytes > self._limits.inline_bytes:
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
        """Take a tag away; the manifest stays, by its digest. Raises RepositoryNotFound, ReferenceNotFound."""
        with self._store.write("registry") as connection:
            self._require(connection, repository)
            target = references.get(connection, Reference(repository, tag))
            if target is None:
                raise _unknown_manifest(repository, tag)
            references.remove_tag(connection, target, now=self._store.now(), operation="registry")
            self._record(connection, "untag", target.image_id, target.digest, target.reference)

    def delete_manifest(self, repository: Repository, digest: Digest) -> None:
        """Take a manifest out of the repository, and with it the tags that name it. Raises RepositoryNotFound, ContentNotFound."""
        with self._store.write("registry") as connection:
            key = self._require(connection, repository)
            found = catalog.by_digest(connection, repository, digest)
            if found is None:
                raise _unknown_manifest(repository, digest)
            now = self._store.now()
            for tag in catalog.tags_of(connection, key, found.key):
                target = references.get(connection, Reference(repository, tag))
                if target is not None:
                    references.remove_tag(connection, target, now=now, operation="registry")
            catalog.let_go(connection, key, found.key)
            catalog.drop_unheld(connection, found.key)
            self._record(connection, "delete", None, digest, Reference(repository, None, digest))

    def _record(self, connection: Connection, action: str, image_id: ImageID | None, digest: Digest, name: Reference) -> None:
        records.add_events(connection, [Event(self._store.now(), action, str(image_id or digest), {"name": name.familiar})])


@final
@dataclass(slots=True)
class _Put:
    """The write unit of one manifest's push."""

    connection: Connection
    repository: Repository
    document: Document
    now: datetime
    sparse: Sparse
    _keys: dict[Digest, ContentKey] = field(default_factory=dict)

    def run(self, config: ImageConfig | None, tags: Sequence[str]) -> Pushed:
        document, connection = self.document, self.connection
        self._targets()
        key = content.put_documents(connection, {document.digest: document.data})[document.digest]
        image, verified = (None, True) if config is None else self._image(config)
        subject = None if document.subject is None else self._absent(document.subject.digest, document.subject.size_bytes)
        edges = [manifests.Edge(link, self._keys[link.digest]) for link in document.links]
        new = manifests.NewManifest(
            key, document.kind.value, document.media_type, document.effective_artifact_type, image, subject, edges, document.annotations
        )
        manifests.add(connection, [new])
        repository_key = references.ensure_repositories(connection, (self.repository,))[self.repository]
        catalog.hold(connection, repository_key, key)
        names = [Reference(self.repository, tag) for tag in tags]
        if names:
            references.set_tags(connection, dict.fromkeys(names, key), now=self.now, operation="push", served=True)
        target = str(document.digest if config is None else config.image_id)
        about = names[0] if names else Reference(self.repository, None, document.digest)
        records.add_events(connection, [Event(self.now, "push", target, {"name": about.familiar})])
        unseen = None if config is None or verified else config.image_id
        return Pushed(document.digest, None if document.subject is None else document.subject.digest, tuple(tags), unseen)

    # --- what it points at -------------------------------------------------------------------------------------------

    def _targets(self) -> None:
        links = self.document.links
        held = catalog.held(self.connection, self.repository, (link.digest for link in links))
        missing = [link for link in links if link.digest not in held and not self._may_be_missing(link)]
        if missing:
            raise MissingBlobs([(str(self.document.digest), f"{link.role} {link.position}", link.digest) for link in missing])
        known = content.find(self.connection, held)
        absent: dict[Digest, int | None] = {}
        for link in links:
            if link.digest in held:
                self._fits(link, known[link.digest].size_bytes)
            else:
                absent.setdefault(link.digest, link.target.size_bytes)
        # All at once: an index may list tens of thousands, and everybody else who writes waits meanwhile.
        self._keys = {**held, **content.ensure_all(self.connection, absent, ContentState.ABSENT)}

    def _may_be_missing(self, link: Link) -> bool:
        if link.urls or self.sparse is Sparse.BLOBS:
            return True
        return link.role is Role.CHILD and self.sparse is Sparse.INDEXES

    def _fits(self, link: Link, size_bytes: int | None) -> None:
        if size_bytes != link.target.size_bytes:
            raise DigestMismatch(f"the size of {link.role} {link.position}, {link.digest}", want=link.target.size_bytes, got=size_bytes)

    def _absent(self, digest: Digest, size_bytes: int) -> ContentKey:
        return content.ensure(self.connection, digest, size_bytes, ContentState.ABSENT)

    # --- the image it describes --------------------------------------------------------------------------------------

    def _image(self, config: ImageConfig) -> tuple[ContentKey, bool]:
        key = content.put_documents(self.connection, {config.image_id.digest: config.data})[config.image_id.digest]
        blobs = [link.digest for link in self.document.layers]
        decoded = content.encoded(self.connection, blobs)
        diffs = content.ensure_all(self.connection, {diff.digest: None for diff in config.diff_ids}, ContentState.ABSENT)
        chain = [(diff, diffs[diff.digest]) for diff in config.diff_ids]
        present = content.present(self.connection, blobs)
        verified = all(blob in present and (blob == diff.digest or (blob, diff.digest) in decoded) for blob, diff in zip(blobs, config.diff_ids, strict=True))
        top = images.ensure_layers(self.connection, [chain])[0]
        new = images.NewImage(
            image_id=config.image_id,
            top=top,
            os=config.os,
            architecture=config.architecture,
            variant=config.variant,
            created_s=None if config.created.is_zero else config.created.unix_seconds,
            labels=config.labels,
            verified=verified,
        )
        images.add(self.connection, {key: new})
        return key, catalog.diff_state(self.connection, key) == "verified"


def _repository(name: str) -> Repository:
    domain, _, path = name.partition("/")
    return Repository(domain, path)


def _unknown_manifest(repository: Repository, target: str | Digest) -> ReferenceNotFound | ContentNotFound:
    if isinstance(target, Digest):
        return ContentNotFound(f"{repository} holds no manifest {target}", digest=target)
    return ReferenceNotFound(f"{repository} has no tag {target}")
