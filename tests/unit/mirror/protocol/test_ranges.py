"""The byte ranges in the headers of requests and of upload chunks."""

from __future__ import annotations

import pytest

from mirror.protocol import ranges


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        ("bytes=500-1499", 500, 1500),
        ("bytes=500-", 500, 2048),
        ("bytes=-500", 1548, 2048),
        ("bytes=2000-5000", 2000, 2048),
        ("bytes=-5000", 0, 2048),
        ("Bytes = 0-0", 0, 1),
    ],
)
def test_range_is_parsed(header: str, start: int, stop: int) -> None:
    part = ranges.parse_range(header, 2048)
    assert part is not None
    assert (part.start, part.stop) == (start, stop)
    assert part.content_range == f"bytes {start}-{stop - 1}/2048"


@pytest.mark.parametrize(
    "header", [None, "", "bytes=", "bytes=-", "lines=1-2", "bytes=0-1,5-6", "bytes=a-b", "bytes=1"]
)
def test_header_without_a_single_byte_range_is_ignored(header: str | None) -> None:
    assert ranges.parse_range(header, 2048) is None


@pytest.mark.parametrize("header", ["bytes=500-0", "bytes=2048-", "bytes=5000-10000", "bytes=-0"])
def test_range_outside_the_content_is_unsatisfiable(header: str) -> None:
    with pytest.raises(ranges.UnsatisfiableError):
        ranges.parse_range(header, 2048)


def test_empty_content_has_no_range() -> None:
    with pytest.raises(ranges.UnsatisfiableError):
        ranges.parse_range("bytes=-1", 0)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("0-9", (0, 10)),
        ("5-4", (5, 0)),
        ("bytes 5-9/10", (5, 5)),
        ("9-5", None),
        ("x", None),
        ("-5", None),
    ],
)
def test_content_range_gives_offset_and_length(header: str, found: tuple[int, int] | None) -> None:
    assert ranges.parse_content_range(header) == found
