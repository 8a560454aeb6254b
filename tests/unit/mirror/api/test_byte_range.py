"""The byte range that a client requests."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request

from mirror.api.byte_range import wanted
from mirror.protocol.errors import WireError

TAG = '"tag"'


@pytest.mark.parametrize(
    ("method", "headers", "found"),
    [
        ("GET", {"Range": "bytes=1-2"}, (1, 3)),
        ("GET", {"Range": "bytes=1-2", "If-Range": TAG}, (1, 3)),
        ("GET", {"Range": "bytes=1-2", "If-Range": '"other"'}, None),
        ("GET", {}, None),
        ("GET", {"Range": "bytes=0-1,3-4"}, None),
        ("HEAD", {"Range": "bytes=1-2"}, None),
        # The range is ignored here, so it cannot be unsatisfiable.
        ("GET", {"Range": "bytes=99-", "If-Range": '"other"'}, None),
    ],
)
def test_range_applies_to_get_and_to_the_same_content(
    method: str, headers: dict[str, str], found: tuple[int, int] | None
) -> None:
    part = wanted(make_mocked_request(method, "/", headers=headers), TAG, 10)
    assert (None if part is None else (part.start, part.stop)) == found


def test_range_outside_the_content_is_refused_with_its_size() -> None:
    with pytest.raises(WireError) as refused:
        wanted(make_mocked_request("GET", "/", headers={"Range": "bytes=10-"}), TAG, 10)
    assert (refused.value.status, refused.value.code) == (416, "RANGE_INVALID")
    assert refused.value.headers["Content-Range"] == "bytes */10"
    assert refused.value.headers["ETag"] == TAG
