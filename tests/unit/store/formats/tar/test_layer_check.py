"""The check of bytes that may be a layer or another blob."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.errors import InvalidArchive, TruncatedInput
from store.formats.tar.layer_check import LayerCheck
from tests.support.images import A

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize("data", [A, b""], ids=["tar", "empty"])
def test_a_tar_has_no_problem(data: bytes) -> None:
    check = LayerCheck("l")
    taken: list[bytes] = []
    assert check.guard(iter((data[:700], data[700:])), taken.append)
    check.finish()
    assert (check.problem, check.is_decoded) == (None, True)
    assert b"".join(taken) == data


def test_other_bytes_are_decoded_and_have_a_problem() -> None:
    check = LayerCheck("l")
    taken: list[bytes] = []
    assert check.guard(iter((b"not a tar" * 90, b"more")), taken.append)
    check.finish()
    assert isinstance(check.problem, InvalidArchive)
    assert check.is_decoded
    assert len(taken) == 2


def test_a_short_tar_has_a_problem_at_its_end() -> None:
    check = LayerCheck("l")
    check.feed(A[:100])
    assert check.problem is None
    check.finish()
    assert isinstance(check.problem, TruncatedInput)


def test_an_error_of_the_decoder_is_kept() -> None:
    def broken() -> Iterator[bytes]:
        yield A[:512]
        raise TruncatedInput("the gzip data ends early")

    check = LayerCheck("l")
    taken: list[bytes] = []
    assert not check.guard(broken(), taken.append)
    assert isinstance(check.problem, TruncatedInput)
    assert not check.is_decoded
    assert taken == [A[:512]]
