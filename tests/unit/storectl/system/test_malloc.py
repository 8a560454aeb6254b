"""The settings that tell the C library how much freed memory to keep."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import TYPE_CHECKING

from storectl.system import malloc

if TYPE_CHECKING:
    import pytest


class Library:
    """A fake C library that records the calls of its functions."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def mallopt(self, *arguments: int) -> int:
        self.calls.append(("mallopt", *arguments))
        return 1

    def malloc_trim(self, *arguments: int) -> int:
        self.calls.append(("malloc_trim", *arguments))
        return 1


def test_freed_memory_is_kept_up_to_the_given_size(monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library()
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: library)
    malloc.keep_freed(malloc.SERVER_KEEPS_BYTES)
    # The numbers of M_TRIM_THRESHOLD and M_MMAP_THRESHOLD in malloc.h.
    assert ("mallopt", -1, malloc.SERVER_KEEPS_BYTES) in library.calls
    (mapped,) = (call[2] for call in library.calls if call[1] == -3)
    # The buffers for pieces of content (4 MiB) are below this size.
    assert isinstance(mapped, int)
    assert mapped > 4 * 1024 * 1024


def test_all_free_memory_is_released(monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library()
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: library)
    malloc.release_memory()
    assert library.calls == [("malloc_trim", 0)]


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: SimpleNamespace())
    malloc.keep_freed()
    malloc.release_memory()
