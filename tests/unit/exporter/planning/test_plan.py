from __future__ import annotations

import pytest

from exporter.planning.plan import LARGEST_OCTAL, Entry, EntryType, Plan, padded


@pytest.mark.parametrize(("size", "blocks"), [(0, 0), (1, 1), (512, 1), (513, 2)])
def test_sizes_are_rounded_up_to_blocks(size: int, blocks: int) -> None:
    assert padded(size) == blocks * 512


def test_a_member_adds_a_header_and_padded_data() -> None:
    file = Entry("a", EntryType.FILE, 0o644, 0, 513, bytes(513))
    folder = Entry("b/", EntryType.DIRECTORY, 0o755, 0)
    assert (file.archived_bytes, folder.archived_bytes) == (512 + 1024, 512)
    assert Plan((file, folder)).size_bytes == file.archived_bytes + folder.archived_bytes + 1024


def test_values_at_the_limit_of_the_ustar_header_need_no_records() -> None:
    entry = Entry("n" * 100, EntryType.FILE, 0o644, LARGEST_OCTAL, LARGEST_OCTAL)
    assert entry.records() == b""


def test_each_value_beyond_the_limit_has_a_record_in_the_order_of_keys() -> None:
    entry = Entry("n" * 101, EntryType.FILE, 0o644, LARGEST_OCTAL + 1, LARGEST_OCTAL + 1)
    number = str(LARGEST_OCTAL + 1).encode()
    assert entry.records() == b"".join(
        (b"20 mtime=%s\n" % number, b"111 path=%s\n" % (b"n" * 101), b"19 size=%s\n" % number)
    )
    assert entry.archived_bytes == 1024 + 512 + padded(entry.size_bytes)


@pytest.mark.parametrize("length", [101, 986, 987, 988, 989, 990, 991, 992, 993])
def test_the_length_of_a_record_counts_its_own_digits(length: int) -> None:
    record = Entry("n" * length, EntryType.FILE, 0o644, 0).records()
    assert int(record.split(b" ")[0]) == len(record)
