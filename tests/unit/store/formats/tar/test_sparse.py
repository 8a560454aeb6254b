"""Sparse members of a tar archive."""

from __future__ import annotations

import io

import pytest

from store.errors import InvalidArchive, StoreError, TooLarge, TruncatedInput
from store.formats.tar.checker import TarCheck
from store.formats.tar.reader import Member, TarReader
from store.formats.tar.sparse import expanded
from store.model.limits import Limits
from store.model.remedies import Remedy
from tests.support.tars import END, block, extended, member, padded, record, sparse_member

VERSIONS = ["0.0", "0.1", "1.0", "old"]
ONE = {
    b"GNU.sparse.major": b"1",
    b"GNU.sparse.minor": b"0",
    b"GNU.sparse.name": b"real",
    b"GNU.sparse.realsize": b"9000",
}
ZERO = {
    b"GNU.sparse.name": b"real",
    b"GNU.sparse.size": b"9000",
    b"GNU.sparse.numblocks": b"1",
    b"GNU.sparse.map": b"0,700",
}


def contents(archive: bytes, limits: Limits | None = None) -> list[tuple[str, bytes]]:
    """Return the members' names and data; check that a file and a stream give the same result."""
    checker = TarCheck()
    checker.feed(archive)
    checker.finish()
    found = []
    for seekable in (True, False):
        reader = TarReader(io.BytesIO(archive), limits or Limits(), seekable=seekable)
        found.append([(each.name, reader.read_all(1 << 20)) for each in reader])
    assert found[0] == found[1]
    return found[0]


def refusal(archive: bytes, limits: Limits | None = None) -> StoreError:
    errors = []
    for seekable in (True, False):
        with pytest.raises(StoreError) as caught:
            list(TarReader(io.BytesIO(archive), limits or Limits(), seekable=seekable))
        errors.append(caught.value)
    assert type(errors[0]) is type(errors[1])
    if limits is None:
        checker = TarCheck()
        with pytest.raises(type(errors[0])):
            checker.feed(archive)
            checker.finish()
    return errors[0]


def one(numbers: bytes, data: bytes, **records: bytes) -> bytes:
    """Return a sparse member in format 1.0 whose data begins with the map ``numbers``."""
    return extended(
        {**ONE, **{b"GNU.sparse." + key.encode(): value for key, value in records.items()}}
    ) + member(b"x", padded(numbers) + data)


def zero(**records: bytes) -> bytes:
    """Return a sparse member in format 0.1 with 700 bytes of data."""
    return extended(
        {**ZERO, **{b"GNU.sparse." + key.encode(): value for key, value in records.items()}}
    ) + member(b"x", b"d" * 700)


@pytest.mark.parametrize("version", VERSIONS)
def test_holes_are_read_as_zeros(version: str) -> None:
    data = b"a" * 100 + b"b" * 513
    archive = (
        sparse_member(b"real", data, 5000, [(0, 0), (10, 100), (2000, 513)], version)
        + member(b"next", b"n")
        + END
    )
    content = bytes(10) + b"a" * 100 + bytes(1890) + b"b" * 513 + bytes(2487)
    assert contents(archive) == [("real", content), ("next", b"n")]


@pytest.mark.parametrize("version", VERSIONS)
def test_member_may_be_all_hole(version: str) -> None:
    for size in (0, 3000):
        assert contents(sparse_member(b"real", b"", size, [], version) + END) == [
            ("real", bytes(size))
        ]


def test_map_may_take_several_blocks() -> None:
    extents = [(offset, 1) for offset in range(0, 4000, 2)]
    assert contents(sparse_member(b"real", b"x" * 2000, 4001, extents, "1.0")) == [
        ("real", b"x\0" * 2000 + b"\0")
    ]


def test_unread_data_is_returned_by_the_next_call() -> None:
    reader = TarReader(
        io.BytesIO(sparse_member(b"real", b"abcdef", 30, [(7, 3), (20, 3)], "0.1")), seekable=False
    )
    next(iter(reader))
    assert next(reader.chunks(8)) == bytes(7) + b"a"
    assert reader.read_all(22) == b"bc" + bytes(10) + b"def" + bytes(7)


def test_member_listed_from_a_file_can_be_read_later() -> None:
    archive = sparse_member(b"real", b"abcdef", 30, [(7, 3), (20, 3)], "1.0") + member(
        b"next", b"n"
    )
    reader = TarReader(io.BytesIO(archive), seekable=True)
    sparse, following = reader
    assert b"".join(reader.reread(following, 10)) == b"n"
    assert list(reader.reread(sparse, 16)) == [
        bytes(7) + b"abc" + bytes(6),
        bytes(4) + b"def" + bytes(7),
    ]


def test_a_terabyte_of_holes_needs_no_memory() -> None:
    pieces = expanded(((1 << 40, 1),), (1 << 40) + 1, 0, 1 << 20, bytes)
    assert next(pieces) is next(pieces)
    limits = Limits(layer_bytes=1 << 60, ratio=1 << 60)
    reader = TarReader(
        io.BytesIO(sparse_member(b"real", b"", 1 << 60, [], "0.1") + member(b"next", b"n")),
        limits,
        seekable=False,
    )
    assert [each.size for each in reader] == [1 << 60, 1]
    reader = TarReader(
        io.BytesIO(sparse_member(b"real", b"", 1 << 60, [], "0.1")), limits, seekable=False
    )
    next(iter(reader))
    with pytest.raises(TooLarge):
        reader.read_all(1 << 30)


def test_a_member_of_an_unknown_version_is_not_sparse() -> None:
    for records in (
        {b"GNU.sparse.major": b"2", b"GNU.sparse.minor": b"0"},
        {b"GNU.sparse.major": b"1"},
        {b"GNU.sparse.map": b""},
    ):
        archive = extended(
            {b"GNU.sparse.name": b"real", b"GNU.sparse.size": b"9", **records}
        ) + member(b"f", b"data")
        assert contents(archive) == [("f", b"data")]


def test_a_missing_size_is_the_size_of_the_data() -> None:
    archive = member(
        b"x", record(b"GNU.sparse.numblocks", b"1") + record(b"GNU.sparse.map", b"0,4"), b"x"
    ) + member(b"f", b"data")
    assert contents(archive) == [("f", b"data")]


@pytest.mark.parametrize(
    "archive",
    [
        zero(numblocks=b""),
        zero(numblocks=b"2"),
        zero(numblocks=b"-1"),
        zero(map=b"0,x"),
        zero(map=b"0,701"),
        zero(map=b"0,699"),
        zero(map=b"8301,700"),
        zero(map=b"-1,700"),
        zero(map=b"0,701,0,-1", numblocks=b"2"),
        zero(map=b"0,400,300,300", numblocks=b"2"),
        zero(size=b"-1"),
        zero(size=b"1_0"),
        one(b"x\n", b""),
        one(b"-1\n", b""),
        one(b"1\n0\nx\n", b"data"),
        one(b"1\n0\n5\n", b"data"),
        one(b"1\n0\n4", b"data"),
        one(b"9" * 30 + b"\n", b"data"),
        one(b"", b"data"),
        one(b"1\n0\n4\n", b"data", realsize=b"3"),
        one(b"0\n", b"", realsize=b"-1"),
        extended(ONE) + block(b"x", 100),
        extended(ONE) + block(b"d", flag=b"5"),
        extended(
            ZERO
            | {
                b"GNU.sparse.numblocks": b"0",
                b"GNU.sparse.map": b"",
                b"GNU.sparse.major": b"0",
                b"GNU.sparse.minor": b"1",
            }
        )
        + block(b"d", flag=b"5"),
    ],
)
def test_an_impossible_map_is_refused(archive: bytes) -> None:
    error = refusal(archive + END)
    assert type(error) is InvalidArchive
    assert error.offset == 1024


def test_cut_inside_the_map_is_found() -> None:
    archive = sparse_member(
        b"real", b"x" * 2000, 4001, [(offset, 1) for offset in range(0, 4000, 2)], "1.0"
    )
    for length in (1536, 1537, 2048, 2049):
        assert type(refusal(archive[:length])) is TruncatedInput


def test_map_beyond_the_ceiling_is_refused() -> None:
    archive = sparse_member(
        b"real", b"x" * 2000, 4001, [(offset, 1) for offset in range(0, 4000, 2)], "1.0"
    )
    error = refusal(archive, Limits(header_bytes=5000))
    assert isinstance(error, TooLarge)
    assert error.limit == 5000


def test_a_long_map_of_the_old_gnu_format_continues_in_blocks_before_the_data() -> None:
    data = bytes(range(1, 101)) * 2
    extents = [(offset, 1) for offset in range(0, 400, 2)]
    archive = sparse_member(b"s", data, 401, extents, "old") + member(b"f", b"abc") + END
    whole = b"".join(bytes([byte, 0]) for byte in data) + b"\0"
    assert contents(archive) == [("s", whole), ("f", b"abc")]
    for length in (600, 1000, 1024 + 9 * 512 + 100):
        assert type(refusal(archive[:length])) is TruncatedInput
    error = refusal(archive, Limits(header_bytes=2000))
    assert isinstance(error, TooLarge)


def test_a_member_in_the_old_gnu_format_may_have_a_long_name() -> None:
    named = member(b"././@LongLink", b"n" * 200 + b"\0", b"L", magic=b"ustar  \0")
    archive = named + sparse_member(b"s", b"abc", 9, [(3, 3)], "old")
    assert contents(archive) == [("n" * 200, bytes(3) + b"abc" + bytes(3))]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"magic": b"ustar\x0000"}, "another format"),
        ({"at_483": b"x" * 12}, "the size of the sparse member is not a number"),
        ({"at_386": b"00000000000\0xxxxxxxxxxxx"}, "a number of the sparse map"),
        ({"at_386": b"00000000001\x0000000000001\0"}, "ends behind the end"),
    ],
)
def test_a_wrong_header_of_the_old_gnu_format_is_refused(
    fields: dict[str, bytes], text: str
) -> None:
    error = refusal(block(b"s", 0, b"S", **{"magic": b"ustar  \0", **fields}))
    assert isinstance(error, InvalidArchive)
    assert text in error.message


def test_members_have_the_extents_that_are_stored() -> None:
    (found,) = TarReader(
        io.BytesIO(sparse_member(b"real", b"abc", 30, [(7, 3)], "0.1")), seekable=True
    )
    assert isinstance(found, Member)
    assert found.extents == ((7, 3),)
    (plain,) = TarReader(io.BytesIO(member(b"f", b"abc")), seekable=True)
    assert plain.extents is None


@pytest.mark.parametrize("seekable", [False, True])
def test_holes_count_as_what_they_expand_to(*, seekable: bool) -> None:
    def sizes(hole_bytes: int, **limits: int) -> list[int]:
        data = sparse_member(b"one", b"", hole_bytes, [], "0.1")
        data += sparse_member(b"two", b"", hole_bytes, [], "0.1")
        return [
            each.size for each in TarReader(io.BytesIO(data), Limits(**limits), seekable=seekable)
        ]

    assert sizes(1 << 20) == [1 << 20, 1 << 20]
    with pytest.raises(TooLarge, match="1000 : 1") as caught:
        sizes(40 << 20)
    assert caught.value.remedy is Remedy.RAISE_RATIO_LIMIT
    with pytest.raises(TooLarge) as caught:
        sizes(1 << 20, layer_bytes=1 << 14)
    assert caught.value.limit == 1 << 20
