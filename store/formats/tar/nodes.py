"""A table of names in folders, kept in arrays instead of Python objects.

Each member of an archive takes about fifty bytes, plus the text of its name.
"""

from __future__ import annotations

from array import array
from typing import Final, final

from store.errors import TooLarge

ROOT: Final = 0
NOTHING: Final = -1
"""The number that means "no node"."""

_EMPTY: Final = -1
_FIRST_SLOTS: Final = 64


@final
class Nodes:
    """A table of nodes. Each node has a name in a folder, and each folder is a node.

    The caller defines the meaning of the ``kind`` numbers. A node's number never changes.

    Args:
        text_bytes: Ceiling in bytes for all names and link targets together, including those of
            replaced nodes.
        root: The kind of the root node.
    """

    def __init__(self, text_bytes: int, root: int) -> None:
        self._text_bytes = text_bytes
        self._text = bytearray()
        self._folder = array("i", (NOTHING,))
        self._name_at = array("q", (0,))
        self._name_bytes = array("i", (0,))
        self._link_bytes = array("i", (0,))
        self._kind = array("b", (root,))
        self._size = array("q", (0,))
        self._offset = array("q", (0,))
        # An open hash table of node numbers, by folder and name. Python's hash of bytes is keyed,
        # so an archive cannot choose names that collide.
        self._slots = array("i", (_EMPTY,)) * _FIRST_SLOTS

    def __len__(self) -> int:
        return len(self._kind)

    def find(self, folder: int, name: bytes) -> int:
        """Return the node named ``name`` in a folder, or `NOTHING`."""
        return self._slots[self._slot(folder, name)]

    def put(
        self,
        folder: int,
        name: bytes,
        kind: int,
        *,
        link: bytes = b"",
        size: int = 0,
        offset: int = 0,
        over: int = NOTHING,
    ) -> int:
        """Enter a node under its name and return its number.

        The new node replaces an earlier node with the same name in the folder.

        Args:
            folder: The number of the folder's node.
            name: The node's name in the folder.
            kind: The caller's number for the kind of node.
            link: The target of a link; empty for other kinds.
            size: The member's size in bytes.
            offset: The offset of the member's data in bytes.
            over: An existing node with this folder and name, whose number the new node takes over.
                `NOTHING` for a new number.

        Raises:
            TooLarge: All names and link targets together are longer than ``text_bytes``.
        """
        if len(self._text) + len(name) + len(link) > self._text_bytes:
            raise TooLarge(
                "the names and link targets of the archive together are longer than"
                f" {self._text_bytes} bytes",
                limit=self._text_bytes,
            )
        if over != NOTHING:
            node = over
            if link:
                self._name_at[node] = len(self._text)
                self._text += name + link
            self._link_bytes[node], self._kind[node], self._size[node], self._offset[node] = (
                len(link),
                kind,
                size,
                offset,
            )
            return node
        node = len(self._kind)
        self._folder.append(folder)
        self._name_at.append(len(self._text))
        self._name_bytes.append(len(name))
        self._link_bytes.append(len(link))
        self._kind.append(kind)
        self._size.append(size)
        self._offset.append(offset)
        self._text += name + link
        self._slots[self._slot(folder, name)] = node
        if node * 3 > len(self._slots) * 2:
            self._grow()
        return node

    def kind(self, node: int) -> int:
        """Return the node's kind."""
        return self._kind[node]

    def size(self, node: int) -> int:
        """Return the node's size in bytes."""
        return self._size[node]

    def offset(self, node: int) -> int:
        """Return the offset of the node's data in bytes."""
        return self._offset[node]

    def folder(self, node: int) -> int:
        """Return the number of the node's folder; `NOTHING` for the root."""
        return self._folder[node]

    def name(self, node: int) -> bytes:
        """Return the node's name in its folder."""
        at = self._name_at[node]
        return bytes(self._text[at : at + self._name_bytes[node]])

    def link(self, node: int) -> bytes:
        """Return the target of a link."""
        at = self._name_at[node] + self._name_bytes[node]
        return bytes(self._text[at : at + self._link_bytes[node]])

    def _slot(self, folder: int, name: bytes) -> int:
        """Return the slot of a name in the table, or the free slot for it."""
        slots, mask = self._slots, len(self._slots) - 1
        slot = hash((folder, name)) & mask
        while (node := slots[slot]) != _EMPTY:
            if self._folder[node] == folder and self._name_bytes[node] == len(name):
                at = self._name_at[node]
                if self._text[at : at + len(name)] == name:
                    break
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        """Double the number of slots. Replaced nodes get no slot."""
        before = self._slots
        self._slots = slots = array("i", (_EMPTY,)) * (len(before) * 2)
        mask = len(slots) - 1
        for node in before:
            if node != _EMPTY:
                slot = hash((self._folder[node], self.name(node))) & mask
                while slots[slot] != _EMPTY:
                    slot = (slot + 1) & mask
                slots[slot] = node
