"""The size of the buffers of pipes."""

from __future__ import annotations

import fcntl
import io
import os
from typing import TYPE_CHECKING

from storectl.system.pipes import widen

if TYPE_CHECKING:
    from pathlib import Path


def test_a_pipe_holds_a_mebibyte() -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as source, os.fdopen(writer, "wb"):
        widen(source)
        assert fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ) == 1 << 20


def test_a_file_and_a_stream_without_a_descriptor_are_left_alone(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        widen(file)
        widen(io.BytesIO())
        assert file.write(b"still open")
