"""`tag`: the command prints nothing, like `docker tag`."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from store import Reference
from tests.support.fake_shell import ONE, TWO, FakeStore, Shell, as_json


def test_tagging_prints_nothing_unless_json_is_asked_for(shell: Shell, fake: FakeStore) -> None:
    fake.answers["tag"] = SimpleNamespace(
        reference=Reference.parse("y:1"), image_id=ONE, replaced=None
    )
    assert shell("tag", "x", "y:1") == ""
    assert as_json(shell("tag", "--json", "x", "y:1")) == {
        "Name": "y:1",
        "Id": str(ONE),
        "Replaced": None,
    }
    fake.answers["tag"] = SimpleNamespace(
        reference=Reference.parse("y:1"), image_id=ONE, replaced=TWO
    )
    assert as_json(shell("tag", "--json", "x", "y:1"))["Replaced"] == str(TWO)
    assert fake.asked[0] == ("tag", ("x", "y:1"), {})


@pytest.mark.parametrize("target", ["INVALID NAME", "", f"x@sha256:{'0' * 64}"])
def test_an_invalid_target_is_wrong_usage(shell: Shell, fake: FakeStore, target: str) -> None:
    shell("tag", "x", target, code=2)
    assert "Invalid value for 'TARGET'" in shell.err
    assert fake.asked == []
