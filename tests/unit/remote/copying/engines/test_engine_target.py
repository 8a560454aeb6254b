"""An engine receives the layers that it lacks, and the image for its platform."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from remote.copying.engines.engine_target import EngineTarget
from remote.engine.docker import DockerEngine
from remote.pushing.choice import Choice
from remote.pushing.report import NoListener
from store.errors import InvalidInput
from store.model.progress import Silent
from store.model.references import Reference
from tests.support.fake_engine import FakeEngine
from tests.support.images import A, B, layer
from tests.support.layouts import Layout, gzip, zstd
from tests.support.sent_images import NAME, import_index, receive, survey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store import Store

C = layer("c.txt", b"gamma\n")


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


def target(engine: FakeEngine, name: str = "mine/app:1") -> EngineTarget:
    return EngineTarget(
        DockerEngine(engine.socket),
        Reference.parse(name),
        progress=Silent(),
        listener=NoListener(),
    )


def import_images(store: Store) -> None:
    layout = Layout()
    layout.root(layout.image(gzip(A), B), "docker.io/team/app:small")
    layout.root(layout.image(gzip(A), B, gzip(C)), "docker.io/team/app:large")
    layout.root(layout.image(zstd(A)), "docker.io/team/app:zstd")
    layout.root(layout.artifact(b"data"), "docker.io/team/app:artifact")
    store.import_archive(io.BytesIO(layout.tar()))


def test_only_absent_layers_are_sent(store: Store, engine: FakeEngine) -> None:
    import_images(store)

    first = receive(store, target(engine), name="team/app:small")
    second = receive(store, target(engine, "mine/app:2"), name="team/app:large")

    assert (len(first.held), len(first.sent)) == (0, 2)
    assert (len(second.held), len(second.sent)) == (2, 1)
    assert [len([one for one in names if one.endswith(".tar")]) for names in engine.archives] == [
        2,
        1,
    ]
    assert list(engine.names) == ["mine/app:1", "mine/app:2"]


def test_an_image_that_the_engine_has_is_not_sent(store: Store, engine: FakeEngine) -> None:
    import_images(store)
    receive(store, target(engine), name="team/app:small")

    again = receive(store, target(engine), name="team/app:small")
    receive(store, target(engine, "other:1"), name="team/app:small")

    assert (len(again.held), again.sent, again.moved_tags) == (2, [], [])
    assert [len(names) for names in engine.archives] == [4, 2]
    assert engine.names["other:1"] == engine.names["mine/app:1"]


def test_a_layer_that_was_removed_meanwhile_is_sent(store: Store, engine: FakeEngine) -> None:
    import_images(store)
    receive(store, target(engine), name="team/app:small")
    engine.forgets = True

    done = receive(store, target(engine, "mine/app:2"), name="team/app:large")

    assert len(done.sent) == 3
    assert "mine/app:2" in engine.names


def test_the_image_for_the_platform_of_the_engine_is_chosen(
    store: Store, engine: FakeEngine
) -> None:
    layout = import_index(store)
    missing = survey(store, target(engine))
    assert (len(missing.missing), missing.moved_tags) == (1, ("docker.io/mine/app:1",))
    engine.version["Arch"] = "arm64"

    done = receive(store, target(engine))

    assert len(done.sent) == 2
    (manifest,) = done.tags.values()
    assert str(manifest.digest) in layout.blobs
    assert survey(store, target(engine)).is_complete
    engine.version["Arch"] = "s390x"
    with pytest.raises(InvalidInput, match="linux/s390x"):
        receive(store, target(engine))


def test_layers_with_zstd_need_a_newer_engine(store: Store, engine: FakeEngine) -> None:
    import_images(store)
    with pytest.raises(InvalidInput, match=r"20\.10\.24.*zstd"):
        receive(store, target(engine), name="team/app:zstd")
    engine.version["Version"] = "28.5.2"
    receive(store, target(engine), name="team/app:zstd")
    assert list(engine.names) == ["mine/app:1"]


def test_an_artifact_is_not_an_image(store: Store, engine: FakeEngine) -> None:
    import_images(store)
    with pytest.raises(InvalidInput):
        receive(store, target(engine), name="team/app:artifact")
    assert engine.archives == []


def test_an_engine_with_the_store_of_containerd_gets_all_layers(
    store: Store, engine: FakeEngine
) -> None:
    import_images(store)
    receive(store, target(engine), name="team/app:small")
    engine.info = {"DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}

    done = receive(store, target(engine, "mine/app:2"), Choice(), name="team/app:large")

    assert (done.held, len(done.sent)) == ((), 3)
    assert NAME not in engine.names
