"""Manifests and everything below them, as it is to be saved: which platforms, what refers to them, and whether all of it is here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from exporter.roots import SavedRoot
from store.catalog import content, manifests, references
from store.documents import ImageConfig
from store.errors import ContentMissing, IncompleteImage, InvalidDocument, InvalidInput, ReferenceNotFound
from store.manifests import Document, Kind
from store.media_types import INDEXES
from store.model import ContentState
from store.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from exporter.options import SaveOptions
    from store.catalog.content import Sources
    from store.manifests import Link
    from store.values import Digest

    Read = Callable[[Sources], bytes]

ATTESTED = "vnd.docker.reference.digest"
SIGNATURE_SUFFIXES = ("", ".sig", ".att", ".sbom")
"""What cosign and others add to ``sha256-<hex>`` to make a tag of a subject's digest."""


@final
@dataclass(frozen=True, slots=True)
class SavedGraph:
    """What an OCI archive is made of.

    ``documents`` has every manifest and index in it, what is pointed at before what points at it; ``configs`` those of images, by the manifest's digest.
    ``sources`` say where the bytes of everything come from; what is not in it stays away.
    """

    roots: tuple[SavedRoot, ...]
    documents: Mapping[Digest, Document]
    configs: Mapping[Digest, ImageConfig]
    sources: Mapping[Digest, Sources]
    notes: tuple[str, ...] = ()
    made: Mapping[Digest, tuple[bytes | Path, int]] = field(default_factory=dict)
    """What was made for this archive, with its size in bytes."""

    def needs(self) -> set[Digest]:
        """Everything that has to stay while it is being saved."""
        stored = {encoding.digest for sources in self.sources.values() for encoding in sources.encodings}
        return {*self.documents, *self.sources, *stored}


@dataclass(slots=True)
class _Loading:
    """Documents as they are read."""

    connection: Connection
    read: Read
    documents: dict[Digest, Document] = field(default_factory=dict)
    absent: list[tuple[Document, Link]] = field(default_factory=list)


def load(connection: Connection, roots: Sequence[SavedRoot], options: SaveOptions, read: Read) -> SavedGraph:
    """Everything below ``roots``, as the options want it. ``read`` gives the bytes of a small content.

    Raises IncompleteImage when something is not here, InvalidInput when nothing is for the platforms, DamagedContent.
    """
    loading = _Loading(connection, read)
    _descend(loading, [root.digest for root in roots])
    chosen: dict[Digest, dict[object, None]] = {}
    keep: set[Digest] = set()
    for root in roots:
        for digest in _roots_for(loading, root, options, keep):
            chosen.setdefault(digest, {}).update(dict.fromkeys(root.tags))
    saved = [SavedRoot(digest, tuple(tags)) for digest, tags in chosen.items()]  # type: ignore[arg-type]  # the keys are references
    if options.referrers:
        saved += _referrers(loading, saved, keep)
    documents = {digest: document for digest, document in _ordered(loading.documents, saved).items() if digest in keep}
    _require_closed(loading, documents, keep, options)
    return _with_contents(connection, saved, documents, read)


def _descend(loading: _Loading, digests: Iterable[Digest]) -> None:
    """Read documents, and the documents they list, a level at a time."""
    wanted = [digest for digest in dict.fromkeys(digests) if digest not in loading.documents]
    while wanted:
        types = manifests.media_types(loading.connection, wanted)
        sources = content.sources(loading.connection, types)
        below: dict[Digest, None] = {}
        for digest, media_type in types.items():
            document = Document.parse(loading.read(sources[digest]), digest=digest, media_type=media_type)
            loading.documents[digest] = document
            below.update(dict.fromkeys(link.digest for link in document.children if link.is_document))
        wanted = [digest for digest in below if digest not in loading.documents]


def _roots_for(loading: _Loading, root: SavedRoot, options: SaveOptions, keep: set[Digest]) -> list[Digest]:
    """What stands at the top for one root; everything of it that comes along is put into ``keep``."""
    document = loading.documents[root.digest]
    if not options.platforms or document.kind is Kind.MANIFEST:
        if options.platforms and not options.wants(_platform(loading, document)):
            raise InvalidInput(f"{_name(root)} is not for {' or '.join(map(str, options.platforms))}", hint=f"it is for {_platform(loading, document)}")
        keep.update(_below(loading.documents, root.digest))
        return [root.digest]
    chosen = _matching(loading, document, options)
    if not chosen:
        offers = ", ".join(sorted({str(link.made_for) for link in document.children if link.made_for is not None and link.made_for.is_known}))
        raise InvalidInput(f"nothing of {_name(root)} is for {' or '.join(map(str, options.platforms))}", hint=f"it has {offers or 'no platforms'}")
    attested = [link.digest for link in document.children if link.annotations.get(ATTESTED) in {str(digest) for digest in chosen}]
    for digest in (*chosen, *(digest for digest in attested if digest in loading.documents)):
        keep.update(_below(loading.documents, digest))
    if options.sparse:
        keep.update(digest for digest in _below(loading.documents, root.digest) if loading.documents[digest].kind is Kind.INDEX)
        return [root.digest]
    return chosen


def _matching(loading: _Loading, index: Document, options: SaveOptions) -> list[Digest]:
    found: dict[Digest, None] = {}
    for link in index.children:
        document = loading.documents.get(link.digest)
        if document is None or ATTESTED in link.annotations:
            continue
        if document.kind is Kind.INDEX:
            found.update(dict.fromkeys(_matching(loading, document, options)))
        elif options.wants(link.made_for or _platform(loading, document)):
            found[link.digest] = None
    return list(found)


def _platform(loading: _Loading, document: Document) -> Platform | None:
    """What a manifest's config says it is made for."""
    config = _config(document, loading.connection, loading.read)
    return None if config is None else Platform.of(config.os or "linux", config.architecture, config.variant, config.os_version)


def _config(document: Document, connection: Connection, read: Read) -> ImageConfig | None:
    link = document.config
    if link is None or not document.claims_image:
        return None
    sources = content.sources(connection, (link.digest,)).get(link.digest)
    if sources is None or sources.state is not ContentState.PRESENT:
        return None
    try:
        config = ImageConfig.parse(read(sources), digest=link.digest)
    except InvalidDocument:
        return None
    return config if len(config.diff_ids) == len(document.layers) else None


def _referrers(loading: _Loading, saved: Sequence[SavedRoot], keep: set[Digest]) -> list[SavedRoot]:
    """What refers to anything that is saved, and signatures that are tags made of a digest."""
    found = manifests.referrers(loading.connection, keep)
    more = [SavedRoot(digest) for digest in found if digest not in keep]
    repositories = {tag.repository for root in saved for tag in root.tags}
    for repository in sorted(repositories):
        by_tag = {target.reference.tag: target for target in references.in_repository(loading.connection, repository)}
        for digest in sorted(keep | set(found), key=str):
            for suffix in SIGNATURE_SUFFIXES:
                target = by_tag.get(f"{digest.algorithm}-{digest.hex}{suffix}"[:128])
                if target is not None and target.digest not in keep:
                    more.append(SavedRoot(target.digest, (target.reference,)))
    _descend(loading, [root.digest for root in more])
    for root in more:
        keep.update(_below(loading.documents, root.digest))
    return more


def _below(documents: Mapping[Digest, Document], digest: Digest) -> set[Digest]:
    seen: set[Digest] = set()
    todo = [digest]
    while todo:
        current = todo.pop()
        if current in documents and current not in seen:
            seen.add(current)
            todo.extend(link.digest for link in documents[current].children)
    return seen


def _ordered(documents: Mapping[Digest, Document], roots: Iterable[SavedRoot]) -> dict[Digest, Document]:
    """What is pointed at before what points at it."""
    ordered: dict[Digest, Document] = {}

    def visit(digest: Digest) -> None:
        if digest in documents and digest not in ordered:
            for link in documents[digest].children:
                visit(link.digest)
            ordered.setdefault(digest, documents[digest])

    for root in roots:
        visit(root.digest)
    for digest in documents:
        visit(digest)
    return ordered


def _require_closed(loading: _Loading, documents: Mapping[Digest, Document], keep: set[Digest], options: SaveOptions) -> None:
    blobs = {link.digest for document in documents.values() for link in document.links if not link.is_document}
    sources = content.sources(loading.connection, blobs)
    missing: list[str] = []
    for document in documents.values():
        for link in document.links:
            if link.is_document:
                if link.digest not in keep and not options.sparse:
                    missing.append(f"{link.made_for or 'manifest'} ({link.digest}) of index {document.digest}")
            elif not (link.urls or link.data is not None) and (link.digest not in sources or sources[link.digest].state is ContentState.ABSENT):
                missing.append(f"{link.role} {link.position} ({link.digest}) of {document.kind} {document.digest}")
    if missing:
        raise IncompleteImage(
            f"{len(missing)} thing(s) that the images name are not here:" + "".join(f"\n  {one}" for one in dict.fromkeys(missing)),
            missing=missing,
            hint="save the platforms that are here with --platform, or the index as it is with --sparse; or import an archive that has the rest",
        )


def _with_contents(connection: Connection, saved: Sequence[SavedRoot], documents: Mapping[Digest, Document], read: Read) -> SavedGraph:
    wanted = {link.digest for document in documents.values() for link in document.links if not link.is_document} | set(documents)
    sources = {digest: one for digest, one in content.sources(connection, wanted).items() if one.state is not ContentState.ABSENT}
    configs = {digest: config for digest, document in documents.items() if (config := _config(document, connection, read)) is not None}
    for digest in documents:
        if digest not in sources:
            raise ContentMissing(f"manifest {digest} is not in the store", digest=digest)
    return SavedGraph(tuple(saved), documents, configs, sources)


def _name(root: SavedRoot) -> str:
    return root.tags[0].familiar if root.tags else str(root.digest)


def is_index(connection: Connection, digest: Digest) -> bool:
    """Whether a manifest is an index."""
    return manifests.media_types(connection, (digest,)).get(digest) in INDEXES


def image_for(connection: Connection, digest: Digest, options: SaveOptions, read: Read, name: str) -> tuple[Digest, tuple[str, ...]]:
    """The manifest of the one image to take of a manifest or index, and notes on what was left out.

    Raises InvalidInput when no image is for the platform, ReferenceNotFound for an artifact.
    """
    loading = _Loading(connection, read)
    _descend(loading, [digest])
    document = loading.documents[digest]
    if document.kind is Kind.MANIFEST:
        platform = _platform(loading, document)
        if platform is None:
            raise ReferenceNotFound(f"{name} is no image", hint="artifacts are saved with --format oci or docker")
        if options.platforms and not options.wants(platform):
            raise InvalidInput(f"{name} is not for {' or '.join(map(str, options.platforms))}", hint=f"it is for {platform}")
        return digest, ()
    offers = _images(loading, document)
    position = options.choose(platform for _, platform in offers)
    if position is None:
        wanted = " or ".join(map(str, options.platforms or (options.machine,)))
        have = ", ".join(sorted({str(platform) for _, platform in offers})) or "no images"
        raise InvalidInput(f"nothing of {name} is for {wanted}", hint=f"it has {have}: choose with --platform")
    left = [str(platform) for place, (_, platform) in enumerate(offers) if place != position]
    notes = (f"{name}: saved {offers[position][1]}; left out: {', '.join(left)} (--format oci or docker saves all)",) if left else ()
    return offers[position][0], notes


def _images(loading: _Loading, index: Document) -> list[tuple[Digest, Platform]]:
    found: list[tuple[Digest, Platform]] = []
    for link in index.children:
        document = loading.documents.get(link.digest)
        if document is None:
            continue
        if document.kind is Kind.INDEX:
            found += _images(loading, document)
        elif (platform := _platform(loading, document)) is not None and platform.is_known:
            found.append((link.digest, link.made_for if link.made_for is not None and link.made_for.is_known else platform))
    return found
