"""`copy` into the store, from every place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from storectl.output.exit_codes import ExitCode
from tests.support.command_line import Runner
from tests.support.images import A, B
from tests.support.json_schema import SCHEMA, faults
from tests.support.layouts import Layout, gzip
from tests.support.other_registry import OtherRegistry
from tests.support.registry_trees import RegistryFiles

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def storectl(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Runner:
    return Runner(tmp_path / "store", capfdbinary)


@pytest.fixture
def layout() -> Layout:
    layout = Layout()
    index = layout.index(
        layout.image(gzip(A), platform="linux/amd64"),
        layout.image(gzip(B), platform="linux/arm64"),
    )
    layout.root(index, "docker.io/team/app:1")
    return layout


@pytest.fixture
def registry(tmp_path: Path, layout: Layout) -> Iterator[OtherRegistry]:
    with OtherRegistry(tmp_path / "registry") as running:
        (tmp_path / "app.tar").write_bytes(layout.tar())
        running.store.import_archive(tmp_path / "app.tar")
        yield running


def stored(storectl: Runner, name: str) -> str:
    return storectl("digest", f"store:{name}").split()[-1]


def test_an_image_of_a_registry_gets_a_new_name(
    storectl: Runner, registry: OtherRegistry, layout: Layout, tmp_path: Path
) -> None:
    digest = layout.roots[0]["digest"]
    place = f"docker://{registry.host}/team/app"
    storectl("copy", "--digest-file", str(tmp_path / "d"), f"{place}:1", "store:mine/new:2")
    assert stored(storectl, "mine/new:2") == digest
    assert (tmp_path / "d").read_text() == f"{digest}\n"
    # All platforms are here.
    storectl("save", "-o", str(tmp_path / "saved"), "--format", "oci", "mine/new:2")
    found = storectl.json("copy", f"{place}@{digest}", "store:by-digest")
    assert list(faults(found, SCHEMA["properties"]["copy"])) == []
    assert (found["Destination"], found["Digest"]) == ("store:by-digest", digest)
    assert (found["Blobs"]["Sent"], len(found["Blobs"]["Held"])) == ([], 2)
    assert stored(storectl, "by-digest:latest") == digest
    assert [line.split()[:2] for line in storectl("images").splitlines()[1:]] == [
        ["by-digest", "latest"],
        ["mine/new", "2"],
    ]


def test_a_dry_run_stores_nothing(
    storectl: Runner, registry: OtherRegistry, tmp_path: Path
) -> None:
    storectl("copy", "--dry-run", f"docker://{registry.host}/team/app:1", "store:new:1")
    assert "Would pull" in storectl.out
    storectl("copy", "--dry-run", f"oci-archive:{tmp_path}/app.tar", "store:new:1")
    assert "Would load image: new:1" in storectl.out
    assert not storectl.root.exists()


def test_images_of_archives_and_of_a_registrys_files_get_a_new_name(
    storectl: Runner, layout: Layout, tmp_path: Path
) -> None:
    (tmp_path / "app.tar").write_bytes(layout.tar())
    files = RegistryFiles(tmp_path / "files")
    files.push(layout, "team/app", latest=layout.roots[0])
    digest = layout.roots[0]["digest"]
    places = (
        f"oci-archive:{tmp_path}/app.tar:team/app:1",
        f"oci:{layout.folder(tmp_path / 'folder')}",
        f"registry-tree:{files.folder}:team/app",
    )
    for number, place in enumerate(places):
        planned = storectl.json("copy", "--dry-run", place, f"store:new:{number}")
        found = storectl.json("copy", place, f"store:new:{number}")
        for document in (planned, found):
            assert list(faults(document, SCHEMA["properties"]["copy"])) == []
        assert planned["Blobs"]["Missing"] == found["Blobs"]["Sent"]
        assert len(found["Blobs"]["Sent"]) == (0 if number else 4)
        assert found["Tags"] == {f"docker.io/library/new:{number}": digest}
        assert stored(storectl, f"new:{number}") == digest
    storectl("copy", "-q", "--digest-file", str(tmp_path / "d"), places[2], "store:new:9")
    assert (tmp_path / "d").read_text() == f"{digest}\n"


@pytest.mark.parametrize(
    ("source", "destination", "code"),
    [
        ("store:a:1", "store:b:1", ExitCode.INVALID_INPUT),
        ("oci:{}/none", "store:b:1", ExitCode.INVALID_INPUT),
        ("oci:{}/none", f"store:b@sha256:{'0' * 64}", ExitCode.INVALID_INPUT),
        ("registry-tree:{}", "store:b:1", ExitCode.INVALID_INPUT),
    ],
)
def test_what_cannot_be_copied_is_one_line(
    storectl: Runner, tmp_path: Path, source: str, destination: str, code: ExitCode
) -> None:
    assert storectl.attempt("copy", source.format(tmp_path), destination) == code
    assert "Traceback" not in storectl.err


def test_a_registry_without_the_image_decides_the_exit_code(
    storectl: Runner, registry: OtherRegistry
) -> None:
    place = f"docker://{registry.host}/team/none:1"
    assert storectl.attempt("copy", "--json", place, "store:b") == ExitCode.NOT_FOUND
    assert storectl.out == ""
    found = json.loads(storectl.err.splitlines()[-1])
    assert found["ExitCode"] == ExitCode.NOT_FOUND
