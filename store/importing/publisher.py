"""The transaction at the end of an import: move files into place, insert rows, set tags.

The transaction first looks up again what the store has. Content that was found earlier still
exists, because the operation leases it. A staged file is dropped if its content has become present
since it was staged. Nothing is printed before the commit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from store.catalog import events, images, naming, references, serving
from store.catalog.checking import verification
from store.catalog.events import Event
from store.errors import NameTaken
from store.formats.image.manifests import Kind
from store.importing.doubts import hold_brought, image_states, manifest_states, mismatch_notes
from store.importing.placement import Placement
from store.importing.report import ImportedTag
from store.model.contents import DiffState
from store.model.references import Reference
from store.model.remedies import Remedy
from store.workspace.soundness import damaged_documents

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from store.blobs.protocol import BlobStore
    from store.catalog.references import TagTarget
    from store.db.types import ContentKey, RepositoryKey
    from store.formats.archives.claims import Graph, ImageClaim, Root
    from store.importing.archive import ReadArchive
    from store.model.digests import Digest, ImageID
    from store.model.limits import Limits
    from store.workspace.operations import Operation


@final
@dataclass(slots=True)
class Published:
    """The result of the transaction that ends an import.

    Attributes:
        images: The images of the archive, in the archive's order.
        tags: The tags that the import set.
        lines: The lines that Docker prints for the same archive.
        notes: Facts that the user should know and Docker does not report.
        new_images: Images that the store did not have.
        new_layers: Layers that the store did not have.
        new_bytes: Size of the files that were added, in bytes.
        changed: Whether anything in the store changed.
    """

    images: list[ImageID] = field(default_factory=list)
    tags: list[ImportedTag] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    new_images: int = 0
    new_layers: int = 0
    new_bytes: int = 0
    changed: bool = False


@final
class Publisher:
    """Publishes one archive in one transaction: places files, inserts rows, sets tags.

    Args:
        connection: An open write transaction.
        blobs: Receives the files.
        operation: The operation of the import.
        limits: Say how large a document in the database may be.
        now: The time of the import.
        clobber: Whether the import may move a tag from a different image; if False, such an import
            fails.
        is_guarded: Whether the names get only what the archive brings (`doubts.hold_brought`).
    """

    def __init__(
        self,
        connection: Connection,
        blobs: BlobStore,
        operation: Operation,
        *,
        limits: Limits,
        now: datetime,
        clobber: bool = True,
        is_guarded: bool = False,
    ) -> None:
        self._connection = connection
        self._blobs = blobs
        self._operation = operation
        self._now = now
        self._clobber = clobber
        self._is_guarded = is_guarded
        self._sources: Collection[RepositoryKey] | None = None
        self._placement = Placement(connection, blobs, operation, limits=limits, now=now)
        self._done = Published()

    def publish(self, archive: ReadArchive, *, source_name: str) -> Published:
        """Record the archive's images, manifests and tags.

        Args:
            archive: The archive, read and staged.
            source_name: The name of the input in the ledger of imports.

        Returns:
            The changes, and the lines to print after the commit.

        Raises:
            NameTaken: A tag would move from a different image, and ``clobber`` is False.
            DigestMismatch: The size in a descriptor is wrong.
            ContentMissing: A layer was removed from the store since it was found.
            Unavailable: A file cannot be moved into place.
        """
        claims, graph, done = archive.claim.images, archive.claim.graph, self._done
        configs = [*(claim.config for claim in claims), *graph.configs.values()]
        states = manifest_states(archive)
        self._placement.move_files(archive)
        self._placement.find_diffs(
            dict.fromkeys(diff for config in configs for diff in config.diff_ids),
            archive.foreign,
            {diff for digest in states for diff in graph.configs[digest].diff_ids},
        )
        keys = self._placement.add_images(configs, image_states(archive, states))
        self._placement.add_links(archive.sources)
        done.images.extend(keys)
        for claim in claims:
            self._placement.add_sources(claim.config.image_id, claim.sources)
            if claim.parent is not None:
                self._placement.set_parent(claim.config.image_id, claim.parent)
        documents = self._placement.add_documents(graph, states)
        done.notes.extend(mismatch_notes(archive))
        if self._is_guarded:
            self._sources = hold_brought(self._connection, graph, documents)
        self._root_tags(graph, documents)
        self._image_tags(claims)
        self._refuse_clobbering()
        self._keep(graph, documents, claims, keys)
        self._id_lines(graph, claims)
        done.changed |= self._placement.changed
        done.new_images, done.new_layers, done.new_bytes = (
            self._placement.new_images,
            self._placement.new_layers,
            self._placement.new_bytes,
        )
        self._record(archive, source_name)
        return done

    # --- names of manifests -----------------------------------------------------------------------

    def _root_tags(self, graph: Graph, documents: dict[Digest, ContentKey]) -> None:
        names = {Reference.parse(text): root.digest for root in graph.roots for text in root.names}
        roots = {name: digest for name, digest in names.items() if name.digest is None}
        before = references.get_all(self._connection, roots)
        self._set(
            {
                name: documents[digest]
                for name, digest in roots.items()
                if name not in before or before[name].digest != digest
            }
        )
        self._complete(graph, documents, {name: target.digest for name, target in before.items()})
        now = references.get_all(self._connection, roots)
        for name, digest in roots.items():
            old, image = before.get(name), now[name].image_id
            moved = (
                old is not None
                and old.digest != digest
                and (image is None or old.image_id != image)
            )
            self._lines(name, image, old if moved else None, digest)
        self._hold(graph, documents)
        for root in graph.roots:
            self._serve_referrers(documents[root.digest])

    def _complete(
        self,
        graph: Graph,
        documents: dict[Digest, ContentKey],
        held: Mapping[Reference, Digest],
    ) -> None:
        """Let repositories serve the parts that their indexes lacked, although no tag moves.

        Args:
            graph: The documents of the archive.
            documents: The row numbers of the documents.
            held: What names stand for that the store had before.
        """
        indexes = {
            name: digest
            for name, digest in held.items()
            if digest in documents and graph.documents[digest].kind is Kind.INDEX
        }
        self._done.changed |= self._serve({name: documents[it] for name, it in indexes.items()})

    def _hold(self, graph: Graph, documents: dict[Digest, ContentKey]) -> None:
        """Let repositories hold the roots that the archive names by digest."""
        held: dict[Reference, ContentKey] = {}
        for root in graph.roots:
            names = [Reference.parse(text) for text in root.names]
            tagged = {name.repository for name in names if name.tag is not None}
            for name in names:
                # A repository holds the digest of whatever its tags name.
                if name.digest is not None and name.repository not in tagged:
                    held[name] = documents[root.digest]
                    self._done.lines.append(f"Loaded image: {name.familiar}")
        fresh = {
            name: key
            for name, key in held.items()
            if name.digest is not None
            and references.holds(self._connection, name.repository, name.digest) is None
        }
        known = {name: name.digest for name in held if name not in fresh and name.digest}
        self._complete(graph, documents, known)
        if not fresh:
            return
        self._serve(fresh)
        self._done.changed = True

    def _serve(self, targets: Mapping[Reference, ContentKey]) -> bool:
        """Let the repositories of names serve manifests; return whether that changed anything."""
        repositories = serving.ensure_repositories(
            self._connection, {name.repository for name in targets}
        )
        pairs = {(repositories[name.repository], key) for name, key in targets.items()}
        is_changed = serving.serve(self._connection, pairs, sources=self._sources)
        self._serve_stated(repositories.values())
        return is_changed

    def _set(self, targets: dict[Reference, ContentKey]) -> None:
        if targets:
            naming.set_tags(
                self._connection,
                targets,
                now=self._now,
                operation=self._operation.id,
                sources=self._sources,
            )
            self._done.changed = True
            repositories = serving.ensure_repositories(
                self._connection, {name.repository for name in targets}
            )
            self._serve_stated(repositories.values())

    def _serve_stated(self, repositories: Collection[RepositoryKey]) -> None:
        """Record the media types that the archive states for manifests that state none."""
        for key, media_type in self._placement.stated_types.items():
            serving.set_media_type(self._connection, repositories, key, media_type)

    def _serve_referrers(self, manifest: ContentKey) -> None:
        """Let every repository that serves a manifest's subject serve the manifest as well."""
        if not self._is_guarded:
            self._done.changed |= serving.serve_with_subject(self._connection, manifest)

    def _lines(
        self,
        name: Reference,
        image: ImageID | None,
        replaced: TagTarget | None,
        manifest: Digest | None,
    ) -> None:
        if replaced is not None:
            old = replaced.image_id or replaced.digest
            self._done.lines.append(
                f"The image {name.familiar} already exists, renaming the old one with ID {old} to"
                " empty string"
            )
        self._done.lines.append(f"Loaded image: {name.familiar}")
        self._done.tags.append(
            ImportedTag(name, image, None if replaced is None else replaced.image_id, manifest)
        )

    # --- names of images without a manifest -------------------------------------------------------

    def _image_tags(self, claims: Sequence[ImageClaim]) -> None:
        # Docker sets the tags one after another, and the lines report each step. Only the final
        # state is written, so that a repeated import changes nothing.
        wanted = [
            (name, claim.config.image_id)
            for claim in claims
            for text in claim.tags
            if (name := self._without_digest(Reference.parse(text))) is not None
        ]
        targets = references.get_all(
            self._connection, (name for name, _ in wanted if _can_be_set(name))
        )
        before = {name: target.image_id for name, target in targets.items()}
        wrong = self._with_wrong_layers(targets) | self._with_damaged_manifests(targets)
        now: dict[Reference, ImageID] = {}
        for name, image_id in wanted:
            if _can_be_set(name):
                self._tag_lines(name, image_id, now.get(name, before.get(name)))
                now[name] = image_id
            else:
                self._done.lines.append(f"Loaded image: {name.familiar}")
                self._done.notes.append(
                    f"ignored the name {name.familiar}: it cannot be a tag (Docker does not"
                    " report this)"
                )
        moved = {
            name: image_id
            for name, image_id in now.items()
            if before.get(name) != image_id or name in wrong
        }
        manifests = self._placement.add_own_manifests(dict.fromkeys(moved.values()))
        self._set({name: manifests[image_id] for name, image_id in moved.items()})

    def _without_digest(self, name: Reference) -> Reference | None:
        """Return the tag of a name; None if it has a digest only.

        The digest is that of a manifest, and the archive has none for the image.
        """
        if name.digest is None:
            return name
        self._done.notes.append(
            f"ignored the digest in {name.familiar}: the archive does not have this manifest"
        )
        return None if name.tag is None else Reference(name.repository, name.tag)

    def _with_wrong_layers(self, targets: dict[Reference, TagTarget]) -> set[Reference]:
        """Return the tags of manifests whose layers are not those of their image.

        Such a tag moves, although it names the image already.
        """
        states = verification.manifest_states(
            self._connection, {target.digest for target in targets.values()}
        )
        wrong = {digest for digest, (_, state) in states.items() if state is DiffState.MISMATCH}
        return {name for name, target in targets.items() if target.digest in wrong}

    def _with_damaged_manifests(self, targets: dict[Reference, TagTarget]) -> set[Reference]:
        """Return the tags of manifests that cannot be read.

        Such a tag moves, so that the image can be saved after the import.
        """
        digests = {target.digest for target in targets.values()}
        damaged = damaged_documents(self._connection, self._blobs, digests)
        return {name for name, target in targets.items() if target.digest in damaged}

    def _tag_lines(self, name: Reference, image_id: ImageID, holder: ImageID | None) -> None:
        replaced = holder if holder != image_id else None
        if replaced is not None:
            self._done.lines.append(
                f"The image {name.familiar} already exists, renaming the old one with ID {replaced}"
                " to empty string"
            )
        self._done.lines.append(f"Loaded image: {name.familiar}")
        self._done.tags.append(ImportedTag(name, image_id, replaced))

    def _refuse_clobbering(self) -> None:
        taken = [tag.reference.familiar for tag in self._done.tags if tag.replaced is not None]
        if taken and not self._clobber:
            raise NameTaken(
                f"cannot import the archive: it would move {', '.join(taken)} to a different image",
                names=taken,
                remedy=Remedy.MOVE_TAGS,
            )

    # --- manifests and images without a name ------------------------------------------------------

    def _keep(
        self,
        graph: Graph,
        documents: dict[Digest, ContentKey],
        claims: Sequence[ImageClaim],
        keys: dict[ImageID, ContentKey],
    ) -> None:
        below = {link.digest for document in graph.documents.values() for link in document.children}
        for root in graph.roots:
            if not root.names and root.digest not in below and not self._is_held(graph, root):
                self._done.changed |= naming.keep(
                    self._connection, documents[root.digest], now=self._now
                )
        mine = {claim.config.image_id for claim in claims if not claim.described}
        rooted = images.rooted(self._connection, [keys[image_id] for image_id in mine])
        loose = [
            claim.config.image_id
            for claim in claims
            if claim.config.image_id in mine and keys[claim.config.image_id] not in rooted
        ]
        for manifest in self._placement.add_own_manifests(dict.fromkeys(loose)).values():
            self._done.changed |= naming.keep(self._connection, manifest, now=self._now)

    def _is_held(self, graph: Graph, root: Root) -> bool:
        """Return whether a root's subject is in the store and so keeps the root."""
        subject = graph.documents[root.digest].subject
        return subject is not None and references.is_manifest(self._connection, subject.digest)

    def _id_lines(self, graph: Graph, claims: Sequence[ImageClaim]) -> None:
        for root in graph.roots:
            if not root.names:
                config = graph.configs.get(root.digest)
                self._done.lines.append(
                    f"Loaded manifest: {root.digest}"
                    if config is None
                    else f"Loaded image ID: {config.image_id}"
                )
        # Docker lists the IDs of all images if the last image of the archive has no tag. Otherwise
        # it lists none (docker-archive.md §6.2).
        listed = [claim for claim in claims if claim.listed and not claim.described]
        if listed and not listed[-1].tags:
            self._done.lines.extend(f"Loaded image ID: {claim.config.image_id}" for claim in listed)

    def _record(self, archive: ReadArchive, source_name: str) -> None:
        graph = archive.claim.graph
        imported = {
            str(claim.config.image_id): claim.tags
            for claim in archive.claim.images
            if not claim.described
        }
        imported |= {
            str(
                graph.configs[root.digest].image_id if root.digest in graph.configs else root.digest
            ): root.names
            for root in graph.roots
        }
        events.add_events(
            self._connection,
            [
                Event(self._now, "import", target, {"name": _shown(names) or target})
                for target, names in imported.items()
            ],
        )
        events.add_ledger_entry(
            self._connection,
            at=self._now,
            claim=archive.claim.digest,
            source=source_name,
            images=imported,
            changed=self._done.changed,
            operation=self._operation.id,
        )


def _shown(names: Sequence[str]) -> str:
    """Return the first name as docker shows it; empty if there is none."""
    return Reference.parse(names[0]).familiar if names else ""


def _can_be_set(name: Reference) -> bool:
    return name.repository.familiar != "sha256"
