"""The repositories in the storage of a registry, and their links: tags, manifests and layers.

Source: distribution, registry/storage/paths.go.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, final

from store.errors import InvalidDigest, InvalidReference, TooLarge, UnsafePath, printable
from store.model.digests import Digest
from store.model.references import Reference
from store.registry_tree.disk import REPOSITORIES
from store.registry_tree.findings import Finding, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store.registry_tree.disk import Tree
    from store.registry_tree.findings import Findings

MANIFESTS: Final = "_manifests"
LAYERS: Final = "_layers"
_ALGORITHMS: Final = ("sha256", "sha512")
_LINK: Final = "link"


@final
@dataclass(slots=True)
class Links:
    """The links of one repository.

    Attributes:
        name: The name of the repository, as the registry spells it.
        tags: The digests that the tags name.
        revisions: The manifests that the repository lists.
        layers: The layers that the repository lists.
    """

    name: str
    tags: dict[str, Digest] = field(default_factory=dict)
    revisions: tuple[Digest, ...] = ()
    layers: tuple[Digest, ...] = ()


def repositories(tree: Tree, findings: Findings) -> Iterator[str]:
    """Yield the names of all repositories, in the order of their folders.

    Args:
        tree: The storage.
        findings: Receives folders that are not repositories.

    Raises:
        TooLarge: There are more repositories than the limits allow.
        Unavailable: A folder cannot be read.
    """
    waiting: list[tuple[str, ...]] = [()]
    count = 0
    while waiting:
        parts = waiting.pop()
        name = "/".join(parts)
        try:
            entries = tree.entries(REPOSITORIES, *parts)
        except UnsafePath as error:
            findings.add(Finding(Kind.UNSAFE_ENTRY, name, name, error.message))
            continue
        inner = []
        for entry in entries:
            if entry.is_link:
                path = "/".join((*parts, entry.name))
                findings.add(
                    Finding(
                        Kind.UNSAFE_ENTRY,
                        name,
                        printable(path),
                        f"{printable(path)} is a symbolic link, which is not followed",
                    )
                )
            elif entry.is_folder and not entry.name.startswith("_"):
                inner.append((*parts, entry.name))
        if {entry.name for entry in entries if entry.is_folder} & {MANIFESTS, LAYERS}:
            count += 1
            if count > tree.limits.repositories:
                raise TooLarge(
                    f"the registry has more than {tree.limits.repositories} repositories",
                    limit=tree.limits.repositories,
                )
            if _is_name(name):
                yield name
            else:
                shown = printable(name)
                findings.add(
                    Finding(
                        Kind.INVALID_NAME,
                        shown,
                        shown,
                        f"the folder {shown!r} is not the name of a repository",
                    )
                )
        if len(parts) < tree.limits.repository_parts:
            waiting.extend(reversed(inner))


def read_links(tree: Tree, name: str, findings: Findings) -> Links:
    """Read the links of a repository.

    Args:
        tree: The storage.
        name: The name of the repository.
        findings: Receives what is wrong with links.

    Raises:
        TooLarge: A folder has more entries than the limits allow.
        Unavailable: A file cannot be read.
    """
    reader = _Reader(tree, name, findings)
    return Links(
        name,
        dict(reader.tags()),
        tuple(reader.digests(MANIFESTS, "revisions")),
        tuple(reader.digests(LAYERS)),
    )


def is_tag_of(repository: str, tag: str) -> bool:
    """Return whether a text is a tag that can stand after the name of a repository."""
    try:
        return Reference.parse(f"{repository}:{tag}").tag == tag
    except (InvalidReference, InvalidDigest):
        return False


def _is_name(name: str) -> bool:
    return bool(name) and is_tag_of(name, "latest")


@final
class _Reader:
    """Reads the link files of one repository."""

    def __init__(self, tree: Tree, name: str, findings: Findings) -> None:
        self._tree = tree
        self._name = name
        self._findings = findings
        self._path = (REPOSITORIES, *name.split("/"))

    def tags(self) -> Iterator[tuple[str, Digest]]:
        """Yield the tags with their digests."""
        place = (*self._path, MANIFESTS, "tags")
        names = []
        for entry in self._entries(*place):
            if is_tag_of(self._name, entry):
                names.append(entry)
            else:
                self._note(Kind.INVALID_NAME, entry, f"{printable(entry)!r} is not a tag")
        if not names:
            return
        with self._tree.folder(*place) as folder:
            for tag in names:
                digest = self._link(folder, f"tag {tag}", tag, "current", _LINK)
                if digest is not None:
                    yield tag, digest

    def digests(self, *names: str) -> Iterator[Digest]:
        """Yield the digests below a folder whose link files are right."""
        for algorithm in _ALGORITHMS:
            place = (*self._path, *names, algorithm)
            entries = self._entries(*place)
            if not entries:
                continue
            with self._tree.folder(*place) as folder:
                for entry in entries:
                    try:
                        digest = Digest(algorithm, entry)
                    except InvalidDigest:
                        self._note(
                            Kind.INVALID_LINK, entry, f"{printable(entry)!r} is not a digest"
                        )
                        continue
                    shown = f"{'/'.join(names)} {digest}"
                    found = self._link(folder, shown, entry, _LINK, may_lack=True)
                    if found is not None and found != digest:
                        self._note(
                            Kind.INVALID_LINK,
                            str(digest),
                            f"the link {shown} holds another digest: {found}",
                        )
                    elif found is not None:
                        yield digest

    def _entries(self, *place: str) -> list[str]:
        try:
            entries = self._tree.entries(*place)
        except UnsafePath as error:
            self._note(Kind.UNSAFE_ENTRY, self._tree.shown(*place), error.message)
            return []
        for entry in entries:
            if not entry.is_folder:
                path = self._tree.shown(*place, entry.name)
                what = "a symbolic link, which is not followed" if entry.is_link else "not a folder"
                self._note(
                    Kind.UNSAFE_ENTRY if entry.is_link else Kind.INVALID_LINK,
                    path,
                    f"{path} is {what}",
                )
        return [entry.name for entry in entries if entry.is_folder]

    def _link(self, folder: int, shown: str, *names: str, may_lack: bool = False) -> Digest | None:
        """Return the digest in a link file, or None with a finding."""
        try:
            data = self._tree.read_link(folder, *names)
        except UnsafePath as error:
            self._note(Kind.UNSAFE_ENTRY, shown, f"the link of {shown}: {error.message}")
            return None
        if data is None:
            # A registry that deletes a manifest or a layer leaves the folder of its link.
            if not may_lack:
                self._note(Kind.INVALID_LINK, shown, f"{shown} has no link file")
            return None
        try:
            if len(data) <= self._tree.limits.link_bytes:
                return Digest.parse(data.decode("ascii").strip())
        except (InvalidDigest, UnicodeDecodeError):
            pass
        self._note(
            Kind.INVALID_LINK,
            shown,
            f"the link of {shown} is not a digest: {printable(repr(data[:80]))}",
        )
        return None

    def _note(self, kind: Kind, subject: str, text: str) -> None:
        self._findings.add(Finding(kind, self._name, printable(subject), text))
