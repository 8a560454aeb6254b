"""Reading the document log of a store in tests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from store.documents import records
from store.documents.blocks import Gap, Mark, frames

if TYPE_CHECKING:
    from pathlib import Path

    from store.db.changes import Position, Value


def log_path(root: Path) -> Path:
    return root / "documents" / "log.zst"


def log_frames(path: Path) -> list[bytes | Mark | Gap]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return list(frames(descriptor, path.stat().st_size))
    finally:
        os.close(descriptor)


def log_records(root: Path) -> list[tuple[str, tuple[Value, ...]]]:
    return [
        record
        for frame in log_frames(log_path(root))
        if isinstance(frame, bytes)
        for record in records.decode(frame)
    ]


def log_documents(root: Path) -> dict[Value, Value]:
    return {values[0]: values[1] for kind, values in log_records(root) if kind == "document"}


def log_tags(root: Path) -> dict[tuple[Value, Value], Value]:
    """Return where each tag points by the log; None for a removed tag."""
    return {
        (values[0], values[1]): values[2] for kind, values in log_records(root) if kind == "tag"
    }


def last_position(root: Path) -> Position:
    marks = [frame for frame in log_frames(log_path(root)) if isinstance(frame, Mark)]
    return marks[-1].position
