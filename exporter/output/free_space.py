"""The sizes in the error for an output that does not fit on its file system."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from store.errors import StorageFull

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def stating_sizes(path: Path, size_bytes: int | None) -> Iterator[None]:
    """Say how large an output is, and how much is free, in a `StorageFull` of the block.

    Args:
        path: The output; the message begins with it.
        size_bytes: The size of the whole output; None if it is not known.

    Raises:
        StorageFull: The block raised it.
    """
    try:
        yield
    except StorageFull as exc:
        free_bytes: int | None = None
        cause = exc.__cause__
        is_full = not (isinstance(cause, OSError) and cause.errno == errno.EFBIG)
        # The block has removed what it wrote of a file.
        with suppress(OSError):
            status = os.statvfs(path if path.is_dir() else path.parent)
            free_bytes = status.f_bavail * status.f_frsize
        facts = [
            *([] if size_bytes is None else [f"the output has {size_bytes} bytes"]),
            *([] if free_bytes is None or not is_full else [f"{free_bytes} bytes are free"]),
        ]
        name = str(path)
        message = exc.message if exc.message.startswith(name) else f"{name}: {exc.message}"
        sizes = ", and ".join(facts)
        raise StorageFull(
            f"{message}: {sizes}" if sizes else message, hint=exc.hint, remedy=exc.remedy
        ) from exc
