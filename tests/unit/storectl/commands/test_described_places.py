"""`inspect` and `images` of images that are neither in the store nor in an archive."""

from __future__ import annotations

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
    amd64, arm64 = layout.image(gzip(A)), layout.image(gzip(B), platform="linux/arm64")
    index = layout.index(amd64, arm64, layout.attestation(amd64))
    layout.root(index, "docker.io/team/app:1")
    layout.root(layout.artifact(b"chart"), "docker.io/team/chart:1")
    return layout


@pytest.fixture
def registry(tmp_path: Path, layout: Layout) -> Iterator[OtherRegistry]:
    with OtherRegistry(tmp_path / "registry") as running:
        (tmp_path / "app.tar").write_bytes(layout.tar())
        running.store.import_archive(tmp_path / "app.tar")
        yield running


def test_an_image_of_a_registry_is_shown_as_one_of_an_archive(
    storectl: Runner, registry: OtherRegistry, tmp_path: Path
) -> None:
    for options in ([], ["--platform", "linux/arm64"]):
        (found,) = document = storectl.json(
            "inspect", *options, f"docker://{registry.host}/team/app:1"
        )
        assert list(faults(document, SCHEMA["properties"]["inspect"])) == []
        (other,) = storectl.json("inspect", *options, f"oci-archive:{tmp_path}/app.tar:team/app:1")
        assert found.pop("RepoTags") == [f"{registry.host}/team/app:1"]
        assert found.pop("RepoDigests")[0].startswith(f"{registry.host}/team/app@sha256:")
        del other["RepoTags"], other["RepoDigests"]
        assert [layer.pop("Blobs") for layer in found["Layers"]] == [[]]
        for layer in (*found["Layers"], *other["Layers"]):
            layer.pop("Blobs", None)
            del layer["State"]
        assert found == other
    assert not storectl.root.exists()


def test_other_contents_have_a_document_as_well(
    storectl: Runner, registry: OtherRegistry, layout: Layout
) -> None:
    (chart,) = storectl.json("inspect", f"docker://{registry.host}/team/chart:1")
    assert chart["Digest"] == layout.roots[1]["digest"]
    by_digest = f"docker://{registry.host}/team/app@{layout.roots[0]['digest']}"
    (found,) = storectl.json("inspect", by_digest)
    name = f"{registry.host}/team/app@{layout.roots[0]['digest']}"
    assert (found["RepoTags"], found["RepoDigests"]) == ([], [name])


def test_what_cannot_be_found_is_an_error(storectl: Runner, registry: OtherRegistry) -> None:
    name = f"docker://{registry.host}/team/app"
    assert storectl.attempt("inspect", f"{name}:9") == ExitCode.NOT_FOUND
    code = storectl.attempt("inspect", "--platform", "linux/s390x", f"{name}:1")
    assert code in {ExitCode.NOT_FOUND, ExitCode.INVALID_INPUT}
    assert "linux/amd64" in storectl.err


def test_the_files_of_a_registry_are_listed(
    storectl: Runner, layout: Layout, tmp_path: Path
) -> None:
    files = RegistryFiles(tmp_path / "files")
    files.push(layout, "team/app", old=layout.roots[0], new=layout.roots[0])
    files.push(layout, "team/chart", **{"1": layout.roots[1]})
    files.set_tag("team/app", "broken", f"sha256:{'0' * 64}")
    place = f"registry-tree:{files.folder}"
    rows = [line.split()[:2] for line in storectl("images", place).splitlines()[1:]]
    assert sorted(rows) == [["team/app", "new"], ["team/app", "old"], ["team/chart", "1"]]
    for name, count in ((f"{place}:team/app", 2), (f"{place}:team/app:old", 1)):
        found = storectl.json("images", name)
        assert list(faults(found, SCHEMA["properties"]["images"])) == []
        assert sum(len(one["RepoTags"]) for one in found) == count
    storectl("images", f"{place}:none", code=ExitCode.NOT_FOUND)
