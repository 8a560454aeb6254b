"""The manifests and indexes of one repository, each checked for what it lists."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, final

from store.errors import InvalidInput, StoreError, TooLarge, UnsafePath, printable
from store.formats.image.graph_walk import bottom_up
from store.formats.image.manifests import Document, Role
from store.formats.image.manifests import Kind as DocumentKind
from store.model.digests import Digest
from store.model.limits import DEFAULT_LIMITS
from store.registry_tree.findings import Finding, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from store.formats.image.manifests import Link
    from store.model.limits import Limits
    from store.registry_tree.disk import Tree
    from store.registry_tree.findings import Findings
    from store.registry_tree.repositories import Links

_MAX_CONFIG_BYTES: Final = 1024 * 1024


@final
@dataclass(slots=True)
class Node:
    """A manifest or an index of a repository.

    Attributes:
        digest: Its digest.
        media_type: Its media type.
        size_bytes: Its size.
        is_index: Whether it is an index.
        children: The manifests that an index lists.
        blobs: The digests of everything else that it lists, and that is present.
        subject: The digest of the manifest that it refers to; None if there is none.
        loaded_bytes: Roughly the bytes of documents that its import reads.
        is_usable: Whether it can be imported: what a manifest lists is present, and so is one of
            the manifests of an index.
    """

    digest: Digest
    media_type: str
    size_bytes: int
    is_index: bool
    children: tuple[Digest, ...]
    blobs: tuple[Digest, ...]
    subject: Digest | None
    loaded_bytes: int
    is_usable: bool = True


@final
@dataclass(slots=True)
class RepositoryGraph:
    """The manifests of one repository.

    Attributes:
        links: The links of the repository.
        nodes: The manifests whose bytes were read, by digest.
    """

    links: Links
    nodes: dict[Digest, Node] = field(default_factory=dict)
    _above: dict[Digest, list[Digest]] | None = None

    def below(self, digest: Digest) -> Iterator[Digest]:
        """Yield the usable manifests at and below a manifest, those of an index first."""
        return bottom_up((digest,), self._usable_children)

    def _usable_children(self, digest: Digest) -> Iterator[Digest]:
        node = self.nodes.get(digest)
        for child in () if node is None else node.children:
            inner = self.nodes.get(child)
            if inner is not None and inner.is_usable:
                yield child

    def roots(self) -> dict[Digest, tuple[str, ...]]:
        """Return the usable manifests that no index of the repository leads to, with their tags.

        A manifest with a tag is always a root. Referrers come after the others.
        """
        tags: dict[Digest, list[str]] = {}
        for tag, digest in self.links.tags.items():
            tags.setdefault(digest, []).append(tag)
        inner = {
            child
            for node in self.nodes.values()
            if node.is_usable
            for child in self._usable_children(node.digest)
        }
        usable = [node for node in self.nodes.values() if node.is_usable]
        chosen = [one for one in usable if one.digest in tags or one.digest not in inner]
        chosen.sort(key=lambda node: node.subject is not None)
        return {one.digest: tuple(tags.get(one.digest, ())) for one in chosen}

    def settle(self) -> None:
        """Decide which indexes are usable, after the manifests were checked."""
        for digest in bottom_up(tuple(self.nodes), self._children):
            node = self.nodes[digest]
            if node.children and not any(True for _ in self._usable_children(digest)):
                node.is_usable = False

    def _children(self, digest: Digest) -> Iterator[Digest]:
        return (child for child in self.nodes[digest].children if child in self.nodes)

    def tags_above(self, digests: Iterable[Digest]) -> tuple[str, ...]:
        """Return the tags that lead to manifests.

        Args:
            digests: The manifests.
        """
        if self._above is None:
            self._above = {}
            for node in self.nodes.values():
                for child in node.children:
                    self._above.setdefault(child, []).append(node.digest)
        above = self._above
        found = set(bottom_up(tuple(digests), lambda digest: iter(above.get(digest, ()))))
        return tuple(tag for tag, digest in self.links.tags.items() if digest in found)

    def using(self, digest: Digest) -> list[Node]:
        """Return the manifests that list a blob or another manifest, and the manifest itself."""
        return [
            node for node in self.nodes.values() if digest == node.digest or digest in node.blobs
        ]


def read_graph(
    tree: Tree,
    links: Links,
    findings: Findings,
    *,
    roots: Iterable[Digest] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> RepositoryGraph:
    """Read the manifests of a repository, and look for everything that they list.

    Args:
        tree: The storage.
        links: The links of the repository.
        findings: Receives what is missing or wrong.
        roots: The manifests to begin with; None for all of the repository.
        limits: Ceilings for documents.

    Raises:
        TooLarge: The repository has more manifests than the limits allow.
        Unavailable: A file cannot be read.
    """
    reading = _Reading(tree, links, limits)
    reading.run((*links.tags.values(), *links.revisions) if roots is None else roots)
    reading.graph.settle()
    if roots is None:
        reading.check_links()
    reading.report(findings)
    return reading.graph


def read_manifest(tree: Tree, digest: Digest) -> bytes | None:
    """Return the bytes of a manifest whose digest is right; None if they are absent.

    Args:
        tree: The storage.
        digest: The digest.

    Raises:
        InvalidInput: The file has another digest, is too large, or is not a regular file.
        Unavailable: The file cannot be read.
    """
    file = tree.open_blob(digest)
    if file is None:
        return None
    limit = tree.limits.manifest_bytes
    with file:
        data = b""
        while len(data) <= limit and (piece := file.read(limit + 1 - len(data))):
            data += piece
    if len(data) > limit:
        raise TooLarge(f"the manifest {digest} has more than {limit} bytes", limit=limit)
    if Digest.of(data, digest.algorithm) != digest:
        raise InvalidInput(f"the file of the manifest {digest} has another digest")
    return data


@final
class _Reading:
    """The manifests of one repository while they are read."""

    def __init__(self, tree: Tree, links: Links, limits: Limits) -> None:
        self.graph = RepositoryGraph(links)
        self._tree = tree
        self._limits = limits
        self._sizes: dict[Digest, int | str] = {}
        self._absent: set[Digest] = set()
        self._found: list[tuple[Kind, Digest, str, Digest | None]] = []
        self._needed: set[Digest] = set()

    def run(self, roots: Iterable[Digest]) -> None:
        """Read manifests and what they lead to."""
        waiting = list(dict.fromkeys(roots))
        seen = set(waiting)
        while waiting:
            digest = waiting.pop()
            for child in self._read(digest):
                if child not in seen:
                    seen.add(child)
                    waiting.append(child)
            if len(seen) > self._limits.members:
                raise TooLarge(
                    f"the repository {self.graph.links.name} has more than"
                    f" {self._limits.members} manifests",
                    limit=self._limits.members,
                )

    def _read(self, digest: Digest) -> tuple[Digest, ...]:
        try:
            data = read_manifest(self._tree, digest)
        except UnsafePath as error:
            return self._refuse(Kind.UNSAFE_ENTRY, digest, error)
        except InvalidInput as error:
            kind = Kind.INVALID_MANIFEST if isinstance(error, TooLarge) else Kind.WRONG_DIGEST
            return self._refuse(kind, digest, error)
        if data is None:
            self._absent.add(digest)
            return ()
        try:
            document = Document.parse(data, digest=digest, limits=self._limits)
        except InvalidInput as error:
            return self._refuse(Kind.INVALID_MANIFEST, digest, error)
        self.graph.nodes[digest] = self._checked(document)
        return self.graph.nodes[digest].children

    def _refuse(self, kind: Kind, digest: Digest, error: StoreError) -> tuple[()]:
        self._found.append((kind, digest, error.message, digest))
        return ()

    def _checked(self, document: Document) -> Node:
        children = tuple(
            dict.fromkeys(link.digest for link in document.children if link.is_document)
        )
        node = Node(
            document.digest,
            document.media_type,
            len(document.data),
            document.kind is DocumentKind.INDEX,
            children,
            tuple(dict.fromkeys(link.digest for link in document.links if not link.is_document)),
            None if document.subject is None else document.subject.digest,
            len(document.data),
        )
        for link in document.links:
            if link.is_document:
                continue
            self._needed.add(link.digest)
            node.is_usable &= self._has(document, link)
            if link.role is Role.CONFIG:
                node.loaded_bytes += min(max(link.target.size_bytes, 0), _MAX_CONFIG_BYTES)
        return node

    def _has(self, document: Document, link: Link) -> bool:
        size = self._size(link.digest)
        what = f"{link.role} {link.digest}"
        if size == link.target.size_bytes:
            return True
        if isinstance(size, int):
            self._found.append(
                (
                    Kind.WRONG_SIZE,
                    document.digest,
                    (
                        f"the {what} of the {document.kind} {document.digest} has {size} bytes"
                        f" instead of {link.target.size_bytes}"
                    ),
                    link.digest,
                )
            )
            return False
        if not size and (link.data is not None or link.urls):
            return True
        self._found.append(
            (
                Kind.UNSAFE_ENTRY if size else Kind.MISSING_BLOB,
                document.digest,
                (
                    f"the {document.kind} {document.digest} lists the {what}, which is"
                    f" {size or 'absent'}"
                ),
                link.digest,
            )
        )
        return False

    def _size(self, digest: Digest) -> int | str:
        """Return the size of a blob, or why it cannot be read; an empty text if it is absent."""
        if digest not in self._sizes:
            try:
                size = self._tree.blob_size(digest)
            except UnsafePath:
                self._sizes[digest] = "not a regular file"
            else:
                self._sizes[digest] = "" if size is None else size
        return self._sizes[digest]

    def check_links(self) -> None:
        """Look for what the links of the repository lead to."""
        links = self.graph.links
        listed = set(links.revisions)
        for tag, digest in links.tags.items():
            if digest in self._absent:
                self._found.append(
                    (
                        Kind.TAG_WITHOUT_MANIFEST,
                        digest,
                        f"the tag {tag} names the manifest {digest}, which is absent",
                        digest,
                    )
                )
            elif digest not in listed and digest in self.graph.nodes:
                self._unlinked(digest, f"the tag {tag}")
        tagged = set(links.tags.values())
        self._found += (
            (
                Kind.MISSING_MANIFEST,
                digest,
                f"the repository lists the manifest {digest}, which is absent",
                digest,
            )
            for digest in links.revisions
            if digest in self._absent and digest not in tagged
        )
        for node in self.graph.nodes.values():
            for child in node.children:
                if child in self._absent:
                    self._found.append(
                        (
                            Kind.MISSING_CHILD,
                            node.digest,
                            f"the index {node.digest} lists the manifest {child}, which is absent",
                            child,
                        )
                    )
                elif child not in listed and child in self.graph.nodes:
                    self._unlinked(child, f"the index {node.digest}")
        for digest in links.layers:
            if digest not in self._needed and self._size(digest) == "":
                self._found.append(
                    (
                        Kind.DEAD_LAYER_LINK,
                        digest,
                        f"the repository lists the layer {digest}, which is absent",
                        digest,
                    )
                )

    def _unlinked(self, digest: Digest, by: str) -> None:
        self._found.append(
            (
                Kind.UNLINKED_MANIFEST,
                digest,
                f"{by} names the manifest {digest}, which the repository does not list",
                digest,
            )
        )

    def report(self, findings: Findings) -> None:
        """Add the findings, with the tags that they affect."""
        for kind, subject, text, digest in self._found:
            findings.add(
                Finding(
                    kind,
                    self.graph.links.name,
                    str(subject),
                    printable(text),
                    digest,
                    () if kind is Kind.DEAD_LAYER_LINK else self.graph.tags_above((subject,)),
                )
            )
