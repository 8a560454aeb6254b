"""The names of several images: patterns, lists and all tags."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest

from store import Reference, errors
from storectl.commands import _names
from storectl.commands._names import chosen_names, existing_tags, read_list

if TYPE_CHECKING:
    from pathlib import Path

    from store import Store

TAGS = ("team/a:1.0", "team/a:1.1", "team/a:2", "team/b:1.0", "other:1.0", "reg.example:5000/x:1")


class Tags:
    """A store that has only tags."""

    def __init__(self, *tags: str) -> None:
        self.tags = sorted(map(Reference.parse, tags), key=lambda tag: tag.familiar)

    def names(self, prefix: str, limit: int) -> tuple[Reference, ...]:
        return tuple(tag for tag in self.tags if tag.familiar.startswith(prefix))[:limit]


@pytest.fixture
def tags() -> Store:
    return Tags(*TAGS)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("given", "want"),
    [
        (("x:1", "anything", "x:1"), ("x:1", "anything")),
        (("team/*:1.*",), ("team/a:1.0", "team/a:1.1", "team/b:1.0")),
        (("team/*",), ("team/a", "team/b")),
        (("*:1.0",), ("other:1.0",)),
        (("**:1.0",), ("other:1.0",)),
        (("**/[ab]:1.0", "team/a:2"), ("team/a:1.0", "team/b:1.0", "team/a:2")),
        (("*:5000/*",), ("reg.example:5000/x",)),
        (("team/a:[^2]*",), ("team/a:1.0", "team/a:1.1")),
    ],
)
def test_patterns_choose_tags_or_repositories(
    tags: Store, given: tuple[str, ...], want: tuple[str, ...]
) -> None:
    assert chosen_names(tags, given) == want


def test_a_pattern_without_a_match_and_an_invalid_one_are_errors(tags: Store) -> None:
    with pytest.raises(errors.ImageNotFound):
        chosen_names(tags, ["nothing/*"])
    with pytest.raises(errors.InvalidReference):
        chosen_names(tags, ["team/[a"])


def test_all_tags_come_first(tags: Store) -> None:
    assert chosen_names(tags, ["0123"], every_tag=True) == (*sorted(TAGS), "0123")
    with pytest.raises(errors.ImageNotFound):
        chosen_names(Tags(), [], every_tag=True)  # type: ignore[arg-type]


def test_the_number_of_names_has_a_ceiling(tags: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_names, "MAX_NAMES", 2)
    with pytest.raises(errors.InvalidInput):
        chosen_names(tags, ["a", "b", "c"])
    with pytest.raises(errors.InvalidInput):
        existing_tags(tags, "team/a")
    monkeypatch.setattr(_names, "_MAX_TAGS", 3)
    with pytest.raises(errors.InvalidInput):
        chosen_names(tags, ["*"])


def test_the_tags_of_a_repository_are_those_of_this_repository_only(tags: Store) -> None:
    assert existing_tags(tags, "team/a") == ("team/a:1.0", "team/a:1.1", "team/a:2")
    with pytest.raises(errors.ImageNotFound):
        existing_tags(tags, "team")
    with pytest.raises(errors.InvalidInput):
        existing_tags(tags, "team/a:2")


def test_a_list_has_one_name_a_line(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"\xef\xbb\xbf# images\r\nteam/a:1\r\n\r\n  x:2  \n#y\nlast")
    assert read_list(str(path)) == ("team/a:1", "x:2", "last")


def test_a_list_is_read_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\nb\n")))
    assert read_list("-") == ("a", "b")
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(errors.InvalidInput):
        read_list("-")


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"x" * 1001, b"a\nb\nc\n", b"#" * 101])
def test_a_list_has_ceilings(data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_names, "MAX_NAMES", 2)
    if data.startswith(b"#"):
        monkeypatch.setattr(_names, "MAX_LIST_BYTES", 100)
    path = tmp_path / "list"
    path.write_bytes(data)
    with pytest.raises(errors.InvalidInput):
        read_list(str(path))


def test_a_missing_list_is_an_error(tmp_path: Path) -> None:
    with pytest.raises((errors.StoreError, OSError)):
        read_list(str(tmp_path / "absent"))
