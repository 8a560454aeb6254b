from __future__ import annotations

from datetime import timedelta, timezone

import pytest

from store.documents import folder
from store.workspace.root_folder import FOLDERS
from tests.conftest import NOW


def test_the_folder_is_one_of_the_store() -> None:
    assert folder.DOCUMENTS in FOLDERS


def test_a_log_that_is_set_aside_has_its_time_in_its_name() -> None:
    at = NOW.replace(microsecond=0)
    name = folder.set_aside_name(at.astimezone(timezone(timedelta(hours=3))), ())
    assert name == f"log.{at:%Y%m%dT%H%M%SZ}.zst"
    assert folder.set_aside_at(name) == at
    other = folder.set_aside_name(at, (name,))
    assert folder.set_aside_at(other) == at + timedelta(seconds=1)


@pytest.mark.parametrize(
    "name", [folder.LOG, folder.NEW, "log.20269999T000000Z.zst", "log.20260101T000000Z.zst~"]
)
def test_other_files_were_not_set_aside(name: str) -> None:
    assert folder.set_aside_at(name) is None
