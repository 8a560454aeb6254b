"""Rules that decide whether a store's folder can be trusted, by its owner and its mode.

A user who may write to a store's folder, or replace it, could make the programs of other users
write and delete files anywhere (with symbolic links), or change the images that they use.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from store.files.creation import is_shared

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROOT_USER: Final = 0
_ROOT_GROUP: Final = 0


@final
@dataclass(frozen=True, slots=True)
class Folder:
    """A folder as the file system describes it.

    Attributes:
        path: The path without symbolic links.
        uid: The user who owns the folder.
        gid: The group of the folder.
        mode: The file type and mode bits (``st_mode``).
    """

    path: Path
    uid: int
    gid: int
    mode: int

    @property
    def is_shared(self) -> bool:
        """Whether the folder is the root of a store that a group shares."""
        return is_shared(self.mode)


@final
@dataclass(frozen=True, slots=True)
class Fault:
    """A reason not to use a store.

    Attributes:
        reason: Who could do what, as the end of an error message.
        hint: The command that mends the fault, or the user that can run the command.
    """

    reason: str
    hint: str


@final
@dataclass(frozen=True, slots=True)
class Judge:
    """Judges the folders of one store for one user.

    Attributes:
        user: The user who opens the store.
        is_private: Returns whether a group (the first argument) has no other members than root and
            one user (the second argument).
        user_name: Returns the name of a user, for messages.
    """

    user: int
    is_private: Callable[[int, int], bool]
    user_name: Callable[[int], str]

    def fault_of_root(self, root: Folder) -> Fault | None:
        """Return why the root of a store cannot be trusted; None if it can.

        Args:
            root: The root of the store.
        """
        if root.mode & stat.S_IWOTH:
            return Fault(
                f"every user of this machine may write to {root.path}",
                f"run `chmod {'2770' if root.is_shared else '0700'} {root.path}`, then check the"
                " store",
            )
        if not root.is_shared and self._has_foreign_writers(root):
            return Fault(
                f"the group {root.gid} may write to {root.path}",
                f"run `chmod 0700 {root.path}`, or `chmod 2770 {root.path}` to share the store with"
                " this group; then check the store",
            )
        if root.uid not in (self.user, ROOT_USER) and self.user != ROOT_USER and not root.is_shared:
            return Fault(
                f"{root.path} belongs to the user {self.user_name(root.uid)}",
                f"run the command as {self.user_name(root.uid)} or as root, or choose another root",
            )
        return None

    def fault_of_parent(self, parent: Folder, root: Folder) -> Fault | None:
        """Return why a folder above the root cannot be trusted; None if it can.

        The owners of these folders are trusted.

        Args:
            parent: Any folder above the root.
            root: The root of the store.
        """
        if parent.mode & stat.S_ISVTX:
            # Only the owner of an entry can rename or remove the entry.
            return None
        if parent.mode & stat.S_IWOTH:
            return Fault(
                f"every user of this machine may write to {parent.path}, and so replace"
                f" {root.path}",
                f"run `chmod o-w {parent.path}`, or choose another root",
            )
        if self._has_foreign_writers(parent) and not (root.is_shared and root.gid == parent.gid):
            return Fault(
                f"the group {parent.gid} may write to {parent.path}, and so replace {root.path}",
                f"run `chmod g-w {parent.path}`, or choose another root",
            )
        return None

    def _has_foreign_writers(self, folder: Folder) -> bool:
        return (
            bool(folder.mode & stat.S_IWGRP)
            and folder.gid != _ROOT_GROUP
            and not self.is_private(folder.gid, folder.uid)
        )


def tight_mode(root: Folder) -> int:
    """Return the mode of a root without the permissions that the store does not need.

    Args:
        root: The root of the store.
    """
    return stat.S_IMODE(root.mode) & (0o2770 if root.is_shared else 0o700)
