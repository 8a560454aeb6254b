"""Tar headers as Go's archive/tar reads them."""

from __future__ import annotations

import pytest

from store.errors import InvalidArchive, StoreError, TooLarge
from store.formats.tar.headers import (
    FLAG_DIRECTORY,
    FLAG_FILE,
    FLAG_LABEL,
    Header,
    HeaderParser,
    is_header,
    may_begin_header,
    padding,
)
from tests.support.tars import block, extended, member, padded, record, with_checksum


def headers(archive: bytes, header_bytes: int = 1 << 20) -> list[Header]:
    """Return the headers of the members in ``archive``, which has no end blocks."""
    parser = HeaderParser(header_bytes)
    found: list[Header] = []
    position = 0
    while position < len(archive):
        header = parser.header(archive[position : position + 512], position)
        position += 512
        if header.meta:
            parser.meta(archive[position : position + header.stored])
        else:
            found.append(header)
        position += header.stored + padding(header.stored)
    return found


def only(archive: bytes) -> Header:
    (found,) = headers(archive)
    return found


def refusal(archive: bytes) -> StoreError:
    with pytest.raises(StoreError) as caught:
        headers(archive)
    return caught.value


@pytest.mark.parametrize(("size", "fill"), [(0, 0), (1, 511), (511, 1), (512, 0), (513, 511)])
def test_data_is_padded_to_whole_blocks(size: int, fill: int) -> None:
    assert padding(size) == fill


def test_v7_member_ending_in_a_slash_is_a_directory() -> None:
    assert [
        found.flag
        for found in headers(
            block(b"d/", flag=b"\0", magic=b"") + block(b"f", flag=b"\0", magic=b"")
        )
    ] == [
        FLAG_DIRECTORY,
        FLAG_FILE,
    ]
    assert only(extended({b"path": b"long/"}) + block(b"x", flag=b"\0")).flag == FLAG_DIRECTORY
    assert only(block(b"f/", flag=b"0")).flag == FLAG_FILE


def test_links_and_directories_have_no_data_whatever_their_size() -> None:
    archive = (
        block(b"d", 5000, b"5")
        + block(b"l", 1, b"2")
        + block(b"neg", 0, b"5", at_124=b"\xff" * 12)
        + member(b"f", b"x")
    )
    assert [(found.name, found.size) for found in headers(archive)] == [
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


def test_names_that_are_not_utf8_keep_their_bytes() -> None:
    assert only(block(b"caf\xe9")).name.encode("utf-8", "surrogateescape") == b"caf\xe9"


def test_gnu_long_names_override_pax_records() -> None:
    archive = (
        member(b"L", b"n" * 300 + b"\0junk", b"L")
        + member(b"K", b"t" * 300 + b"\0", b"K")
        + extended({b"path": b"p"})
        + block(b"s", flag=b"2")
    )
    found = only(archive)
    assert (found.name, found.link) == ("n" * 300, "t" * 300)


def test_pax_records_override_the_header() -> None:
    archive = (
        extended(
            {b"path": "é".encode(), b"size": b"3", b"mtime": b"-1.5", b"uid": b"7", b"other": b"\0"}
        )
        + block(b"x")
        + padded(b"abc")
        + block(b"y")
    )
    assert [(found.name, found.size) for found in headers(archive)] == [("é", 3), ("y", 0)]
    assert only(extended({b"path": b"", b"size": b""}) + member(b"x", b"ab")).size == 2


def test_a_global_pax_header_is_ignored_and_cancels_the_one_before_it() -> None:
    archive = (
        extended({b"path": b"lost"})
        + extended({b"path": b"all", b"size": b"junk"}, b"g")
        + block(b"x")
    )
    assert only(archive).name == "x"


def test_sizes_in_base_256_are_read() -> None:
    assert only(block(at_124=b"\x80" + (3).to_bytes(11, "big")) + padded(b"abc")).size == 3


@pytest.mark.parametrize(
    "field", [b"00000000009\0", b"\xff" * 12, b"\x80" + b"\xff" * 11, b"1_0", b"0o7", b"-1", b"1 2"]
)
def test_a_size_that_is_not_a_number_is_refused(field: bytes) -> None:
    assert type(refusal(block(at_124=field.ljust(12, b"\0")))) is InvalidArchive


@pytest.mark.parametrize("offset", [100, 108, 116, 136, 329, 337])
def test_any_other_field_that_is_not_a_number_is_refused(offset: int) -> None:
    fields = {f"at_{offset}": b"zz"}
    assert (
        type(refusal(block(b"f", 0, b"0", link=b"", magic=b"ustar\x0000", **fields)))
        is InvalidArchive
    )


def test_star_times_are_checked() -> None:
    for prefix in (b"p", b""):
        assert type(refusal(block(at_345=prefix, at_476=b"zz", at_508=b"tar\0"))) is InvalidArchive
    assert type(refusal(block(flag=b"x", at_488=b"zz", at_508=b"tar\0"))) is InvalidArchive


def test_numbers_between_spaces_and_nuls_are_read() -> None:
    assert (
        only(
            with_checksum(block(at_100=b" 644 \0\0\0", at_124=b"    3 \0     ")) + padded(b"abc")
        ).size
        == 3
    )


def test_signed_checksum_is_headers() -> None:
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


@pytest.mark.parametrize("flag", [b"7", b"Q", b"\xff", b"A"])
def test_a_member_of_an_unknown_type_is_a_file(flag: bytes) -> None:
    for before in (b"", extended({b"path": b"file"})):
        found = only(before + block(size=3, flag=flag) + padded(b"abc"))
        assert (found.flag, found.name, found.size) == (FLAG_FILE, "file", 3)


def test_a_sparse_member_of_an_unknown_type_is_a_file() -> None:
    records = {b"GNU.sparse.map": b"0,3", b"GNU.sparse.numblocks": b"1", b"GNU.sparse.size": b"9"}
    found = only(extended(records) + block(b"s", size=3, flag=b"A") + padded(b"abc"))
    assert (found.flag, found.size, found.stored) == (FLAG_FILE, 9, 3)


@pytest.mark.parametrize(("flag", "kind"), [(b"D", FLAG_DIRECTORY), (b"V", FLAG_LABEL)])
def test_a_map_of_holes_does_not_make_a_file_of_a_member_of_gnu_tar(flag: bytes, kind: int) -> None:
    records = {b"GNU.sparse.map": b"0,3", b"GNU.sparse.numblocks": b"1", b"GNU.sparse.size": b"9"}
    found = only(extended(records) + block(b"s", size=3, flag=flag) + padded(b"abc"))
    assert (found.flag, found.sparse, found.stored) == (kind, None, 3)


def test_a_volume_label_is_skipped() -> None:
    for before in (b"", extended({b"path": b"label"})):
        archive = before + block(b"label", flag=b"V", magic=b"ustar  \0") + block(b"f")
        assert [found.flag for found in headers(archive)] == [FLAG_LABEL, FLAG_FILE]


def test_a_directory_of_an_incremental_archive_has_a_list_of_files_as_its_data() -> None:
    dumped = block(b"d/", size=4, flag=b"D", magic=b"ustar  \0") + padded(b"Yf\0\0")
    folder, file = headers(dumped + block(b"d/f"))
    assert (folder.flag, folder.size, folder.stored) == (FLAG_DIRECTORY, 0, 4)
    assert file.name == "d/f"


def test_a_later_volume_of_an_archive_is_refused_by_name() -> None:
    error = refusal(block(b"f", flag=b"M", magic=b"ustar  \0"))
    assert isinstance(error, InvalidArchive)
    assert "an earlier volume" in error.message


@pytest.mark.parametrize(
    ("start", "may"),
    [
        (b"manifest.json", True),
        (block(b"a/b")[:99], True),
        (block(b"a/b")[:300], True),
        (block(b"a/b")[:147], True),
        (b"", False),
        (b"\0" * 50, False),
        (b"a\nb", False),
        (b"a\0b", False),
        (b"a".ljust(100, b"\0") + b"no octal", False),
    ],
)
def test_the_beginning_of_a_header_is_recognised(start: bytes, *, may: bool) -> None:
    assert may_begin_header(start) is may
    assert is_header(block())
    assert not is_header(bytes(512))


def test_a_negative_size_is_refused_with_its_value() -> None:
    error = refusal(block() + block(at_124=b"\xff" * 12))
    assert error.message == "invalid tar header: the size is negative: -1, at byte 512"


def test_a_wrong_first_header_means_that_the_input_is_not_a_tar() -> None:
    error = refusal(b"x" * 512)
    assert error.message == "not a tar archive: wrong checksum in the first header, at byte 0"
    with pytest.raises(InvalidArchive, match=r"member 'layer\.tar', at byte 0"):
        HeaderParser(512, "layer.tar").header(b"x" * 512, 0)


def test_a_malformed_pax_header_is_refused_with_the_offset_of_its_block() -> None:
    error = refusal(block() + member(b"pax", b"99 path=x\n", b"x") + block())
    assert isinstance(error, InvalidArchive)
    assert error.offset == 512


def test_an_extension_header_above_the_ceiling_is_refused_before_its_data() -> None:
    for flag in (b"x", b"g", b"L", b"K"):
        with pytest.raises(TooLarge, match="at byte 512, has 501 bytes: the limit is 500 bytes"):
            headers(block() + block(b"x", 501, flag), header_bytes=500)


def test_the_map_of_a_sparse_member_is_announced_and_then_read() -> None:
    records = (
        record(b"GNU.sparse.major", b"1")
        + record(b"GNU.sparse.minor", b"0")
        + record(b"GNU.sparse.name", b"real")
        + record(b"GNU.sparse.realsize", b"900")
    )
    parser = HeaderParser(1 << 20)
    parser.header(block(b"x", len(records), b"x"), 0)
    parser.meta(records)
    header = parser.header(block(b"x", 1024), 1024)
    assert (header.name, header.size, header.stored) == ("real", 900, 1024)
    assert header.sparse is not None
    assert header.sparse.wanted
    assert parser.sparse_block(padded(b"1\n100\n512\n")) is False
    assert header.sparse.extents == ((100, 512),)


def test_a_sparse_directory_is_refused() -> None:
    sparse = extended({b"GNU.sparse.map": b"", b"GNU.sparse.numblocks": b"0"})
    announced = extended(
        {
            b"GNU.sparse.major": b"0",
            b"GNU.sparse.minor": b"1",
            b"GNU.sparse.numblocks": b"0",
            b"GNU.sparse.size": b"0",
        }
    )
    assert only(sparse + block(b"d", flag=b"5")).sparse is None
    assert "a sparse member is not a file" in refusal(announced + block(b"d", flag=b"5")).message
