"""The socket of an engine: its name, its faults, and the ceilings for its answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from remote.engine import connection
from remote.engine.connection import (
    DEFAULT_SOCKET,
    EngineImageNotFound,
    EngineRefused,
    EngineUnavailable,
    ask,
    require_success,
    socket_path,
)
from store.errors import InvalidInput
from tests.support.fake_engine import FakeEngine


def test_docker_host_names_the_socket() -> None:
    assert socket_path("") == DEFAULT_SOCKET
    assert socket_path("unix:///run/other.sock") == Path("/run/other.sock")


@pytest.mark.parametrize(
    "host", ["tcp://127.0.0.1:2375", "ssh://host", "/run/docker.sock", f"unix:///{'a' * 120}"]
)
def test_other_engines_are_refused(host: str) -> None:
    with pytest.raises(InvalidInput):
        socket_path(host)


def test_an_engine_that_does_not_run_is_named_with_its_socket(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match=r"none\.sock: No such file") as caught:
        ask(tmp_path / "none.sock", "/version")
    assert caught.value.hint is not None


def test_answers_have_a_ceiling_and_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeEngine() as engine:
        engine.version = b"no json"
        with pytest.raises(EngineUnavailable, match="not JSON"):
            ask(engine.socket, "/version")
        monkeypatch.setattr(connection, "MAX_ANSWER_BYTES", 4)
        with pytest.raises(EngineUnavailable, match="more than 4 bytes"):
            ask(engine.socket, "/version")


def test_an_error_has_the_words_of_the_engine() -> None:
    require_success(200, b"")
    with pytest.raises(EngineImageNotFound, match="No such image: a"):
        require_success(404, b'{"message": "No such image: a"}')
    with pytest.raises(EngineRefused, match="too old"):
        require_success(400, b"too old")
    with pytest.raises(EngineRefused, match="it answers 500"):
        require_success(500, b"")
