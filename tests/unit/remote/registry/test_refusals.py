from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from remote.registry.values import Tag
from store.errors import StoreError
from tests.support.faulty_registry import Answer, Endless, FaultyRegistry
from tests.support.remote_client import Pauses, use

if TYPE_CHECKING:
    from remote.errors import RegistryError


def refused(scripted: FaultyRegistry, pauses: Pauses | None = None) -> StoreError:
    with pytest.raises(StoreError) as raised:
        use(scripted.host, lambda it: it.manifest(Tag("1")), pauses=pauses, retries=1)
    return raised.value


def test_the_errors_of_the_registry_are_quoted(scripted: FaultyRegistry) -> None:
    errors = [{"code": "DENIED", "message": "no\x1b[2J"}, {"code": "X"}, {"message": "y"}, 5]
    scripted.always(Answer(403, {}, json.dumps({"errors": errors}).encode()))
    message = refused(scripted).message
    assert message.endswith("answered 403 Status: DENIED: no\\x1b[2J; X; y")


def test_long_errors_are_cut(scripted: FaultyRegistry) -> None:
    errors = [{"code": "DENIED", "message": "x" * 10_000}]
    scripted.always(Answer(403, {}, json.dumps({"errors": errors}).encode()))
    assert len(refused(scripted).message) < 500


@pytest.mark.parametrize("body", [b"", b"<html>denied</html>", b"[" * 10_000, b'{"errors":5}'])
def test_other_bodies_are_left_out(body: bytes, scripted: FaultyRegistry) -> None:
    scripted.always(Answer(403, {}, body))
    assert refused(scripted).message.endswith("answered 403 Status")


def test_an_error_without_end_is_an_error(scripted: FaultyRegistry) -> None:
    scripted.always(Endless(status=403))
    assert "answered 403" in refused(scripted).message


def test_a_rate_limit_that_is_too_long_is_reported_at_once(scripted: FaultyRegistry) -> None:
    scripted.always(Answer(429, {"Retry-After": "7200"}))
    pauses = Pauses()
    error: RegistryError | StoreError = refused(scripted, pauses)
    assert error.message.endswith("answered 429 Status; it asks to wait 7200 s")
    assert getattr(error, "retry_after_s", None) == 7200
    assert (scripted.count(), pauses.slept) == (1, [])


def test_a_shorter_pause_is_kept(scripted: FaultyRegistry) -> None:
    scripted.always(Answer(429, {"Retry-After": "20"}))
    pauses = Pauses()
    refused(scripted, pauses)
    assert scripted.count() == 2
    assert pauses.slept[0] == 20
