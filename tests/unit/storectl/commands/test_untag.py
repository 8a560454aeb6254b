"""`untag`: a line of output for each removed tag."""

from __future__ import annotations

from store import errors
from store.names.tagging import RemovedName
from tests.support.fake_shell import FakeStore, Shell, as_json


def test_each_removed_tag_is_printed(shell: Shell, fake: FakeStore) -> None:
    fake.answers["untag"] = {
        "x:1": (RemovedName("untagged", "x:1"),),
        "y": errors.ReferenceNotFound("No such tag: y"),
    }
    assert shell("untag", "x:1") == "Untagged: x:1\n"
    assert as_json(shell("untag", "--json", "y", "x:1", code=3)) == [{"Untagged": "x:1"}]
