"""The root of a store: resolve its path, check its owner and mode, restrict its mode, create it."""

from __future__ import annotations

import itertools
import logging
import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from store.blobs.directory import BLOBS
from store.blobs.folders import DOWNLOADS, QUARANTINE
from store.documents.folder import DOCUMENTS
from store.errors import Conflict, InvalidInput, PermissionDenied, printable
from store.files.accounts import is_private_group, user_name
from store.files.creation import (
    PRIVATE_FOLDER,
    SHARED_FOLDER,
    create_folder,
    open_folder,
)
from store.files.os_errors import Whose, translated
from store.files.space.reserve import RESERVE
from store.files.trust import ROOT_USER, Fault, Folder, Judge, tight_mode
from store.workspace import engines
from store.workspace.file_locks import STAGING, UPLOADS

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

RESCUE: Final = "rescue"
"""The folder of a catalogue that is being made again."""

OTHERS: Final = (STAGING, UPLOADS, DOWNLOADS, QUARANTINE, DOCUMENTS, RESCUE)
"""The folders with files that are neither blobs nor the reserve."""

FOLDERS: Final = (BLOBS, *OTHERS, RESERVE)
"""The folders in a store's root."""

_HARMLESS: Final = frozenset({"lost+found", ".DS_Store"})
"""Names that systems create in any folder."""

_SHOWN: Final = 3
"""The most names of other files in an error."""

_LISTED: Final = 1000
"""The most names by which the content of a folder is recognised."""

_ABOVE: Final = 0o755
"""The mode of missing folders above a new root."""


def trusted(root: Path, *, read_only: bool, is_store: bool = False) -> Path:
    """Return the path of a store's root without symbolic links, after a check that it is trusted.

    The owner's processes remove permissions of other users that an older version of this program
    gave. A root without a store is not checked, and neither is a store on read-only media.

    Args:
        root: The store's folder, which may not exist.
        read_only: Whether the caller only reads; then no mode is changed.
        is_store: Whether the folder is known to be a store, even if it has no catalogue.

    Raises:
        PermissionDenied: Another user owns the store or may change it, there is a symbolic link in
            place of one of its files, or this user may not read the folder.
    """
    resolved = Path(os.path.realpath(root))
    with translated(resolved):
        try:
            with open_folder(resolved) as descriptor:
                if os.fstatvfs(descriptor).f_flag & os.ST_RDONLY:
                    _check_entries(resolved, descriptor, None)
                elif is_store or _has_store(descriptor):
                    _check(resolved, descriptor, read_only=read_only)
        except (FileNotFoundError, NotADirectoryError):
            # The caller reports that there is no store.
            pass
    return resolved


def create(root: Path, *, group: int | None = None) -> Path:
    """Create the folders of a new store; return the path of its root without symbolic links.

    Args:
        root: The store's folder; it may exist, without a store.
        group: The group that shares the store; None for a store of one user.

    Raises:
        PermissionDenied: The folder exists, and another user owns it or may change it.
        Conflict: The folder has other files, or cannot be shared with ``group``.
        InvalidInput: A part of the path is a file.
        Unavailable: A folder cannot be created or synced.
    """
    resolved = Path(os.path.realpath(root))
    with _creating(resolved):
        created = [one for one in (resolved, *resolved.parents) if not one.exists()]
        for folder in reversed(created):
            with suppress(FileExistsError):
                folder.mkdir(PRIVATE_FOLDER if folder == resolved else _ABOVE)
        with open_folder(resolved) as descriptor:
            found = _folder(resolved, os.fstat(descriptor))
            if group is None:
                _raise(_fault(found), resolved)
            _refuse_other_files(resolved, descriptor)
            if group is None:
                # A folder that root prepared for a service keeps its mode.
                if os.geteuid() in (found.uid, ROOT_USER) and not _is_tight(found):
                    _restrict(found, descriptor, is_new=True)
            else:
                _share(found, descriptor, group)
            for name in (BLOBS, STAGING):
                with suppress(FileExistsError):
                    create_folder(resolved / name)
            os.fsync(descriptor)
        for folder in created:
            with open_folder(folder.parent) as above:
                os.fsync(above)
    return resolved


@contextmanager
def _creating(root: Path) -> Iterator[None]:
    try:
        with translated(root, whose=Whose.NEW_STORE):
            yield
    except FileNotFoundError:
        # /proc and /sys answer so.
        raise InvalidInput(
            f"cannot create a store in {root}: nothing can be created in the folder above it",
            hint="choose a folder on a disk",
        ) from None


def refuse_own_files(root: Path, output: Path) -> None:
    """Refuse an output that would be one of the store's own files, or lie among them.

    Args:
        root: The store's folder.
        output: The file or folder to write.

    Raises:
        InvalidInput: ``output`` is a file or folder of the store.
    """
    folder, target = (Path(os.path.realpath(path)) for path in (root, output))
    if not target.is_relative_to(folder) or target == folder:
        return
    name = target.relative_to(folder).parts[0]
    if name in FOLDERS or name.startswith(engines.DATABASE_FILES):
        raise InvalidInput(
            f"cannot write {printable(str(output))}: it is a file of the store at"
            f" {printable(str(folder))}",
            hint="write to a different folder",
        )


def held_by_others(root: Path) -> str | None:
    """Return what a folder without a store holds, such as the data of Docker; None if unknown.

    Args:
        root: The folder; it need not exist.
    """
    from store.formats.tar.foreign import described  # noqa: PLC0415 - only for an error

    try:
        with os.scandir(root) as entries:
            names = [
                f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name
                for entry in itertools.islice(entries, _LISTED)
            ]
    except OSError:
        return None
    found = described(names)
    return None if found is None else found[0]


def _refuse_other_files(root: Path, descriptor: int) -> None:
    """Refuse a folder that has files of something else.

    Raises:
        Conflict: The folder is neither empty nor prepared by an interrupted creation.
    """
    if _has_store(descriptor):
        # Another process has created the store in the meantime.
        return
    names = set(os.listdir(descriptor)) - _HARMLESS
    others = sorted(
        name for name in names - set(FOLDERS) if not name.startswith(engines.DATABASE_FILES)
    )
    if others:
        kind = held_by_others(root)
        if kind is not None:
            raise Conflict(
                f"cannot create a store in {root}: the folder holds {kind}",
                hint="choose a new or empty folder for the store",
            )
        more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        raise Conflict(
            f"cannot create a store in {root}: the folder is not empty (it has"
            f" {', '.join(map(printable, others[:_SHOWN]))}{more})",
            hint="choose a new or empty folder for the store",
        )


def require_shared(root: Path, group: int) -> None:
    """Check that a store is shared with a group.

    Args:
        root: The store's folder.
        group: The group.

    Raises:
        Conflict: The store belongs to one user, or to a different group.
    """
    with translated(root):
        status = root.stat()
    if not _folder(root, status).is_shared or status.st_gid != group:
        raise Conflict(
            f"cannot share the store at {root} with the group {group}: the store exists and is not"
            " shared with this group",
            hint=(
                f"stop all programs that use the store, then run `chgrp -R {group} {root}`,"
                f" `chmod -R u=rwX,g=rwX,o= {root}` and"
                f" `find {root} -type d -exec chmod g+s {{}} +`"
            ),
        )


def _has_store(descriptor: int) -> bool:
    try:
        os.stat(engines.DATABASE_FILES[0], dir_fd=descriptor, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _check(root: Path, descriptor: int, *, read_only: bool) -> None:
    found = _folder(root, os.fstat(descriptor))
    _raise(_fault(found), root)
    user = os.geteuid()
    may_restrict = not read_only and user in (found.uid, ROOT_USER)
    if may_restrict and not _is_tight(found):
        _restrict(found, descriptor)
    _check_entries(root, descriptor, found, restrict=not read_only and user == found.uid)


def _fault(root: Folder) -> Fault | None:
    """Return the fault of a root or of a folder above it; None if there is none."""
    judge = Judge(os.geteuid(), is_private_group, user_name)
    fault = judge.fault_of_root(root)
    for path in root.path.parents:
        fault = fault or judge.fault_of_parent(_folder(path, path.lstat()), root)
    return fault


def _is_tight(root: Folder) -> bool:
    return tight_mode(root) == stat.S_IMODE(root.mode)


def _restrict(root: Folder, descriptor: int, *, is_new: bool = False) -> None:
    """Remove the permissions of other users from the root, if nothing else needs them."""
    names = set(os.listdir(descriptor)) - _HARMLESS - set(FOLDERS)
    if any(not name.startswith(engines.DATABASE_FILES) for name in names):
        # The folder also has files of something else, perhaps a whole home folder. The folders and
        # files of the store are closed themselves.
        return
    os.fchmod(descriptor, tight_mode(root))
    if not is_new:
        logger.warning(
            "changed the mode of the store's folder %s from %04o to %04o: other users could read"
            " the store and lock it",
            root.path,
            stat.S_IMODE(root.mode),
            tight_mode(root),
        )


def _share(root: Folder, descriptor: int, group: int) -> None:
    if os.geteuid() in (root.uid, ROOT_USER):
        if root.gid != group:
            os.fchown(descriptor, -1, group)
        os.fchmod(descriptor, SHARED_FOLDER)
    _raise(_fault(_folder(root.path, os.fstat(descriptor))), root.path)
    require_shared(root.path, group)


def _check_entries(
    root: Path, descriptor: int, owner: Folder | None, *, restrict: bool = False
) -> None:
    """Check the folders and files in a store's root.

    Args:
        root: The root, for messages.
        descriptor: The root.
        owner: The root, whose owner must own the entries; None if nobody can change the root.
        restrict: Whether to remove the permissions of other users.

    Raises:
        PermissionDenied: An entry has the wrong type, or a third user owns it.
    """
    for names, is_type in ((FOLDERS, stat.S_ISDIR), (engines.DATABASE_FILES, stat.S_ISREG)):
        for name in names:
            try:
                status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            except FileNotFoundError:
                continue
            if not is_type(status.st_mode):
                kind = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "a special file"
                raise PermissionDenied(
                    f"cannot use the store at {root}: {root / name} is {kind}",
                    hint="put the file or folder itself there, or remove the link",
                )
            if owner is None or owner.is_shared:
                continue
            if status.st_uid not in (owner.uid, ROOT_USER):
                raise PermissionDenied(
                    f"cannot use the store at {root}: {root / name} belongs to the user"
                    f" {user_name(status.st_uid)}",
                    hint=f"run `chown -R {user_name(owner.uid)} {root}` as root",
                )
            if status.st_nlink > 1 and is_type is stat.S_ISREG and owner.uid != os.geteuid():
                raise PermissionDenied(
                    f"cannot use the store at {root}: {root / name} has a second name (hard link)",
                    hint="copy the file, and put the copy in its place",
                )
            if restrict and status.st_mode & 0o077 and status.st_uid == owner.uid:
                os.chmod(name, status.st_mode & 0o700, dir_fd=descriptor)


def _raise(fault: Fault | None, root: Path) -> None:
    if fault is not None:
        raise PermissionDenied(f"cannot trust the store at {root}: {fault.reason}", hint=fault.hint)


def _folder(path: Path, status: os.stat_result) -> Folder:
    return Folder(path, status.st_uid, status.st_gid, status.st_mode)
