"""The event loop sends a file in parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mirror.transfer import pools
from tests.support.raw_transfers import SMALL, pretend_uncached, push_blob

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tests.support.mirror_in_process import InProcessMirror


def test_uncached_part_is_sent_by_a_file_thread(
    serve: Callable[..., InProcessMirror], threads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "SENDFILE_THREADS", 0)
    ask = serve()
    path = push_blob(ask, SMALL)
    assert ask("GET", path).body == SMALL
    assert "file" not in threads
    pretend_uncached(monkeypatch)
    assert ask("GET", path).body == SMALL
    assert threads[-1] == "file"
