"""The command line on a store that answers what it is told to, at an hour that stands still."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import pytest

from store.model.digests import Digest, ImageID
from storectl import cli, settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class FakeStore:
    """Gives the answers it was made with, raises those that are errors, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {"manifests": ()}
        self.asked: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.opened: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.opened = {}

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - stands for any method
        def ask(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            self.asked.append((name, args, kwargs))
            answer = self.answers[name]
            if isinstance(answer, dict):
                answer = answer[args[0]]
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return ask


class Shell:
    """Runs a command line in this process; keeps what it printed."""

    def __init__(self, store: FakeStore, capsys: pytest.CaptureFixture[str]) -> None:
        self.store = store
        self._capsys = capsys
        self.out = ""
        self.err = ""

    def __call__(self, *arguments: str, code: int = 0) -> str:
        self._capsys.readouterr()
        got = cli.run(list(arguments))
        self.out, self.err = self._capsys.readouterr()
        assert got == code, self.err
        return self.out


@pytest.fixture
def fake() -> FakeStore:
    return FakeStore()


@pytest.fixture
def shell(
    fake: FakeStore,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Shell:
    def resolve(
        root: str | None, environment: Mapping[str, str], *, debug: bool = False
    ) -> settings.Settings:
        del root, environment
        return settings.Settings(tmp_path, debug, lambda: NOW)

    def opened(_self: settings.Settings, **options: bool) -> FakeStore:
        fake.opened = options
        return fake

    monkeypatch.setattr(settings, "resolve", resolve)
    monkeypatch.setattr(settings.Settings, "open", opened)
    return Shell(fake, capsys)


def image_id(text: str) -> ImageID:
    return ImageID(Digest.of(text.encode()))
