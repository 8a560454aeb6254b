from __future__ import annotations

import io
from pathlib import Path

import pytest

from store.errors import InvalidArchive, StoreError, TooLarge, TruncatedInput
from store.formats.tar.checker import TarCheck
from store.formats.tar.reader import Member, MemberKind, TarReader
from store.model.limits import Limits
from tests.support.tars import END, block, extended, member, padded, record, summed

GOLDEN = Path(__file__).parents[4] / "golden"


class Trickle(io.RawIOBase):
    """A stream that gives a few bytes at a time."""

    def __init__(self, data: bytes, step: int = 100) -> None:
        self._data = io.BytesIO(data)
        self._step = step

    def read(self, size: int = -1, /) -> bytes:
        return self._data.read(min(size, self._step))


def members(archive: bytes, limits: Limits | None = None) -> list[Member]:
    """Listed from a file and from a stream; both must agree."""
    limits = limits or Limits()
    listed = list(TarReader(io.BytesIO(archive), limits, seekable=True))
    assert list(TarReader(Trickle(archive), limits, seekable=False)) == listed
    return listed


def refusal(archive: bytes, limits: Limits | None = None) -> StoreError:
    """The error that listing ends with, the same from a file, from a stream and (without limits) from the checker of layers."""
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


def test_each_kind_of_member_is_told() -> None:
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


def test_v7_member_ending_in_a_slash_is_a_directory() -> None:
    assert [
        found.kind
        for found in accepted(
            block(b"d/", flag=b"\0", magic=b"") + block(b"f", flag=b"\0", magic=b"")
        )
    ] == [
        MemberKind.DIRECTORY,
        MemberKind.FILE,
    ]
    assert (
        only(extended({b"path": b"long/"}) + block(b"x", flag=b"\0")).kind is MemberKind.DIRECTORY
    )
    assert only(block(b"f/", flag=b"0")).kind is MemberKind.FILE


def test_links_and_directories_have_no_data_whatever_their_size_says() -> None:
    archive = (
        block(b"d", 5000, b"5")
        + block(b"l", 1, b"2")
        + block(b"neg", 0, b"5", at_124=b"\xff" * 12)
        + member(b"f", b"x")
    )
    assert [(found.name, found.size) for found in accepted(archive)] == [
        ("d", 0),
        ("l", 0),
        ("neg", 0),
        ("f", 1),
    ]


def test_names_are_prefixed_by_format() -> None:
    assert only(block(b"f", at_345=b"a/b")).name == "a/b/f"
    assert only(block(b"f", at_345=b"a" * 131, at_508=b"tar\0")).name == "a" * 131 + "/f"
    assert only(block(b"f", magic=b"", at_345=b"a/b")).name == "f"
    gnu = b"ustar  \0"
    assert only(block(b"f", magic=gnu, at_345=b"00000000001\0" + b"00000000002\0")).name == "f"
    assert only(block(b"f", magic=gnu, at_345=b"old/go")).name == "old/go/f"
    assert only(block(b"f", magic=gnu, at_345="é".encode())).name == "f"


def test_names_that_are_no_utf8_survive() -> None:
    assert only(block(b"caf\xe9")).name.encode("utf-8", "surrogateescape") == b"caf\xe9"


def test_gnu_long_name_and_link_win_over_pax() -> None:
    archive = (
        member(b"L", b"n" * 300 + b"\0junk", b"L")
        + member(b"K", b"t" * 300 + b"\0", b"K")
        + extended({b"path": b"p"})
        + block(b"s", flag=b"2")
    )
    found = only(archive)
    assert (found.name, found.link) == ("n" * 300, "t" * 300)


def test_pax_records_win_over_the_header() -> None:
    archive = (
        extended(
            {b"path": "é".encode(), b"size": b"3", b"mtime": b"-1.5", b"uid": b"7", b"other": b"\0"}
        )
        + block(b"x")
        + padded(b"abc")
        + block(b"y")
    )
    assert [(found.name, found.size) for found in accepted(archive)] == [("é", 3), ("y", 0)]
    assert only(extended({b"path": b"", b"size": b""}) + member(b"x", b"ab")).size == 2


def test_global_pax_header_is_ignored_and_spends_what_came_before_it() -> None:
    archive = (
        extended({b"path": b"lost"})
        + extended({b"path": b"all", b"size": b"junk"}, b"g")
        + block(b"x")
    )
    assert only(archive).name == "x"


@pytest.mark.parametrize(
    "data",
    [
        b"no length\n",
        b"99 path=x\n",
        b"4 =\n",
        b"8 path=xx",
        b"10 path x\n",
        b"6 =ab\n",
        b"x path=x\n",
        b"1_0 path=x\n",
        record(b"path", b"a\0b"),
        record(b"linkpath", b"\0"),
        record(b"a\0b", b"c"),
        b"9" * 5000 + b" path=x\n",
        record(b"GNU.sparse.numbytes", b"1"),
        record(b"GNU.sparse.offset", b"1,2"),
    ],
)
def test_malformed_pax_header_is_refused(data: bytes) -> None:
    error = refusal(block() + member(b"pax", data, b"x") + block())
    assert isinstance(error, InvalidArchive)
    assert error.offset == 512


@pytest.mark.parametrize(
    "records",
    [
        {b"size": b"-1"},
        {b"size": b"1_0"},
        {b"size": b"9223372036854775808"},
        {b"uid": b"x"},
        {b"mtime": b"1.x"},
        {b"atime": b"x"},
    ],
)
def test_pax_value_that_is_no_number_is_refused(records: dict[bytes, bytes]) -> None:
    assert type(refusal(extended(records) + block())) is InvalidArchive


def test_sizes_in_base_256_count() -> None:
    assert only(block(at_124=b"\x80" + (3).to_bytes(11, "big")) + padded(b"abc")).size == 3


@pytest.mark.parametrize(
    "field", [b"00000000009\0", b"\xff" * 12, b"\x80" + b"\xff" * 11, b"1_0", b"0o7", b"-1", b"1 2"]
)
def test_size_that_is_no_number_is_refused(field: bytes) -> None:
    assert type(refusal(block(at_124=field.ljust(12, b"\0")))) is InvalidArchive


@pytest.mark.parametrize("offset", [100, 108, 116, 136, 329, 337])
def test_any_other_field_that_is_no_number_is_refused(offset: int) -> None:
    fields = {f"at_{offset}": b"zz"}
    assert (
        type(refusal(block(b"f", 0, b"0", link=b"", magic=b"ustar\x0000", **fields)))
        is InvalidArchive
    )


def test_star_times_are_looked_at() -> None:
    for prefix in (b"p", b""):
        assert type(refusal(block(at_345=prefix, at_476=b"zz", at_508=b"tar\0"))) is InvalidArchive
    assert type(refusal(block(flag=b"x", at_488=b"zz", at_508=b"tar\0"))) is InvalidArchive


def test_numbers_between_spaces_and_nuls_are_read() -> None:
    assert (
        only(summed(block(at_100=b" 644 \0\0\0", at_124=b"    3 \0     ")) + padded(b"abc")).size
        == 3
    )


def test_signed_checksum_is_accepted() -> None:
    raw = block(b"caf\xe9")
    total = sum(raw[:148] + raw[156:]) + 8 * 32 - 256
    assert only(raw[:148] + b"%06o\0 " % total + raw[156:]).size == 0


@pytest.mark.parametrize("name", [b"ascii", b"caf\xe9"])
def test_bad_checksum_is_refused_with_its_offset(name: bytes) -> None:
    raw = bytearray(block(name))
    raw[3] ^= 1
    error = refusal(block() + bytes(raw))
    assert isinstance(error, InvalidArchive)
    assert error.offset == 512


@pytest.mark.parametrize("flag", [b"7", b"Q", b"S", b"\xff", b"D", b"V"])
def test_unknown_type_flag_is_refused_by_name(flag: bytes) -> None:
    for archive in (block(flag=flag), extended({b"path": b"p"}) + block(flag=flag)):
        error = refusal(archive)
        assert isinstance(error, InvalidArchive)
        assert f"type {flag[0]} " in error.message


def test_end_blocks_may_be_missing_and_junk_may_follow_them() -> None:
    whole = member(b"f", b"x" * 600)
    for tail in (b"", bytes(512), END, END + b"junk", END + whole):
        assert [found.name for found in accepted(whole + tail)] == ["f"]
    assert accepted(b"") == []
    assert accepted(END) == []


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


def test_zero_block_followed_by_something_else_is_refused() -> None:
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


def test_what_is_left_of_a_member_is_skipped() -> None:
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


def test_file_that_shrinks_meanwhile_is_noticed() -> None:
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


def test_misuse_is_our_own_bug() -> None:
    reader = TarReader(io.BytesIO(b""), seekable=False)
    with pytest.raises(ValueError, match="no current member"):
        reader.read_all(1)
    with pytest.raises(ValueError, match="cannot be read again"):
        next(reader.reread(Member("a", MemberKind.FILE, 1, 0, ""), 1))
