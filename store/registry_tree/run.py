"""The import of the images in a registry's storage: a transaction for a part of each repository.

A broken image never stops the others: it is left out, and reported. An index keeps its bytes, also
if some of its images are broken.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, final

from store.errors import ImageNotFound, InvalidInput, StoreError, printable
from store.formats.archives.selection import Choice, NothingChosen
from store.importing.importer import ImportOptions, MembersSource, import_members
from store.registry_tree.checking import wrong_blobs
from store.registry_tree.findings import Finding, Findings, Kind
from store.registry_tree.graph import read_graph
from store.registry_tree.members import TreeMembers, WrongBlob
from store.registry_tree.repositories import read_links, repositories
from store.registry_tree.selection import Wanted, chosen_roots
from store.registry_tree.sharing import Sharing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from store.importing.report import ImportReport
    from store.model.digests import Digest
    from store.model.progress import Progress
    from store.registry_tree.disk import Tree
    from store.registry_tree.graph import RepositoryGraph
    from store.workspace.workspace import Workspace

_BATCH_BYTES: Final = 16 * 1024 * 1024
"""Roughly the most bytes of documents that one transaction imports."""

_BATCH_ROOTS: Final = 500
"""The most images that one transaction imports."""


@final
@dataclass(frozen=True, slots=True)
class TreeOptions:
    """What of a registry's storage is imported, and how.

    Attributes:
        wanted: The only repository or image; None for all.
        prefix: A text to put before every name; empty for none.
        link: Whether to make hard links where the file system cannot share blocks.
        importing: How to import. Of its choice, the names of images, the platforms, and whether to
            tag and to require everything count.
    """

    wanted: Wanted | None = None
    prefix: str = ""
    link: bool = False
    importing: ImportOptions = field(default_factory=ImportOptions)


@final
class TreeImport:
    """The import of a registry's storage.

    Args:
        tree: The storage.
        options: What is imported, and how.
        progress: Receives the progress of each file.

    Attributes:
        findings: What is broken; complete when the import has ended.
        sharing: How many bytes were shared and not copied.
        checked_bytes: The bytes that a dry run has hashed.
        repositories: The number of repositories that were read.
    """

    def __init__(self, tree: Tree, options: TreeOptions, progress: Progress) -> None:
        self.findings = Findings(tree.limits.findings)
        self.sharing = Sharing(link=options.link)
        self.checked_bytes = 0
        self.repositories = 0
        self._tree = tree
        self._options = options
        self._progress = progress
        self._wrong: set[Digest] = set()
        self._right: set[Digest] = set()
        self._was_chosen = False

    def run(self, workspace: Workspace) -> Iterator[ImportReport]:
        """Import the images; yield a report for each transaction.

        Args:
            workspace: The opened store.

        Raises:
            ImageNotFound: The storage has no such repository or image.
            InvalidInput: No image was chosen, or the storage exceeds a ceiling.
            NameTaken: A tag would move from a different image, and the options forbid it. The
                reports before were published.
            Unavailable: A file cannot be read, or the store cannot be written.
        """
        for graph in self._graphs():
            for batch in self._batches(graph):
                yield from self._import(workspace, graph, batch)
        self._require_chosen()

    def check(self) -> Iterator[tuple[Digest, tuple[str, ...]]]:
        """Read and check what `run` would import; write nothing.

        Yields:
            The digest of each image, with its names.

        Raises:
            StoreError: As `run`, without the errors of the store.
        """
        for graph in self._graphs():
            while True:
                batch = self._roots(graph)
                wrong = self._hash(graph, batch)
                if not wrong:
                    break
                self._hide(graph, wrong)
            self._was_chosen |= bool(batch)
            yield from batch.items()
        self._require_chosen()

    def _graphs(self) -> Iterator[RepositoryGraph]:
        wanted = self._options.wanted
        if self._tree.has_names_in_database:
            self.findings.add(
                Finding(
                    Kind.OLD_NAMES,
                    "",
                    "../lockfiles/database-in-use",
                    "the registry keeps its names in a database, so the tags and manifests in its"
                    " files may be old: only the registry itself knows the current ones",
                )
            )
        names = (
            repositories(self._tree, self.findings)
            if wanted is None
            else iter((wanted.repository,))
        )
        for name in names:
            links = read_links(self._tree, name, self.findings)
            if wanted is not None and not (links.tags or links.revisions or links.layers):
                raise ImageNotFound(
                    f"the registry's files have no repository {printable(wanted.repository)}"
                )
            self.repositories += 1
            graph = read_graph(
                self._tree, links, self.findings, limits=self._options.importing.limits
            )
            known = {digest for digest in self._wrong if graph.using(digest)}
            if known:
                self._hide(graph, known)
            yield graph

    def _roots(self, graph: RepositoryGraph) -> dict[Digest, tuple[str, ...]]:
        options = self._options
        choice = options.importing.choice
        chosen = chosen_roots(graph, options.wanted, choice.images, options.prefix)
        if choice.no_tags:
            return dict.fromkeys(chosen, ())
        if choice.tag is not None and chosen:
            if options.wanted is None or not options.wanted.is_one_image:
                raise InvalidInput(
                    "cannot give one name to the images of a registry",
                    hint="name one image, as in registry-tree:DIR:NAME:TAG",
                )
            first, *others = chosen
            return {first: (str(choice.tag),), **{other: chosen[other] for other in others}}
        return chosen

    def _batches(self, graph: RepositoryGraph) -> Iterator[dict[Digest, tuple[str, ...]]]:
        batch: dict[Digest, tuple[str, ...]] = {}
        size = 0
        for digest, names in self._roots(graph).items():
            mine = sum(graph.nodes[one].loaded_bytes for one in graph.below(digest))
            if batch and (size + mine > _BATCH_BYTES or len(batch) >= _BATCH_ROOTS):
                yield batch
                batch, size = {}, 0
            batch[digest] = names
            size += mine
        if batch:
            yield batch

    def _import(
        self, workspace: Workspace, graph: RepositoryGraph, batch: dict[Digest, tuple[str, ...]]
    ) -> Iterator[ImportReport]:
        """Import some images; leave out those that turn out to be broken."""
        waiting = [batch]
        while waiting:
            some = {
                digest: names
                for digest, names in waiting.pop().items()
                if graph.nodes[digest].is_usable
            }
            if not some:
                continue
            try:
                report = self._import_once(workspace, graph, some)
            except NothingChosen:
                continue
            except InvalidInput as error:
                # All blobs are read: each wrong one would end another attempt.
                wrong = self._hash(graph, some)
                if isinstance(error, WrongBlob):
                    wrong.add(error.digest)
                if wrong - self._wrong:
                    self._hide(graph, wrong)
                    waiting.append(some)
                elif len(some) > 1:
                    waiting += [{digest: names} for digest, names in reversed(some.items())]
                else:
                    (digest,) = some
                    self._refuse(graph, digest, error)
            else:
                self._was_chosen = True
                yield report

    def _import_once(
        self, workspace: Workspace, graph: RepositoryGraph, some: dict[Digest, tuple[str, ...]]
    ) -> ImportReport:
        options = self._options.importing
        choice = options.choice
        hidden = {digest for digest, node in graph.nodes.items() if not node.is_usable}
        hidden |= self._wrong
        return import_members(
            workspace,
            MembersSource(
                lambda stager: TreeMembers(
                    self._tree,
                    some,
                    graph.nodes,
                    hidden,
                    stager,
                    self.sharing,
                    options.limits,
                    self._progress,
                )
            ),
            replace(
                options,
                source_name=f"registry-tree:{self._tree.path}:{graph.links.name}",
                choice=Choice(
                    platforms=choice.platforms,
                    no_tags=choice.no_tags,
                    require_all=choice.require_all,
                    # The findings say what is absent.
                    notes_absent=False,
                ),
            ),
        )

    def _hash(self, graph: RepositoryGraph, roots: dict[Digest, tuple[str, ...]]) -> set[Digest]:
        """Return the wrong blobs of images; each blob is read once."""
        blobs = dict.fromkeys(
            blob
            for root in roots
            for digest in graph.below(root)
            for blob in graph.nodes[digest].blobs
        )
        fresh = [one for one in blobs if one not in self._right and one not in self._wrong]
        wrong, size = wrong_blobs(self._tree, fresh, self._progress)
        self.checked_bytes += size
        self._right.update(set(fresh) - wrong)
        return wrong

    def _hide(self, graph: RepositoryGraph, wrong: set[Digest]) -> None:
        """Treat blobs with a wrong digest, and the images with them, as broken."""
        self._wrong |= wrong
        for digest in sorted(wrong):
            users = graph.using(digest)
            for node in users:
                node.is_usable = False
            self.findings.add(
                Finding(
                    Kind.WRONG_DIGEST,
                    graph.links.name,
                    str(users[0].digest) if users else str(digest),
                    f"the file of {digest} has another digest",
                    digest,
                    graph.tags_above([node.digest for node in users]),
                )
            )
        graph.settle()

    def _refuse(self, graph: RepositoryGraph, digest: Digest, error: StoreError) -> None:
        self.findings.add(
            Finding(
                Kind.INVALID_MANIFEST,
                graph.links.name,
                str(digest),
                f"cannot import {digest}: {error.message}",
                digest,
                graph.tags_above((digest,)),
            )
        )

    def _require_chosen(self) -> None:
        """Check that there was something to import, if anything was asked for.

        Raises:
            ImageNotFound: There was not.
        """
        options = self._options
        choice = options.importing.choice
        asked: Sequence[object] = (*choice.images, *choice.platforms)
        if options.wanted is not None and options.wanted.is_one_image:
            asked = (options.wanted,)
        if asked and not self._was_chosen:
            raise ImageNotFound(
                "the registry's files have no such image, or it is broken",
                hint="only check the files to see the images and what is broken"
                if self.findings.losses
                else None,
            )
