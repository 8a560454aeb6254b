"""The files of an archive as Docker's unpack would leave them on disk, without unpacking anything (docker-archive.md §6.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias, final

from store.archives.tar import Member, MemberKind
from store.errors import InvalidArchive, MissingMember, TooLarge, UnsafePath
from store.limits import DEFAULT_LIMITS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from store.limits import Limits

_LINK_BYTES: Final = 4095
"""The longest target a symbolic link can have on Linux (PATH_MAX without its NUL); Docker's unpack fails on longer ones."""


@final
@dataclass(frozen=True, slots=True)
class Leaf:
    """Anything but a directory, with what `Tree.add` was given for it."""

    member: Member
    payload: object | None


_Directory: TypeAlias = "dict[str, _Directory | Leaf]"
_Node: TypeAlias = "_Directory | Leaf | None"


@final
class Tree:
    """A tree of names, filled member by member.

    Args:
        limits: ``members`` bounds the directories, also those that names only imply; ``links`` bounds the links followed for one path.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._root: _Directory = {}
        self._directories = 0

    def add(self, member: Member, payload: object | None) -> None:
        """Unpack one more member: over what has its name already, into the target of a link among its parents, missing parents made.

        ``payload`` comes back from `resolve`, also through hard links. A hard link may come before its target.

        Raises:
            InvalidArchive: A parent is a file, a hard link names a directory, or a symbolic link is too long to exist.
            UnsafePath: Links among its parents never end.
            TooLarge: There are more directories than `Limits.members`.
        """
        parts = _inside(member.name)
        if not parts:
            # The root is there already, and nothing replaces it.
            return
        name = parts.pop()
        directory = self._parent(parts, member)
        if member.kind is MemberKind.DIRECTORY:
            if not isinstance(directory.get(name), dict):
                directory[name] = self._new_directory()
            return
        if member.kind is MemberKind.SYMLINK and len(member.link.encode("utf-8", "surrogateescape")) > _LINK_BYTES:
            raise InvalidArchive("the target of a symbolic link is too long", member=member.name, offset=member.offset)
        # Removed first, as unpacking does: a hard link to what it replaces finds nothing.
        directory.pop(name, None)
        found = self._link_target(member) if member.kind is MemberKind.HARDLINK else None
        directory[name] = Leaf(member, payload) if found is None else found

    def resolve(self, path: str) -> Leaf:
        """The file at ``path``, all links followed inside the archive: absolute targets count from its root, ``..`` in a target stops there.

        Raises:
            MissingMember: Nothing is there.
            InvalidArchive: A directory or a device is there.
            UnsafePath: ``path`` itself leaves the archive, or its links never end.
        """
        node = self._find(path)
        if node is None:
            raise MissingMember("no such file in the archive", member=path)
        if isinstance(node, dict):
            raise InvalidArchive("it is a directory, and should be a file", member=path)
        if node.member.kind is MemberKind.SPECIAL:
            raise InvalidArchive("it is no regular file", member=path)
        return node

    def exists(self, path: str) -> bool:
        """Whether anything, a directory too, is at ``path`` once all links are followed. Raises UnsafePath as `resolve` does."""
        return self._find(path) is not None

    def top_level_directories(self) -> tuple[str, ...]:
        """The names of the directories at the root, sorted by their bytes; links to directories do not count (docker-archive.md §7)."""
        names = (name for name, node in self._root.items() if isinstance(node, dict))
        return tuple(sorted(names, key=lambda name: name.encode("utf-8", "surrogateescape")))

    def _find(self, path: str) -> _Node:
        parts = _clean(path)
        if parts is None:
            raise UnsafePath("the path leaves the archive", member=path)
        return self._walk(parts, path, create=False)

    def _parent(self, parts: list[str], member: Member) -> _Directory:
        """The directory to put ``member`` into."""
        directory = self._root
        for part in parts:
            node = directory.get(part)
            if not isinstance(node, dict):
                break
            directory = node
        else:
            return directory
        found = self._walk(parts, member.name, create=True)
        if not isinstance(found, dict):
            raise InvalidArchive("it lies below something that is no directory", member=member.name, offset=member.offset)
        return found

    def _link_target(self, member: Member) -> Leaf | None:
        """What the hard link ``member`` names, the last part not followed; None when that is not there yet."""
        parts = _inside(member.link)
        name = parts.pop() if parts else ""
        parent = self._walk(parts, member.name, create=False)
        found = parent.get(name) if isinstance(parent, dict) else None
        if isinstance(found, dict):
            raise InvalidArchive("hard link to a directory", member=member.name, offset=member.offset)
        return found

    def _walk(self, parts: list[str], path: str, *, create: bool) -> _Node:
        """Follow ``parts`` from the root, and every link on the way, also the last one; with ``create`` make directories of what is missing.

        What is missing can be passed through, and left again by ``..``, as in Docker's symlink evaluation; a file can only be left.
        """
        stack: list[_Node] = []
        todo = parts[::-1]
        links = 0
        while todo:
            part = todo.pop()
            if part == "..":
                if stack:
                    stack.pop()
                continue
            above = stack[-1] if stack else self._root
            if isinstance(above, Leaf):
                return None
            node = above.get(part) if isinstance(above, dict) else None
            if isinstance(node, Leaf) and node.member.kind in _LINKS:
                links += 1
                if links > self._limits.links:
                    raise UnsafePath("its symbolic links lead in circles, or are too many", member=path)
                link = node.member.link
                if node.member.kind is MemberKind.HARDLINK:
                    # One that came before its target. It counts from the root, and leads nowhere outside of it.
                    stack.clear()
                    todo.extend(reversed(_inside(link)))
                else:
                    if link.startswith("/"):
                        stack.clear()
                    todo.extend(part for part in reversed(link.split("/")) if part not in _NOWHERE)
                continue
            if node is None and create and isinstance(above, dict):
                node = above[part] = self._new_directory()
            stack.append(node)
        return stack[-1] if stack else self._root

    def _new_directory(self) -> _Directory:
        self._directories += 1
        if self._directories > self._limits.members:
            raise TooLarge(f"the archive has more than {self._limits.members} directories", limit=self._limits.members)
        return {}


_LINKS: Final = frozenset({MemberKind.SYMLINK, MemberKind.HARDLINK})
_NOWHERE: Final = frozenset({"", "."})


def _inside(name: str) -> list[str]:
    """The parts of a member's name, cleaned: what leaves the archive lands at its root."""
    if "/" not in name and name not in _SPECIAL:
        return [name]
    return _reduced(name.split("/"))[0]


_SPECIAL: Final = frozenset({"", ".", ".."})


def _clean(path: str) -> list[str] | None:
    """The parts of a path, cleaned; None when it leaves the root. A leading slash is harmless."""
    parts, escapes = _reduced(path.split("/"))
    return None if escapes else parts


def _reduced(parts: Iterable[str]) -> tuple[list[str], bool]:
    kept: list[str] = []
    escapes = False
    for part in parts:
        if part in _NOWHERE:
            continue
        if part != "..":
            kept.append(part)
        elif kept:
            kept.pop()
        else:
            escapes = True
    return kept, escapes
