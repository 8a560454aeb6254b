"""The files of an archive as Docker's unpack would leave them on disk, without unpacking anything (docker-archive.md §6.1)."""

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
"""The longest target a symbolic link can have on Linux (PATH_MAX without its NUL).

Docker's unpack fails on longer ones.
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
    """Anything but a directory, with what `Tree.add` was given for it."""

    member: Member
    payload: object | None


@final
class Tree:
    """A tree of names, filled member by member.

    Args:
        limits: ``directories`` bounds those, also the ones that names only imply; ``name_bytes``
            the text that is kept; ``links`` the links followed for one
            path.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._nodes = Nodes(limits.name_bytes, root=_DIRECTORY)
        self._directories = 0
        # What few members have.
        self._extents: dict[int, Extents] = {}
        self._payloads: dict[int, object] = {}

    def add(self, member: Member, payload: object | None) -> None:
        """Unpack one more member.

        Over what has its name already, into the target of a link among its parents, missing parents
        made.

        ``payload`` comes back from `resolve`, also through hard links. A hard link may come before
        its target.

        Raises:
            InvalidArchive: A parent is a file, a hard link names a directory, or a symbolic link is
                too long to exist. UnsafePath: Links among its parents never end. TooLarge: There
                are more directories than `Limits.directories`, or the names are longer than
                `Limits.name_bytes`.
        """
        parts = _inside(member.name)
        if not parts:
            # The root is there already, and nothing replaces it.
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
                "the target of a symbolic link is too long",
                member=member.name,
                offset=member.offset,
            )
        # What it replaces is removed first, as unpacking does: a hard link to that finds nothing.
        target = (
            self._link_target(member, gone=there) if member.kind is MemberKind.HARDLINK else NOTHING
        )
        # A directory that is replaced keeps its number, or else what is in it would be back with
        # the next directory of that name.
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
        """The file at ``path``, all links followed inside the archive.

        Absolute targets count from its root, ``..`` in a target stops there.

        Raises:
            MissingMember: Nothing is there.
            InvalidArchive: A directory or a device is there.
            UnsafePath: ``path`` itself leaves the archive, or its links never end.
        """
        node = self._find(path)
        if node == NOTHING:
            raise MissingMember("no such file in the archive", member=path)
        kind = _KINDS[self._nodes.kind(node)]
        if kind is MemberKind.DIRECTORY:
            raise InvalidArchive("it is a directory, and should be a file", member=path)
        if kind is MemberKind.SPECIAL:
            raise InvalidArchive("it is no regular file", member=path)
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
        """Whether anything, a directory too, is at ``path`` once all links are followed.

        Raises UnsafePath as `resolve` does.
        """
        return self._find(path) != NOTHING

    def top_level_directories(self) -> tuple[str, ...]:
        """The names of the directories at the root, sorted by their bytes.

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

    def _attach(self, node: int, extents: Extents | None, payload: object | None) -> None:
        self._extents.pop(node, None)
        self._payloads.pop(node, None)
        if extents is not None:
            self._extents[node] = extents
        if payload is not None:
            self._payloads[node] = payload

    def _copy(self, target: int, folder: int, name: bytes, over: int) -> None:
        """A second name for what a node is."""
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
        """The directory to put ``member`` into."""
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
                "it lies below something that is no directory",
                member=member.name,
                offset=member.offset,
            )
        return found

    def _link_target(self, member: Member, *, gone: int) -> int:
        """What the hard link ``member`` names, the last part not followed.

        `NOTHING` when that is not there yet, or is ``gone``.
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
                "hard link to a directory", member=member.name, offset=member.offset
            )
        return found

    def _walk(self, parts: list[bytes], path: str, *, create: bool, gone: int = NOTHING) -> int:
        """Follow ``parts`` from the root, and every link on the way, also the last one.

        With ``create`` make directories of what is missing.

        What is missing (or ``gone``) can be passed through, and left again by ``..``, as in
        Docker's symlink evaluation; a file can only be left.
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
                        "its symbolic links lead in circles, or are too many", member=path
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
        """Where a link leads, and whether that counts from the root."""
        link = self._nodes.link(node)
        parts = link.split(b"/")
        if self._nodes.kind(node) == _HARDLINK:
            # One that came before its target. It leads nowhere outside of the root.
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
    """The parts of a member's name, cleaned: what leaves the archive lands at its root."""
    if "/" not in name and name not in _SPECIAL:
        return [_encoded(name)]
    return _reduced(_encoded(name).split(b"/"))[0]


def _clean(path: str) -> list[bytes] | None:
    """The parts of a path, cleaned; None when it leaves the root. A leading slash is harmless."""
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
