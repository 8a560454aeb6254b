"""The parsing of the target of a request, either a tag or a digest."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from aiohttp.test_utils import make_mocked_request

from mirror.access import ANONYMOUS
from mirror.api.call import Call, parse_digest, parse_tag
from mirror.protocol.errors import WireError
from store.model.digests import Digest
from store.model.references import Repository

if TYPE_CHECKING:
    from mirror.service import Service

DIGEST = Digest.of(b"")


def call(target: str) -> Call:
    service = cast("Service", None)
    repository = Repository.parse("app")
    return Call(service, make_mocked_request("GET", "/"), repository, target, ANONYMOUS)


def test_target_with_a_colon_is_a_digest() -> None:
    assert call(str(DIGEST)).tag_or_digest == DIGEST
    assert call("1.0").tag_or_digest == "1.0"
    assert call(str(DIGEST)).digest == DIGEST


@pytest.mark.parametrize("target", ["sha256:0", "md5:" + "0" * 32, "sha256:" + "G" * 64, "a:b"])
def test_invalid_digest_is_refused(target: str) -> None:
    with pytest.raises(WireError) as refused:
        _ = call(target).tag_or_digest
    assert (refused.value.status, refused.value.code) == (400, "DIGEST_INVALID")
    with pytest.raises(WireError):
        parse_digest(target)


@pytest.mark.parametrize("tag", ["", "-x", ".x", "a/b", "a b", "x" * 129])
def test_invalid_tag_is_refused_and_quoted_in_part(tag: str) -> None:
    with pytest.raises(WireError) as refused:
        parse_tag(tag)
    assert (refused.value.status, refused.value.code) == (400, "TAG_INVALID")
    with pytest.raises(WireError) as refused:
        parse_tag("/" * 10_000)
    assert len(refused.value.message) < 200
