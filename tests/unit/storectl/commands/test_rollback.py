"""`rollback`: a line for each tag, and nothing for a wrong time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.model.digests import Digest
from store.model.references import Reference
from store.names.tagging import RemovedName
from store.undo import rollback as module
from store.undo.rollback import RolledBack
from tests.support.fake_shell import ONE, Shell, as_json

if TYPE_CHECKING:
    from typing import Any

BEFORE, AFTER = Digest.of(b"before"), Digest.of(b"after")
NAME = Reference.parse("team/app:1")
RESULTS = (
    RolledBack(NAME, BEFORE, AFTER, ONE),
    RolledBack(NAME, None, AFTER, ONE),
    RolledBack(NAME, BEFORE, None, None, (RemovedName("untagged", "team/app:1-zstd"),)),
    RolledBack(NAME, AFTER, AFTER, ONE),
    RolledBack(NAME, None, None, None),
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return the calls of the rollback, which does nothing."""
    calls: list[dict[str, Any]] = []

    def rollback(_store: object, names: tuple[str, ...], **options: Any) -> object:  # noqa: ANN401
        calls.append({"names": names, **options})
        return RESULTS

    monkeypatch.setattr(module, "rollback", rollback)
    return calls


@pytest.mark.usefixtures("fake")
def test_each_tag_has_a_line(shell: Shell, asked: list[dict[str, Any]]) -> None:
    one, two = BEFORE.short, AFTER.short
    assert shell("rollback", "team/app:1").splitlines() == [
        f"Restored: team/app:1 ({two}, was {one})",
        f"Restored: team/app:1 ({two}, had no such tag)",
        f"Untagged: team/app:1 (was {one})",
        "Untagged: team/app:1-zstd",
        f"Unchanged: team/app:1 ({two})",
        "Unchanged: team/app:1",
    ]
    planned = shell("rollback", "--dry-run", "--steps", "3", "team/app:1").splitlines()
    assert planned[0].startswith("Would restore: ")
    assert planned[2].startswith("Would untag: ")
    assert [(one["names"], one["steps"], one["dry_run"]) for one in asked] == [
        (("team/app:1",), 1, False),
        (("team/app:1",), 3, True),
    ]


@pytest.mark.usefixtures("fake", "asked")
def test_json_has_whole_digests(shell: Shell) -> None:
    document = as_json(shell("rollback", "--json", "team/app:1"))
    assert document["DryRun"] is False
    assert document["Tags"][2] == {
        "Name": "team/app:1",
        "Before": str(BEFORE),
        "After": None,
        "Id": None,
        "Removed": [{"Untagged": "team/app:1-zstd"}],
    }


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--to", "1h", "--steps", "1"), "exclude each other"),
        (("--all-tags",), "--all-tags needs --to"),
        (("--to", "2999-01-01"), "expected a time that has passed"),
        (("--steps", "0"), "--steps"),
    ],
)
def test_contradictions_are_wrong_usage(
    shell: Shell, asked: list[dict[str, Any]], options: tuple[str, ...], said: str
) -> None:
    shell("rollback", *options, "x", code=2)
    assert said in shell.err
    assert asked == []
