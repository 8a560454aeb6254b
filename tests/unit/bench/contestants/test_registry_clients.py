from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from bench.contestants import ours, registry_clients
from bench.contestants.registry_clients import pulling, pushing

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401 - a stand-in
    """Return a workshop with a server that counts its starts and ends."""
    folders = iter(range(100))
    running = SimpleNamespace(port=5000, is_running=False, starts=0)

    def start(*_: object) -> SimpleNamespace:
        running.is_running = True
        running.starts += 1
        return running

    def remove(_: object) -> None:
        running.is_running = False

    def folder() -> Path:
        path = tmp_path / str(next(folders))
        path.mkdir()
        return path

    monkeypatch.setattr(registry_clients, "start", start)
    monkeypatch.setattr(registry_clients, "remove", remove)
    monkeypatch.setattr("bench.contestants.servers.start", start)
    monkeypatch.setattr(registry_clients, "_filled", lambda *_: ("bench/real:1", 0))
    monkeypatch.setattr(registry_clients, "program", lambda name, **_: name)
    monkeypatch.setattr(registry_clients, "storectl", lambda: "storectl")
    monkeypatch.setattr(ours, "new_store", lambda *_: tmp_path / "store")
    monkeypatch.setattr(ours, "empty_store", lambda root: root.mkdir())
    return SimpleNamespace(folder=folder, on_settle=lambda _: None, running=running)


def command(contestant: Any, tmp_path: Path) -> list[str]:  # noqa: ANN401 - a command
    contestant.setup(tmp_path)
    return list(contestant.argv(tmp_path))


def test_every_client_pulls_from_the_same_server(shop: Any, tmp_path: Path) -> None:  # noqa: ANN401
    clients = pulling(shop, tmp_path / "layout", "bench/image:1", "distribution 3")
    commands = [command(one, tmp_path) for one in clients]
    assert all("127.0.0.1:5000/bench/real:1" in " ".join(one) for one in commands)
    assert [one[0] for one in commands] == ["storectl", "skopeo", "skopeo", "crane-0.22", "regctl"]
    assert shop.running.starts == 1


def test_every_push_goes_to_an_empty_server(shop: Any, tmp_path: Path) -> None:  # noqa: ANN401
    layout = tmp_path / "layout"
    layout.mkdir()
    (layout / "index.json").write_text('{"manifests": [{"digest": "sha256:abc"}]}')
    clients = pushing(shop, layout, "bench/image:1", "distribution 3")
    for one in clients:
        assert "127.0.0.1:5000/bench/real:1" in " ".join(command(one, tmp_path))
        assert shop.running.is_running
        assert one.teardown is not None
        one.teardown(tmp_path)
        assert not shop.running.is_running
    assert shop.running.starts == len(clients)


def test_regctl_gets_the_digest_of_the_image(shop: Any, tmp_path: Path) -> None:  # noqa: ANN401
    (tmp_path / "index.json").write_text('{"manifests": [{"digest": "sha256:abc"}]}')
    *_, regctl = pushing(shop, tmp_path, "bench/image:1", "distribution 3")
    assert f"ocidir://{tmp_path}@sha256:abc" in command(regctl, tmp_path)
