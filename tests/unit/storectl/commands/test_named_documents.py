"""The documents of names with any transport."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from storectl.output.exit_codes import ExitCode
from tests.support.command_line import Runner
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip
from tests.support.other_registry import OtherRegistry
from tests.support.sent_images import NAME, import_index

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[OtherRegistry]:
    with OtherRegistry(tmp_path / "registry") as running:
        yield running


@pytest.fixture
def storectl(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Runner:
    return Runner(tmp_path / "store", capfdbinary)


@pytest.fixture
def layout(storectl: Runner, tmp_path: Path) -> Layout:
    layout = Layout()
    amd64, arm64 = layout.image(gzip(A)), layout.image(gzip(B), platform="linux/arm64")
    layout.root(layout.index(amd64, arm64), "docker.io/team/app:1", "docker.io/team/app:latest")
    archive = tmp_path / "app.tar"
    archive.write_bytes(layout.tar())
    storectl("import", str(archive))
    return layout


@pytest.mark.parametrize("transport", ["store:team/app:1", "store:team/app", "oci-archive:"])
def test_every_place_gives_the_same_documents(
    storectl: Runner, layout: Layout, tmp_path: Path, transport: str
) -> None:
    root = layout.roots[0]
    name = f"oci-archive:{tmp_path}/app.tar:1" if transport == "oci-archive:" else transport

    assert storectl("digest", name) == f"{root['digest']}\n"
    storectl("manifest", name)
    assert storectl.raw == layout.blobs[root["digest"]]
    storectl("manifest", "--config", "--platform", "linux/arm64", name)
    assert b'"arm64"' in storectl.raw
    machine = storectl.json("manifest", "--config", name)
    assert machine["Content"].encode() in layout.blobs.values()
    assert machine["Digest"] != root["digest"]


def test_folders_and_archives_of_docker_have_manifests_as_well(
    storectl: Runner, layout: Layout, tmp_path: Path
) -> None:
    del layout
    digest = storectl("digest", "--platform", "linux/amd64", "store:team/app:1")
    for place in (f"oci:{tmp_path}/layout:a", f"dir:{tmp_path}/dir"):
        storectl("copy", "-q", "--platform", "linux/amd64", "store:team/app:1", place)
        assert storectl("digest", place) == digest
    place = f"docker-archive:{tmp_path}/docker.tar"
    storectl("copy", "-q", "--platform", "linux/amd64", "store:team/app:1", f"{place}:a:1")
    assert len(storectl("digest", place)) == len(digest)


def test_a_mirror_of_registries_conf_is_asked_first(
    storectl: Runner, registry: OtherRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = import_index(registry.store).roots[0]
    conf = tmp_path / "registries.conf"
    conf.write_text(
        f'[[registry]]\nlocation = "gone.invalid"\n[[registry.mirror]]\nlocation ='
        f' "{registry.host}"\ninsecure = true\n'
    )
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(conf))

    assert storectl("digest", f"gone.invalid/{NAME}") == f"{root['digest']}\n"
    assert storectl("tags", "gone.invalid/team/app") == "1\n"


def test_an_image_that_the_store_lacks_is_not_found(storectl: Runner, layout: Layout) -> None:
    del layout
    storectl("digest", "store:team/none:1", code=ExitCode.NOT_FOUND)


@pytest.mark.parametrize("command", ["digest", "manifest", "tags", "copy"])
def test_a_registry_is_asked_without_the_database(
    registry: OtherRegistry, tmp_path: Path, command: str
) -> None:
    import_index(registry.store)
    name = f"{registry.host}/team/app" if command == "tags" else f"{registry.host}/{NAME}"
    words = [command, name, *([f"{registry.host}/mine/app:1"] if command == "copy" else [])]
    script = (
        f"import sys, storectl.cli as c\nassert c.run({['--root', str(tmp_path), *words]!r}) == 0\n"
        "print(*sys.modules, file=sys.stderr)"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )

    loaded = set(done.stderr.split())
    assert "remote.registry.client" in loaded
    assert not loaded & {"sqlalchemy", "exporter.save", "store.importing.importer", "mirror"}
