"""`import registry-tree:`, `copy` and `manifest` of it, and the report of what is broken."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from storectl.output.exit_codes import ExitCode
from tests.support.command_line import Runner
from tests.support.images import A, B
from tests.support.json_schema import SCHEMA, faults
from tests.support.layouts import Layout, gzip
from tests.support.registry_trees import RegistryFiles, write

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def storectl(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Runner:
    return Runner(tmp_path / "store", capfdbinary)


@pytest.fixture
def files(tmp_path: Path) -> RegistryFiles:
    found = RegistryFiles(tmp_path / "registry")
    layout = Layout()
    one = layout.image(gzip(A))
    found.push(layout, "library/debian", one=one)
    two = layout.image(gzip(B))
    found.push(layout, "team/app", one=one, two=two)
    return found


def broken(files: RegistryFiles) -> None:
    files.blob(str(files.tag("team/app", "two").read_text())).unlink()
    gone = "sha256:" + "0" * 64
    write(files.layer("team/app", gone), gone.encode())


def test_a_registry_is_imported(storectl: Runner, files: RegistryFiles) -> None:
    out = storectl("import", f"registry-tree:{files.folder}")
    assert sorted(out.splitlines()) == [
        "Loaded image: debian:one",
        "Loaded image: team/app:one",
        "Loaded image: team/app:two",
    ]
    assert "2 new image(s)" in storectl.err
    storectl("import", f"registry-tree:{files.folder}")
    assert "nothing new" in storectl.err
    storectl("import", "--prefix", "r.example", f"registry-tree:{files.folder}:library/debian:one")
    assert storectl.out == "Loaded image: r.example/library/debian:one\n"


def test_what_is_broken_is_reported(storectl: Runner, files: RegistryFiles) -> None:
    broken(files)
    for arguments in (("--dry-run",), ()):
        assert storectl.attempt("import", *arguments, f"registry-tree:{files.root}") == (
            ExitCode.CORRUPT
        )
        assert "team/app:one" in storectl.out
        assert "team/app:two" not in storectl.out
        assert "broken: team/app: the tag two names the manifest" in storectl.err
        assert "[affects two]" in storectl.err
        assert "1 layer link(s) lead to absent blobs" in storectl.err
    assert storectl.attempt("import", "-q", f"registry-tree:{files.root}") == ExitCode.CORRUPT
    assert [line.partition(":")[0] for line in storectl.err.splitlines()] == ["broken"]


@pytest.mark.parametrize("arguments", [(), ("--dry-run",)], ids=["import", "dry run"])
def test_the_report_is_json(
    storectl: Runner, files: RegistryFiles, arguments: tuple[str, ...]
) -> None:
    broken(files)
    code = storectl.attempt("import", "--json", *arguments, f"registry-tree:{files.folder}")
    assert code == ExitCode.CORRUPT
    (document,) = json.loads(storectl.out)
    assert list(faults([document], SCHEMA["properties"]["import"])) == []
    assert (document["Repositories"], document["Losses"]) == (2, 1)
    found = {(one["Kind"], one["IsLoss"], tuple(one["Tags"])) for one in document["Findings"]}
    assert found == {
        ("tag-without-manifest", True, ("two",)),
        ("dead-layer-link", False, ()),
    }
    assert "team/app:one" in {one["Name"] for one in document["Tags"]}


def test_only_a_report_needs_no_store(storectl: Runner, files: RegistryFiles) -> None:
    storectl("import", "--dry-run", f"registry-tree:{files.folder}")
    assert not storectl.root.exists()
    assert "2 repositories, 3 image(s)" in storectl.err


@pytest.mark.parametrize("name", ["registry-tree:{}/absent", "registry-tree:{}:Bad/Name"])
def test_a_mistake_creates_no_store(storectl: Runner, files: RegistryFiles, name: str) -> None:
    code = storectl.attempt("import", name.format(files.folder))
    assert code == ExitCode.INVALID_INPUT
    assert not storectl.root.exists()
    assert "Traceback" not in storectl.err


def test_the_folder_alone_has_a_hint(storectl: Runner, files: RegistryFiles) -> None:
    for folder in (files.folder, files.root):
        assert storectl.attempt("import", str(folder)) == ExitCode.INVALID_INPUT
        assert "registry-tree:" in storectl.err


def test_an_image_is_copied_and_shown(
    storectl: Runner, files: RegistryFiles, tmp_path: Path
) -> None:
    place = f"registry-tree:{files.folder}:team/app:two"
    storectl("copy", "-q", place, f"oci:{tmp_path}/layout:x")
    index = json.loads((tmp_path / "layout/index.json").read_text())
    assert index["manifests"][0]["digest"] == files.tag("team/app", "two").read_text()
    assert index["manifests"][0]["digest"] in storectl("digest", place)
    assert json.loads(storectl("manifest", place))["schemaVersion"] == 2
    assert "rootfs" in storectl("manifest", "--config", place)
