"""The sizes in the error for an output that does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.output.free_space import stating_sizes
from store.errors import StorageFull


def failed(path: Path, message: str, size_bytes: int | None) -> StorageFull:
    with pytest.raises(StorageFull) as caught, stating_sizes(path, size_bytes):
        raise StorageFull(message, hint="make room")
    return caught.value


def test_the_error_names_the_file_and_both_sizes(tmp_path: Path) -> None:
    error = failed(tmp_path / "a.tar", "No space left on device", 12345)
    assert error.message.startswith(
        f"{tmp_path / 'a.tar'}: No space left on device: the output has"
    )
    assert "12345 bytes, and " in error.message
    assert error.message.endswith(" bytes are free")
    assert error.hint == "make room"
    assert "the output has" not in failed(tmp_path, f"{tmp_path}: full", None).message


def test_nothing_is_said_that_is_not_known() -> None:
    gone = Path("/gone/for/ever")
    assert failed(gone, f"{gone}: full", None).message == f"{gone}: full"
    with pytest.raises(ValueError, match="other"), stating_sizes(gone, 1):
        raise ValueError("other")
