from __future__ import annotations

from store.db.sqlite.text import any_text


def test_any_bytes_are_text_and_none_are_lost() -> None:
    assert any_text(b"plain") == "plain"
    assert any_text("ümläut".encode()) == "ümläut"
    odd = any_text(b"a\xff")
    assert odd.encode("utf-8", "surrogateescape") == b"a\xff"
