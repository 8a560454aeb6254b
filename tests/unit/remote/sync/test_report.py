"""What became of an image."""

from __future__ import annotations

from remote.sync.report import Became, SyncedImage
from store.model.references import Reference
from tests.support.json_schema import SCHEMA


def test_every_status_is_in_the_schema() -> None:
    found = SCHEMA["$defs"]["syncedImage"]["properties"]["Status"]["enum"]
    assert sorted(found) == sorted(one.value for one in Became)


def test_an_image_that_did_not_change_has_no_bytes() -> None:
    name = Reference.parse("app:1")
    assert SyncedImage(Became.FRESH, name, name, "docker.io/library/app").fetched_bytes == 0
