"""Read and replace the files with credentials."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from exporter.output.atomic_file import atomic_file
from remote.credentials.documents import AuthDocument
from store.errors import InvalidInput, printable
from store.files.folder_lock import locked
from store.files.input_modes import require_unwritable
from store.files.os_errors import Whose, reading_input, translated
from store.files.text_files import decode_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from remote.credentials.places import AuthFile

MAX_FILE_BYTES: Final = 4 << 20
"""The largest file with credentials that is read, in bytes."""

_PRIVATE_FOLDER: Final = 0o700


def read_document(file: AuthFile) -> AuthDocument | None:
    """Return what a file says; None if there is no such file.

    Args:
        file: The file. One that the user named must exist.

    Raises:
        InvalidInput: The file is too large or not a regular file, or its text is not valid.
        PermissionDenied: The file cannot be read, or other users may write to it.
        Unavailable: The operating system reports another error.
    """
    text = _text(file.path)
    if text is None:
        if file.is_chosen:
            raise InvalidInput(
                f"cannot read {printable(str(file.path))}: there is no such file",
                hint="log in first, or name another file for credentials",
            )
        return None
    return AuthDocument.parse(text, printable(str(file.path)), file.kind)


@contextmanager
def changing(file: AuthFile, limit_s: float) -> Iterator[AuthDocument]:
    """Hold the lock for a file with credentials while it is changed, and yield what it says.

    Args:
        file: The file; it need not exist. Its folder is made, for this user alone.
        limit_s: How long to wait for another process, in seconds.

    Raises:
        StoreError: The file cannot be read, or another process has the lock for too long.
    """
    folder = _target(file.path).parent
    with translated(folder, whose=Whose.OUTPUT):
        folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
    with locked(folder, limit_s=limit_s):
        text = _text(file.path) or ""
        yield AuthDocument.parse(text, printable(str(file.path)), file.kind)


def replace_text(path: Path, text: str) -> None:
    """Replace a file at once with a text that only its owner can read.

    A symbolic link stays, and the file behind it is replaced.

    Args:
        path: The file.
        text: The new text.

    Raises:
        StoreError: The file cannot be written.
    """
    target = _target(path)
    with translated(target, whose=Whose.OUTPUT):
        before = target.stat() if target.exists() else None
    with atomic_file(target) as file:
        if before is not None and before.st_uid != os.geteuid():
            # Only root can do this, and then the file still belongs to its user.
            with translated(target, whose=Whose.OUTPUT):
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
        file.write(text.encode())


def _target(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _text(path: Path) -> str | None:
    """Return the text of a file; None if there is no such file."""
    try:
        # A named pipe would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        with reading_input(path):
            raise error from None
        raise  # pragma: no cover - `reading_input` raises
    try:
        status = os.fstat(descriptor)
        if status.st_rdev == os.stat(os.devnull).st_rdev and stat.S_ISCHR(status.st_mode):  # noqa: PTH116
            # The usual way to say that there are no credentials.
            return ""
        if not stat.S_ISREG(status.st_mode):
            raise InvalidInput(
                f"cannot read {printable(str(path))}: it is not a file",
                hint="remove it, or name another file for credentials",
            )
        require_unwritable(path)
        with reading_input(path), os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(MAX_FILE_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > MAX_FILE_BYTES:
        raise InvalidInput(f"invalid file {path}: it is larger than {MAX_FILE_BYTES} bytes")
    return decode_text(data, printable(str(path)))
