"""What an engine has, loads and saves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from remote.engine.connection import EngineImageNotFound, EngineRefused, EngineUnavailable
from remote.engine.docker import DockerEngine
from tests.support.fake_engine import FakeEngine
from tests.support.images import A, B, image

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


def test_an_engine_says_what_it_is(engine: FakeEngine) -> None:
    facts = DockerEngine(engine.socket).facts()

    assert (str(facts.platform), facts.version) == ("linux/amd64", "20.10.24")
    assert not facts.has_containerd_store
    assert not facts.reads_zstd
    engine.version["Version"] = "29.1.0"
    engine.info = {"DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}
    facts = DockerEngine(engine.socket).facts()
    assert facts.has_containerd_store
    assert facts.reads_zstd


@pytest.mark.parametrize("version", [[], {}, {"Os": "linux"}, "text"])
def test_an_answer_that_is_not_valid_is_an_error(engine: FakeEngine, version: object) -> None:
    engine.version = version
    with pytest.raises(EngineUnavailable, match="not valid"):
        DockerEngine(engine.socket).facts()


def test_layers_are_held_from_the_lowest_one_on(engine: FakeEngine) -> None:
    engine.images = {"sha256:1": ["a", "b"], "sha256:2": ["a", "c", "d"], "sha256:3": ["x", "b"]}
    docker = DockerEngine(engine.socket)

    assert docker.held_layers(["a", "c", "e"]) == 2
    assert docker.held_layers(["b"]) == 0
    assert docker.held_layers(["a", "b"]) == 2
    assert docker.held_layers([]) == 0
    assert docker.image_id("none:1") is None
    engine.names["team/app:1"] = "sha256:1"
    assert docker.image_id("team/app:1") == "sha256:1"


def test_a_save_is_read_to_its_end_or_is_an_error(engine: FakeEngine) -> None:
    archive = image(A, B, tags=("demo:1",))
    engine.keep("demo:1", archive)
    docker = DockerEngine(engine.socket)

    with docker.saving("demo:1") as stream:
        assert stream.read() == archive.bytes()
    with pytest.raises(EngineImageNotFound), docker.saving("none:1"):
        pass
    engine.cuts = True
    with pytest.raises(EngineUnavailable), docker.saving("demo:1") as stream:
        stream.read()


def test_a_load_ends_with_the_words_of_the_engine(engine: FakeEngine) -> None:
    data = image(A, B, tags=("demo:1",)).bytes()
    docker = DockerEngine(engine.socket)

    with docker.loading(len(data)) as loading:
        loading.write(data)
        loading.finish()
    assert list(engine.names) == ["demo:1"]

    engine.refusal = "no space left"
    with docker.loading(len(data)) as loading, pytest.raises(EngineRefused, match="no space left"):
        loading.write(data)
        loading.finish()
