"""The check that the bytes of a layer are a tar archive."""

from __future__ import annotations

import pytest

from store.errors import InvalidArchive, TooLarge, TruncatedInput
from store.formats.tar.checker import TarCheck
from tests.support.tars import END, block, extended, member, padded, sparse_member


def feed(data: bytes, step: int, name: str | None = None) -> None:
    checker = TarCheck(name)
    for start in range(0, len(data), step):
        checker.feed(memoryview(data)[start : start + step])
    checker.finish()


@pytest.mark.parametrize("step", [1, 100, 512, 513, 1 << 20])
def test_the_cuts_between_pieces_make_no_difference(step: int) -> None:
    sparse = sparse_member(b"s", bytes(600), 900, [(0, 500), (700, 100)], "1.0")
    archive = (
        extended({b"size": b"700"})
        + block(b"a")
        + bytes(1024)
        + sparse
        + member(b"L", b"", b"L")
        + member(b"b", b"x" * 5)
        + END
        + b"junk"
    )
    feed(archive, step)
    feed(b"", step)


def test_data_is_skipped_without_reading_it() -> None:
    checker = TarCheck()
    checker.feed(block(b"big", 4 << 30))
    piece = bytes(1 << 20)
    for _ in range(4 << 10):
        checker.feed(piece)
    checker.feed(block(b"next"))
    checker.finish()


def test_errors_carry_the_layer_and_the_offset_in_it() -> None:
    with pytest.raises(InvalidArchive) as caught:
        feed(block() + b"not a header".ljust(512), 100, "abc/layer.tar")
    assert (caught.value.member, caught.value.offset) == ("abc/layer.tar", 512)
    with pytest.raises(TruncatedInput) as cut:
        feed(member(b"a", b"x" * 600)[:700], 100, "abc/layer.tar")
    assert (cut.value.member, cut.value.offset) == ("abc/layer.tar", 700)
    with pytest.raises(InvalidArchive) as zero:
        feed(bytes(512) + block(), 100, "abc/layer.tar")
    assert (zero.value.member, zero.value.offset) == ("abc/layer.tar", 512)


def test_too_long_a_header_is_refused_before_it_is_collected() -> None:
    with pytest.raises(TooLarge, match=r"layer\.tar"):
        TarCheck("layer.tar").feed(block(b"x", 2 << 20, b"x"))


def test_the_map_of_a_sparse_member_is_checked() -> None:
    announced = extended(
        {b"GNU.sparse.major": b"1", b"GNU.sparse.minor": b"0", b"GNU.sparse.realsize": b"900"}
    )
    with pytest.raises(InvalidArchive) as caught:
        feed(announced + member(b"s", padded(b"1\n0\n601\n") + bytes(600)), 100, "abc/layer.tar")
    assert (caught.value.member, caught.value.offset) == ("abc/layer.tar", 1024)
    for missing in (1024 + 512, 1024 + 512 + 8, 1024 + 512 + 512 + 599):
        with pytest.raises(TruncatedInput):
            feed((announced + member(b"s", padded(b"1\n0\n600\n") + bytes(600)))[:missing], 100)


def test_a_text_is_refused() -> None:
    with pytest.raises(InvalidArchive):
        feed(b'{"a": 1}' * 100, 4096)
    with pytest.raises(TruncatedInput):
        feed(b"short", 4096)
