"""Write the files of a client below a folder, without replacing files that others wrote.

A record below the folder names every written file with the hash of its content. A file is replaced
only if it still has that content. So neither a file of the administrator is lost, nor an edit.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from exporter.output.atomic_file import atomic_file
from store.errors import Conflict, InvalidInput, printable
from store.files.durable import make_folder
from store.files.folder_lock import locked
from store.files.os_errors import Whose, translated
from store.model.waiting import WAIT_LIMIT_S
from storectl.client_config.mirror import ClientFile, document

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

RECORD: Final = "/etc/storectl/mirror-config.json"
_MAX_RECORD_BYTES: Final = 1 << 20
_MAX_FILE_BYTES: Final = 1 << 20
_PUBLIC: Final = 0o644
_SECRET: Final = 0o600


class FileTaken(Conflict):
    """Files that exist, and that this program did not write or that were changed since.

    Attributes:
        paths: The files.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        """Describe the files.

        Args:
            paths: The files, at least one.
        """
        names = ", ".join(printable(str(path)) for path in paths)
        super().__init__(
            f"cannot write {names}: the file exists and has other content"
            if len(paths) == 1
            else f"cannot write {names}: the files exist and have other content",
            hint="merge the files by hand (without --write, they are printed), or give --force to"
            " replace them",
        )
        self.paths = tuple(paths)


def write(
    files: Sequence[ClientFile], folder: Path, *, force: bool, lock_timeout_s: float = WAIT_LIMIT_S
) -> list[Path]:
    """Write files below a folder. Either all files are written, or none.

    Args:
        files: The files; their paths begin in ``folder`` instead of ``/``.
        folder: The folder; it is made if it does not exist.
        force: Whether to replace files with other content.
        lock_timeout_s: How long to wait for another process, in seconds.

    Returns:
        The paths of the files, also of files that had the content already.

    Raises:
        FileTaken: A file exists that this program did not write, or that was changed since.
        InvalidInput: A path is a folder or a special file, or lies below a file.
        Unavailable: The operating system reports an error.
    """
    _make(folder, folder)
    with locked(folder, limit_s=lock_timeout_s):
        # Two runs at once must not lose an entry of the record.
        return _write(files, folder, force=force)


def _write(files: Sequence[ClientFile], folder: Path, *, force: bool) -> list[Path]:
    record_path = _below(folder, RECORD)
    record = _read_record(record_path)
    paths = {_below(folder, one.path): one for one in files}
    taken = [
        path
        for path, one in paths.items()
        if not (force or _may_write(path, one, record.get(one.path)))
    ]
    if taken:
        raise FileTaken(taken)
    record |= {one.path: _hash(one.text.encode()) for one in files}
    paths[record_path] = ClientFile(RECORD, document(record), is_secret=True)
    for path in paths:
        _make(path.parent, path)
    with ExitStack() as stack:
        # The files appear when the block has ended, the first one last: it names the others.
        for path, one in paths.items():
            output = stack.enter_context(atomic_file(path))
            os.fchmod(output.fileno(), _SECRET if one.is_secret else _PUBLIC)
            output.write(one.text.encode())
    return list(paths)[:-1]


def _make(folder: Path, path: Path) -> None:
    try:
        make_folder(folder, whose=Whose.OUTPUT)
    except (FileNotFoundError, NotADirectoryError):
        raise InvalidInput(f"cannot write {printable(str(path))}: no such folder") from None


def _below(folder: Path, path: str) -> Path:
    return folder / path.removeprefix("/")


def _hash(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _may_write(path: Path, wanted: ClientFile, recorded: str | None) -> bool:
    """Return whether a file can be written without a loss.

    Args:
        path: The file.
        wanted: What the file shall become.
        recorded: The hash of what was written there last; None if nothing was.
    """
    with translated(path, whose=Whose.OUTPUT):
        try:
            found = path.lstat()
        except FileNotFoundError:
            return True
        if not stat.S_ISREG(found.st_mode) or found.st_size > _MAX_FILE_BYTES:
            return False
        content = path.read_bytes()
    return content == wanted.text.encode() or _hash(content) == recorded


def _read_record(path: Path) -> dict[str, str]:
    """Return the hashes by path; none if there is no record, or not one that can be trusted."""
    try:
        with translated(path, whose=Whose.OUTPUT), path.open("rb") as file:
            found = json.loads(file.read(_MAX_RECORD_BYTES))
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, str)}
