from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench import workshop
from bench.missing import MissingError
from bench.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    monkeypatch.setattr(workshop, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(workshop, "PEERS", tmp_path / "peers")
    with Workshop(quick=True) as made:
        yield made


def test_an_input_is_made_once_and_only_if_it_is_complete(shop: Workshop) -> None:
    made: list[Path] = []

    def make(path: Path) -> None:
        made.append(path)
        path.write_bytes(b"input")
        if len(made) == 1:
            raise OSError

    with pytest.raises(OSError):  # noqa: PT011 - of `make`
        shop.cached("input", make)
    assert not (workshop.CACHE / "input").exists()
    for _ in range(2):
        assert shop.cached("input", make).read_bytes() == b"input"
    assert len(made) == 2


def test_only_the_cache_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workshop, "CACHE", tmp_path)
    stopped: list[str] = []
    with Workshop(quick=True) as shop:
        first, second = shop.folder(), shop.folder()
        shop.on_settle(lambda: stopped.append("server"))
        assert first != second
        assert list(first.iterdir()) == []
        shop.cached("input", lambda path: path.touch())
        assert stopped == []
    assert stopped == ["server"]
    assert [path.name for path in tmp_path.iterdir()] == ["input"]


def test_functions_are_called_once_by_settle(shop: Workshop) -> None:
    calls: list[int] = []
    shop.on_settle(lambda: calls.append(1))
    shop.settle()
    shop.settle()
    assert calls == [1]


def test_a_missing_program_is_named(shop: Workshop) -> None:
    assert workshop.program("sh").endswith("/sh")
    for newest in (False, True):
        with pytest.raises(MissingError, match="no-such-program"):
            workshop.program("no-such-program", newest=newest)
    assert shop.quick


def test_the_newest_program_is_the_built_one(shop: Workshop) -> None:
    workshop.PEERS.mkdir()
    (workshop.PEERS / "sh").touch()
    assert workshop.program("sh", newest=True) == str(workshop.PEERS / "sh")
    assert workshop.program("sh") != str(workshop.PEERS / "sh")
    assert shop.quick


def test_the_version_is_the_first_line() -> None:
    assert workshop.version("printf", "tool 1.2 \\nmore\\n") == "tool 1.2"
