from __future__ import annotations

import json
import subprocess
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from bench.contestants import syncs
from tests.support.other_registry import OtherRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Yield a workshop whose server is a registry in this process."""
    numbers = iter(range(100))

    def folder() -> Path:
        path = tmp_path / f"folder-{next(numbers)}"
        path.mkdir()
        return path

    with OtherRegistry(tmp_path / "registry") as registry:
        running = SimpleNamespace(
            port=int(registry.host.partition(":")[2]), request_count=lambda: next(numbers)
        )
        monkeypatch.setattr("bench.contestants.servers.start", lambda *_: running)
        monkeypatch.setattr(syncs, "program", lambda name, **_: name)
        yield SimpleNamespace(folder=folder, on_settle=lambda _: None)


def documents(contestant: Any, folder: Path) -> list[dict[str, Any]]:  # noqa: ANN401 - a command
    folder.mkdir()
    contestant.setup(folder)
    *words, file = contestant.argv(folder)
    done = subprocess.run(
        [word for word in words if word != "-q"] + ["--json", file],
        capture_output=True,
        check=True,
        timeout=120,
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_each_run_finds_the_moved_tags_anew(shop: Any, tmp_path: Path) -> None:  # noqa: ANN401
    first, remembered, *others = syncs.moved_tags(shop, "distribution 3", tags=3, moved=2)
    for number in range(2):
        (found,) = documents(first, tmp_path / f"run-{number}")
        assert (found["Counts"]["pulled"], found["Counts"]["unchanged"]) == (2, 1)
    (found,) = documents(remembered, tmp_path / "remembered")
    assert found["Counts"]["fresh"] == 3
    for other in others:
        (tmp_path / other.name).mkdir()
        assert other.setup is not None
        other.setup(tmp_path / other.name)
        assert other.argv(tmp_path / other.name)[:2] == ["skopeo", "sync"]


def test_a_family_is_synced_into_an_empty_store(shop: Any, tmp_path: Path) -> None:  # noqa: ANN401
    contestants = syncs.shared_base(shop, "distribution 3", images=2, base_bytes=4096)
    (found,) = documents(contestants[0], tmp_path / "run")
    assert found["Counts"]["pulled"] == 2
    assert len({one.name for one in contestants}) == 4
    hauler = next(one for one in contestants if one.name == syncs.HAULER)
    (tmp_path / "hauler").mkdir()
    assert hauler.setup is not None
    hauler.setup(tmp_path / "hauler")
    assert (tmp_path / "hauler" / "images.txt").read_text().splitlines()[1].endswith("/synced:v1")
    assert hauler.argv(tmp_path / "hauler")[:1] == ["hauler"]
