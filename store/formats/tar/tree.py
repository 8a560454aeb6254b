"""The tree of files that Docker would unpack from an archive, built without unpacking.

Source: docker-archive.md §6.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from store.errors import InvalidArchive, MissingMember, TooLarge, UnsafePath
from store.formats.tar.nodes import NOTHING, ROOT, Nodes
from store.formats.tar.reader import Member, MemberKind
from store.model.limits import DEFAULT_LIMITS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from store.formats.tar.sparse import Extents
    from store.model.limits import Limits

_LINK_BYTES: Final = 4095
"""The longest target of a symbolic link on Linux (PATH_MAX without its NUL), in bytes.

Docker cannot unpack longer targets.
"""

_KINDS: Final = tuple(MemberKind)
_CODES: Final = {kind: code for code, kind in enumerate(_KINDS)}
_FILE, _DIRECTORY, _SYMLINK, _HARDLINK = (
    _CODES[kind]
    for kind in (MemberKind.FILE, MemberKind.DIRECTORY, MemberKind.SYMLINK, MemberKind.HARDLINK)
)


@final
@dataclass(frozen=True, slots=True)
class Leaf:
    """A file of the tree, with the payload that was passed to `Tree.add` for it."""

    member: Member
    payload: object | None


@final
class Tree:
    """A tree of names, filled member by member.

    Args:
        limits: ``directories`` bounds the number of directories, parents without a member included.
            ``name_bytes`` bounds the length of all names and link targets together, and
            ``name_parts`` the parts of all names. ``links`` bounds the links that are followed for
            one path. ``link_parts`` bounds the parts of the links that are followed for all paths
            together.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._nodes = Nodes(limits.name_bytes, root=_DIRECTORY)
        self._directories = 0
        self._link_parts = 0
        self._name_parts = 0
        # Few members have extents or a payload, so these are not in the arrays.
        self._extents: dict[int, Extents] = {}
        self._payloads: dict[int, object] = {}

    def add(self, member: Member, payload: object | None) -> None:
        """Add the next member of the archive, as unpacking would create it.

        The member replaces an earlier member of the same name. Links among its parents are
        followed, and missing parents are created. A hard link may come before its target.

        Args:
            member: The member's name, kind, size and offset.
            payload: The caller's data for the member. `resolve` returns it for the member and for
                every hard link to it.

        Raises:
            InvalidArchive: A parent is a file, a hard link names a directory, or the target of a
                symbolic link is too long.
            UnsafePath: Links among the member's parents form a loop.
            TooLarge: The tree has more directories than `Limits.directories`, longer names than
                `Limits.name_bytes`, names with more parts than `Limits.name_parts`, or links that
                lead through more than `Limits.link_parts`.
        """
        parts = _inside(member.name)
        self._name_parts += len(parts)
        if self._name_parts > self._limits.name_parts:
            raise TooLarge(
                "the names of the archive's members have more than"
                f" {self._limits.name_parts} parts together",
                limit=self._limits.name_parts,
            )
        if not parts:
            # The root exists already and cannot be replaced.
            return
        name = parts.pop()
        folder = self._parent(parts, member)
        there = self._nodes.find(folder, name)
        is_directory = there != NOTHING and self._nodes.kind(there) == _DIRECTORY
        if member.kind is MemberKind.DIRECTORY:
            if not is_directory:
                self._new_directory(folder, name, over=there)
            return
        link = _encoded(member.link)
        if member.kind is MemberKind.SYMLINK and len(link) > _LINK_BYTES:
            raise InvalidArchive(
                f"the target of the symbolic link has {len(link)} bytes: the limit is {_LINK_BYTES}"
                " bytes",
                member=member.name,
                offset=member.offset,
            )
        # Unpacking removes the replaced member first, so a hard link to itself has no target.
        target = (
            self._link_target(member, gone=there) if member.kind is MemberKind.HARDLINK else NOTHING
        )
        # A replaced directory keeps its number; otherwise its members would appear again in the
        # next directory of that name.
        over = NOTHING if is_directory else there
        if target != NOTHING:
            self._copy(target, folder, name, over)
            return
        node = self._nodes.put(
            folder,
            name,
            _CODES[member.kind],
            link=link,
            size=member.size,
            offset=member.offset,
            over=over,
        )
        self._attach(node, member.extents, payload)

    def resolve(self, path: str) -> Leaf:
        """Return the file at ``path``, with all links followed inside the archive.

        Absolute link targets start at the archive's root. ``..`` in a target cannot leave the root.

        Args:
            path: A path in the archive.

        Raises:
            MissingMember: The archive has no such member.
            InvalidArchive: The member is a directory, a device or a FIFO.
            UnsafePath: ``path`` itself leaves the archive, or its links form a loop.
        """
        node = self._find(path)
        if node == NOTHING:
            raise MissingMember("no such file in the archive", member=path)
        kind = _KINDS[self._nodes.kind(node)]
        if kind is MemberKind.DIRECTORY:
            raise InvalidArchive("expected a regular file, found a directory", member=path)
        if kind is MemberKind.SPECIAL:
            raise InvalidArchive("expected a regular file, found a device or FIFO", member=path)
        nodes = self._nodes
        return Leaf(
            Member(
                self._path(node),
                kind,
                nodes.size(node),
                nodes.offset(node),
                "",
                self._extents.get(node),
            ),
            self._payloads.get(node),
        )

    def exists(self, path: str) -> bool:
        """Whether the archive has a member of any kind at ``path``, with all links followed.

        Args:
            path: A path in the archive.

        Raises:
            UnsafePath: ``path`` itself leaves the archive, or its links form a loop.
        """
        return self._find(path) != NOTHING

    def top_level_directories(self) -> tuple[str, ...]:
        """Return the names of the directories at the root, sorted by their bytes.

        Links to directories do not count (docker-archive.md §7).
        """
        nodes = self._nodes
        names = (
            nodes.name(node)
            for node in range(1, len(nodes))
            if nodes.folder(node) == ROOT and nodes.kind(node) == _DIRECTORY
        )
        return tuple(
            _decoded(name)
            for name in sorted(
                {name for name in names if nodes.kind(nodes.find(ROOT, name)) == _DIRECTORY}
            )
        )

    def names_in(self, directory: str = "") -> tuple[str, ...]:
        """Return the names in a directory, sorted by their bytes; a directory's ends with a slash.

        Raises:
            UnsafePath: ``directory`` leaves the archive, or its links form a loop.
        """
        nodes, parent = self._nodes, self._find(directory)
        return tuple(
            _decoded(name) + ("/" if nodes.kind(node) == _DIRECTORY else "")
            for name, node in sorted(
                (nodes.name(node), node)
                for node in range(1, len(nodes))
                if nodes.folder(node) == parent and nodes.find(parent, nodes.name(node)) == node
            )
        )

    def find_all(self, name: str) -> tuple[str, ...]:
        """Return the paths of all files with a name, in any directory, sorted by their bytes."""
        nodes, wanted = self._nodes, _encoded(name)
        paths = (self._path(node) for node in range(1, len(nodes)) if nodes.name(node) == wanted)
        return tuple(sorted({path for path in paths if self.exists(path)}, key=_encoded))

    def _attach(self, node: int, extents: Extents | None, payload: object | None) -> None:
        self._extents.pop(node, None)
        self._payloads.pop(node, None)
        if extents is not None:
            self._extents[node] = extents
        if payload is not None:
            self._payloads[node] = payload

    def _copy(self, target: int, folder: int, name: bytes, over: int) -> None:
        """Enter a second name for a node, as a copy of the node."""
        nodes = self._nodes
        node = nodes.put(
            folder,
            name,
            nodes.kind(target),
            link=nodes.link(target),
            size=nodes.size(target),
            offset=nodes.offset(target),
            over=over,
        )
        self._attach(node, self._extents.get(target), self._payloads.get(target))

    def _path(self, node: int) -> str:
        names: list[bytes] = []
        while node != ROOT:
            names.append(self._nodes.name(node))
            node = self._nodes.folder(node)
        return _decoded(b"/".join(reversed(names)))

    def _find(self, path: str) -> int:
        parts = _clean(path)
        if parts is None:
            raise UnsafePath("the path leaves the archive", member=path)
        return self._walk(parts, path, create=False)

    def _parent(self, parts: list[bytes], member: Member) -> int:
        """Return the directory that holds ``member``; create missing directories."""
        nodes, folder = self._nodes, ROOT
        for part in parts:
            node = nodes.find(folder, part)
            if node == NOTHING or nodes.kind(node) != _DIRECTORY:
                break
            folder = node
        else:
            return folder
        found = self._walk(parts, member.name, create=True)
        if found == NOTHING or nodes.kind(found) != _DIRECTORY:
            raise InvalidArchive(
                "a parent of the member is not a directory",
                member=member.name,
                offset=member.offset,
            )
        return found

    def _link_target(self, member: Member, *, gone: int) -> int:
        """Return the target of the hard link ``member``.

        If the target is itself a link, that link is the result. If the target is not in the tree
        yet, or is the node ``gone``, the result is `NOTHING`.
        """
        parts = _inside(member.link)
        name = parts.pop() if parts else b""
        parent = self._walk(parts, member.name, create=False, gone=gone)
        if parent == NOTHING or self._nodes.kind(parent) != _DIRECTORY:
            return NOTHING
        found = self._nodes.find(parent, name)
        if found in (NOTHING, gone):
            return NOTHING
        if self._nodes.kind(found) == _DIRECTORY:
            raise InvalidArchive(
                "the hard link leads to a directory", member=member.name, offset=member.offset
            )
        return found

    def _walk(self, parts: list[bytes], path: str, *, create: bool, gone: int = NOTHING) -> int:
        """Follow ``parts`` and all links from the root and return the node, or `NOTHING`.

        With ``create``, missing parts become directories. As in Docker's symlink evaluation, a path
        may pass through a missing part. The node ``gone`` is treated as missing. After a file, only
        ``..`` may follow.
        """
        nodes = self._nodes
        stack: list[int] = []
        todo = parts[::-1]
        links = 0
        while todo:
            part = todo.pop()
            if part == b"..":
                if stack:
                    stack.pop()
                continue
            above = stack[-1] if stack else ROOT
            if above != NOTHING and nodes.kind(above) != _DIRECTORY:
                return NOTHING
            node = nodes.find(above, part) if above != NOTHING else NOTHING
            if node == gone:
                node = NOTHING
            if node != NOTHING and nodes.kind(node) in _LINKS:
                links += 1
                if links > self._limits.links:
                    raise UnsafePath(
                        f"the path has a loop of links, or more than {self._limits.links} links",
                        member=path,
                    )
                target, from_root = self._target(node)
                if from_root:
                    stack.clear()
                todo.extend(reversed(target))
                continue
            if node == NOTHING and create and above != NOTHING:
                node = self._new_directory(above, part)
            stack.append(node)
        return stack[-1] if stack else ROOT

    def _target(self, node: int) -> tuple[list[bytes], bool]:
        """Return the parts of a link's target, and whether it starts at the root."""
        link = self._nodes.link(node)
        parts = link.split(b"/")
        self._link_parts += len(parts)
        if self._link_parts > self._limits.link_parts:
            raise TooLarge(
                "the links of the archive lead through more than"
                f" {self._limits.link_parts} parts of paths",
                limit=self._limits.link_parts,
            )
        if self._nodes.kind(node) == _HARDLINK:
            # This hard link came before its target. Its target is always inside the root.
            return _reduced(parts)[0], True
        return [part for part in parts if part not in _NOWHERE], link.startswith(b"/")

    def _new_directory(self, folder: int, name: bytes, *, over: int = NOTHING) -> int:
        self._directories += 1
        if self._directories > self._limits.directories:
            raise TooLarge(
                f"the archive has more than {self._limits.directories} directories",
                limit=self._limits.directories,
            )
        node = self._nodes.put(folder, name, _DIRECTORY, over=over)
        if over != NOTHING:
            self._attach(node, None, None)
        return node


_LINKS: Final = frozenset({_SYMLINK, _HARDLINK})
_NOWHERE: Final = frozenset({b"", b"."})
_SPECIAL: Final = frozenset({"", ".", ".."})


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _decoded(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _inside(name: str) -> list[bytes]:
    """Return the parts of a member's name without ``.`` and ``..``, which cannot leave the root."""
    if "/" not in name and name not in _SPECIAL:
        return [_encoded(name)]
    return _reduced(_encoded(name).split(b"/"))[0]


def _clean(path: str) -> list[bytes] | None:
    """Return the parts of a path without ``.`` and ``..``, or None if the path leaves the root.

    A leading slash is ignored.
    """
    parts, escapes = _reduced(_encoded(path).split(b"/"))
    return None if escapes else parts


def _reduced(parts: Iterable[bytes]) -> tuple[list[bytes], bool]:
    kept: list[bytes] = []
    escapes = False
    for part in parts:
        if part in _NOWHERE:
            continue
        if part != b"..":
            kept.append(part)
        elif kept:
            kept.pop()
        else:
            escapes = True
    return kept, escapes
