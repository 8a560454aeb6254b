"""PAX extended headers as Go's archive/tar reads them."""

from __future__ import annotations

import pytest

from store.formats.tar.pax import InvalidRecordError, checked_size, integer, parse
from tests.support.tars import record


def test_of_repeated_records_the_last_one_counts() -> None:
    data = record(b"path", b"a") + record(b"size", b"1") + record(b"path", b"b=c")
    assert parse(data) == {b"path": b"b=c", b"size": b"1"}
    assert parse(b"") == {}


def test_the_pairs_of_a_sparse_map_become_one_record() -> None:
    keys = (b"GNU.sparse.offset", b"GNU.sparse.numbytes") * 2
    data = b"".join(map(record, keys, (b"0", b"5", b"10", b"1")))
    assert parse(data) == {b"GNU.sparse.map": b"0,5,10,1"}


def test_values_may_have_a_nul_where_go_allows_it() -> None:
    assert parse(record(b"other", b"a\0b")) == {b"other": b"a\0b"}


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
def test_malformed_records_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidRecordError):
        parse(data)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"0", 0),
        (b"-1", -1),
        (b"+7", 7),
        (b"000000000000000000000000007", 7),
        (b"9223372036854775807", 2**63 - 1),
        (b"-9223372036854775808", -(2**63)),
    ],
)
def test_integers_have_64_bits(text: bytes, value: int) -> None:
    assert integer(text) == value


def test_a_wrong_value_is_quoted_and_cut_short() -> None:
    with pytest.raises(InvalidRecordError, match=r"^the PAX value '1_0' is not a number$"):
        integer(b"1_0")
    with pytest.raises(InvalidRecordError, match=r"^the PAX value '9{40}'… is not a number$"):
        integer(b"9" * 5000)
    with pytest.raises(InvalidRecordError, match="does not fit into 64 bits"):
        integer(b"9223372036854775808")


def test_the_size_of_the_records_overrides_that_of_the_header() -> None:
    assert checked_size({}, 5) == 5
    assert checked_size({b"size": b""}, 5) == 5
    assert checked_size({b"size": b"7", b"mtime": b"-1.5", b"uid": b"3"}, 5) == 7
    # The type of the member decides whether a negative size is an error.
    assert checked_size({b"size": b"-1"}, 5) == -1


@pytest.mark.parametrize(
    "records",
    [
        {b"size": b"1_0"},
        {b"size": b"9223372036854775808"},
        {b"uid": b"x"},
        {b"mtime": b"1.x"},
        {b"atime": b"x"},
    ],
)
def test_values_that_are_not_numbers_are_refused(records: dict[bytes, bytes]) -> None:
    with pytest.raises(InvalidRecordError):
        checked_size(records, 0)
