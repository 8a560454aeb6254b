"""The members of a tar archive, read from a file and from a stream."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from store.errors import InvalidArchive, StoreError, TooLarge, TruncatedInput
from store.formats.tar.checker import TarCheck
from store.formats.tar.reader import Member, MemberKind, TarReader
from store.model.limits import Limits
from tests.support.tars import END, block, extended, member

GOLDEN = Path(__file__).parents[4] / "golden"


class Trickle(io.RawIOBase):
    """A stream that returns a few bytes at a time."""

    def __init__(self, data: bytes, step: int = 100) -> None:
        self._data = io.BytesIO(data)
        self._step = step

    def read(self, size: int = -1, /) -> bytes:
        return self._data.read(min(size, self._step))


def members(archive: bytes, limits: Limits | None = None) -> list[Member]:
    """List an archive's members from a file; check that a stream gives the same members."""
    limits = limits or Limits()
    listed = list(TarReader(io.BytesIO(archive), limits, seekable=True))
    assert list(TarReader(Trickle(archive), limits, seekable=False)) == listed
    return listed


def refusal(archive: bytes, limits: Limits | None = None) -> StoreError:
    """Return the error of listing an archive; check that a file and a stream fail alike."""
    errors = []
    for seekable in (True, False):
        with pytest.raises(StoreError) as caught:
            list(TarReader(io.BytesIO(archive), limits or Limits(), seekable=seekable))
        errors.append(caught.value)
    assert type(errors[0]) is type(errors[1])
    if limits is None:
        with pytest.raises(type(errors[0])):
            check(archive)
    return errors[0]


def check(archive: bytes) -> None:
    checker = TarCheck()
    checker.feed(archive)
    checker.finish()


def accepted(archive: bytes) -> list[Member]:
    check(archive)
    return members(archive)


def only(archive: bytes) -> Member:
    (found,) = accepted(archive)
    return found


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.glob("*.tar")))
def test_goldens_list_completely(name: str) -> None:
    archive = (GOLDEN / name).read_bytes()
    names = {found.name for found in accepted(archive)}
    assert "manifest.json" in names
    reader = TarReader(io.BytesIO(archive), seekable=False)
    manifest = next(reader.read_all(1 << 20) for found in reader if found.name == "manifest.json")
    assert manifest.startswith(b"[{")


def test_each_kind_of_member_is_recognised() -> None:
    archive = b"".join(
        block(flag, 0, flag, link=b"target") for flag in (b"0", b"1", b"2", b"3", b"4", b"5", b"6")
    )
    kinds = [found.kind for found in accepted(archive)]
    special = MemberKind.SPECIAL
    assert kinds == [
        MemberKind.FILE,
        MemberKind.HARDLINK,
        MemberKind.SYMLINK,
        special,
        special,
        MemberKind.DIRECTORY,
        special,
    ]


def test_end_blocks_may_be_missing_and_junk_may_follow_them() -> None:
    whole = member(b"f", b"x" * 600)
    for tail in (b"", bytes(512), END, END + b"junk", END + bytes(9000) + b"junk" * 512):
        assert [found.name for found in accepted(whole + tail)] == ["f"]
    assert accepted(b"") == []
    assert accepted(END) == []


@pytest.mark.parametrize("padding_bytes", [0, 512, 9 * 512, 2 << 20])
def test_another_archive_behind_the_end_is_refused_with_its_offset(padding_bytes: int) -> None:
    whole = member(b"f", b"x" * 600) + END
    for seekable in (True, False):
        with pytest.raises(InvalidArchive, match="another archive follows") as caught:
            list(
                TarReader(
                    io.BytesIO(whole + bytes(padding_bytes) + whole), Limits(), seekable=seekable
                )
            )
        assert caught.value.offset == len(whole) + padding_bytes
    # A layer is kept as it is.
    check(whole + whole)


def test_labels_and_lists_of_files_are_read_past() -> None:
    gnu = b"ustar  \0"
    archive = (
        block(b"label", flag=b"V", magic=gnu)
        + member(b"d/", b"Yf\0\0", b"D", magic=gnu)
        + member(b"d/f", b"abc", b"7")
    )
    assert [(found.name, found.kind, found.size) for found in accepted(archive)] == [
        ("d/", MemberKind.DIRECTORY, 0),
        ("d/f", MemberKind.FILE, 3),
    ]


def test_a_cut_is_accepted_in_the_last_padding_only() -> None:
    whole = member(b"a", b"x" * 600) + member(b"b", b"y" * 600)
    for length in range(1, len(whole)):
        clean = length == 512 + 1024 or length >= 2048 + 600 or 512 + 600 <= length < 1536
        if clean:
            assert accepted(whole[:length])
        else:
            assert type(refusal(whole[:length])) is TruncatedInput


def test_cut_inside_extension_headers_is_refused() -> None:
    pax = extended({b"path": b"p"})
    assert type(refusal(pax[:520])) is TruncatedInput
    assert accepted(pax[:600]) == []


def test_a_zero_block_followed_by_other_data_is_refused() -> None:
    error = refusal(block() + bytes(512) + block())
    assert isinstance(error, InvalidArchive)
    assert error.offset == 1024
    assert type(refusal(bytes(700))) is TruncatedInput


def test_a_stream_is_read_to_its_end() -> None:
    stream = io.BytesIO(block() + END + b"junk" * 1000)
    assert len(list(TarReader(stream, seekable=False))) == 1
    assert stream.read() == b""


def test_data_comes_in_pieces_of_the_size_asked_for() -> None:
    data = bytes(range(256)) * 10
    archive = member(b"a", data) + member(b"b", b"tail") + END
    for source, seekable in ((io.BytesIO(archive), True), (Trickle(archive), False)):
        reader = TarReader(source, seekable=seekable)
        pieces = []
        for found in reader:
            pieces.append(list(reader.chunks(1000)))
            assert sum(map(len, pieces[-1])) == found.size
        assert [list(map(len, each)) for each in pieces] == [[1000, 1000, 560], [4]]
        assert b"".join(pieces[0]) == data


def test_unread_data_of_a_member_is_skipped() -> None:
    archive = member(b"a", b"x" * 3000) + member(b"b", b"tail")
    for seekable in (True, False):
        reader = TarReader(io.BytesIO(archive), seekable=seekable)
        walk = iter(reader)
        next(walk)
        chunks = reader.chunks(700)
        next(chunks)
        assert next(walk).name == "b"
        with pytest.raises(ValueError, match="moved on"):
            next(chunks)
        assert reader.read_all(10) == b"tail"


def test_rereading_does_not_disturb_reading() -> None:
    archive = member(b"a", b"first") + member(b"b", b"second") + member(b"c", b"third")
    reader = TarReader(io.BytesIO(archive), seekable=True)
    walk = iter(reader)
    first = next(walk)
    next(walk)
    chunks = reader.chunks(3)
    assert next(chunks) == b"sec"
    assert b"".join(reader.reread(first, 2)) == b"first"
    assert b"".join(chunks) == b"ond"
    assert b"".join(reader.reread(first, 100)) == b"first"
    assert next(walk).name == "c"


def test_a_file_that_becomes_shorter_is_found() -> None:
    file = io.BytesIO(member(b"a", b"x" * 1000) + END)
    reader = TarReader(file, seekable=True)
    (found,) = reader
    file.truncate(600)
    with pytest.raises(TruncatedInput) as caught:
        list(reader.reread(found, 4096))
    assert caught.value.offset == 600
    reader = TarReader(io.BytesIO(member(b"a", b"x" * 1000)[:600]), seekable=False)
    next(iter(reader))
    with pytest.raises(TruncatedInput):
        reader.read_all(5000)


def test_ceilings_are_enforced() -> None:
    three = b"".join(block(b"name%d" % i) for i in range(3))
    assert isinstance(refusal(three, Limits(members=2)), TooLarge)
    assert isinstance(
        refusal(extended({b"path": b"p" * 600}) + block(), Limits(header_bytes=500)), TooLarge
    )
    assert isinstance(
        refusal(member(b"L", b"n" * 600, b"L") + block(), Limits(header_bytes=500)), TooLarge
    )
    assert len(members(three, Limits(members=3))) == 3
    reader = TarReader(io.BytesIO(member(b"a", b"12345")), seekable=True)
    next(iter(reader))
    with pytest.raises(TooLarge):
        reader.read_all(4)


def test_misuse_raises_value_error() -> None:
    reader = TarReader(io.BytesIO(b""), seekable=False)
    with pytest.raises(ValueError, match="no current member"):
        reader.read_all(1)
    with pytest.raises(ValueError, match="cannot be read again"):
        next(reader.reread(Member("a", MemberKind.FILE, 1, 0, ""), 1))


def test_what_follows_the_end_of_a_stream_has_a_ceiling() -> None:
    data = member(b"a", b"a") + END + bytes(5000)
    limits = Limits(trailing_bytes=4000)
    assert len(list(TarReader(io.BytesIO(data), limits, seekable=True))) == 1
    with pytest.raises(TooLarge) as caught:
        list(TarReader(io.BytesIO(data), limits, seekable=False))
    assert caught.value.limit == 4000
