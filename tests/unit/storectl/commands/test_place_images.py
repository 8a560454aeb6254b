"""`pull` of archives, folders, engines and registries' files."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from storectl.output.exit_codes import ExitCode
from tests.support.command_line import Runner
from tests.support.fake_engine import FakeEngine
from tests.support.images import A, B, image
from tests.support.json_schema import SCHEMA, faults
from tests.support.layouts import Layout, gzip
from tests.support.layouts import digest as digest_of
from tests.support.registry_trees import RegistryFiles

if TYPE_CHECKING:
    from pathlib import Path

INDEX, OTHER = "team/app:1", "x/other:1"


@pytest.fixture
def storectl(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Runner:
    return Runner(tmp_path / "store", capfdbinary)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout()
    index = layout.index(
        layout.image(gzip(A), platform="linux/amd64"),
        layout.image(gzip(B), platform="linux/arm64"),
    )
    layout.root(index, f"docker.io/{INDEX}")
    layout.folder(tmp_path / "one")
    (tmp_path / "one.tar").write_bytes(layout.tar())
    layout.dir_folder(tmp_path / "dir")
    files = RegistryFiles(tmp_path / "files")
    files.push(layout, "team/app", **{"1": index})
    layout.root(layout.image(gzip(A)), f"docker.io/{OTHER}")
    layout.folder(tmp_path / "two")
    (tmp_path / "demo.tar").write_bytes(image(A, B, tags=("demo:1", "demo:latest")).bytes())
    return layout


PLACES = {
    "oci:one": [INDEX],
    "oci:one:team/app:1": [INDEX],
    "oci:two:x/other:1": [OTHER],
    "oci-archive:one.tar": [INDEX],
    "registry-tree:files:team/app:1": [INDEX],
    "docker-archive:demo.tar": ["demo:1", "demo:latest"],
    "docker-archive:demo.tar:demo:1": ["demo:1"],
    "dir:dir": None,
}


@pytest.mark.parametrize("place", PLACES)
def test_an_image_of_any_place_is_stored_with_its_names(
    storectl: Runner, layout: Layout, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    del layout
    monkeypatch.chdir(tmp_path)
    planned = storectl.json("pull", "--dry-run", place)
    assert not storectl.root.exists()
    pulled = storectl.json("pull", "--digest-file", "d", place)
    again = storectl.json("pull", place)
    for document in (planned, pulled, again):
        assert list(faults(document, SCHEMA["properties"]["pull"])) == []
    names = PLACES[place] or [pulled[0]["Digest"]]
    assert [one["Reference"] for one in pulled] == names
    assert [one["Digest"] for one in planned] == [one["Digest"] for one in pulled]
    assert planned[0]["DownloadedBytes"] == pulled[0]["DownloadedBytes"] > 0
    assert [one["Changed"] for one in (*planned, *pulled)] == [True] * 2 * len(names)
    assert not any(one["Changed"] or one["DownloadedBlobs"] for one in again)
    assert (tmp_path / "d").read_text() == f"{pulled[0]['Digest']}\n"
    for name in names:
        assert storectl("digest", f"store:{name}").split() == [pulled[0]["Digest"]]
    assert storectl("pull", "-q", place).split() == names
    assert storectl("fsck").startswith("clean")


@pytest.mark.parametrize("place", ["oci:odd", "registry-tree:odd-files:team/odd:1"])
def test_verify_refuses_an_image_with_other_layers(
    storectl: Runner, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    odd = Layout()
    root = odd.root(odd.image(replace(gzip(B), plain=A)), "docker.io/team/odd:1")
    odd.folder(tmp_path / "odd")
    RegistryFiles(tmp_path / "odd-files").push(odd, "team/odd", **{"1": root})
    storectl("pull", "--verify", place, code=ExitCode.CONFLICT)
    assert "contradict its config: layer 0" in storectl.err
    assert storectl("images", "-q") == ""
    storectl("pull", place)
    assert "contradict its config: layer 0" in storectl.err


def test_the_words_are_those_of_docker(storectl: Runner, layout: Layout, tmp_path: Path) -> None:
    digest, place = layout.roots[0]["digest"], f"oci:{tmp_path}/one"
    assert storectl("pull", "--dry-run", place).startswith(f"Would pull {INDEX} ({digest}): 4 blob")
    assert storectl("pull", place).splitlines() == [
        f"Pulling from {place}",
        f"Digest: {digest}",
        f"Status: Downloaded newer image for {INDEX}",
        INDEX,
    ]
    assert "4 blob(s) stored" in storectl.err
    assert f"Status: Image is up to date for {INDEX}" in storectl("pull", place)
    storectl("pull", f"dir:{tmp_path}/dir")
    assert f"`storectl copy dir:{tmp_path}/dir store:NAME`" in storectl.err


def test_one_platform_may_be_chosen(storectl: Runner, layout: Layout, tmp_path: Path) -> None:
    del layout
    (found,) = storectl.json("pull", "--platform", "linux/arm64", f"oci:{tmp_path}/one")
    assert found["DownloadedBlobs"] == 2
    assert storectl.attempt("save", "-o", str(tmp_path / "out.tar"), INDEX)
    storectl("pull", f"oci:{tmp_path}/one")
    storectl("save", "-o", str(tmp_path / "out.tar"), INDEX)


def test_an_image_of_an_engine_keeps_its_name(
    storectl: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeEngine() as engine:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{engine.socket}")
        engine.keep("demo:1", image(A, tags=("demo:1",)))
        assert storectl("pull", "-q", "docker-daemon:demo:1") == "demo:1\n"


def test_places_and_failures_keep_their_order(
    storectl: Runner, layout: Layout, tmp_path: Path
) -> None:
    del layout
    places = [f"oci:{tmp_path}/two", f"oci:{tmp_path}/one", f"dir:{tmp_path}/none"]
    code = storectl.attempt("pull", "--json", *places)
    failed, pulled, absent = json.loads(storectl.out)
    assert (failed["Reference"], code) == (places[0], ExitCode.INVALID_INPUT)
    assert "2 images" in failed["Error"]["Message"]
    assert pulled["Reference"] == INDEX
    assert absent["Reference"] == places[2]


def test_what_is_broken_in_a_registrys_files_is_reported(
    storectl: Runner, layout: Layout, tmp_path: Path
) -> None:
    place = f"registry-tree:{tmp_path}/files:team/app:1"
    files = tmp_path / "files/docker/registry/v2/blobs/sha256"
    broken = digest_of(gzip(B).data).removeprefix("sha256:")
    (files / broken[:2] / broken / "data").unlink()
    storectl("pull", place, code=ExitCode.CORRUPT)
    assert "broken" in storectl.err
    assert storectl("digest", f"store:{INDEX}").split() == [layout.roots[0]["digest"]]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("store:app:1", "it is in the store"),
        ("registry-tree:files", "it names no image"),
        ("oci:", "nothing follows"),
        ("containers-storage:x", "not supported"),
    ],
)
def test_names_that_cannot_be_pulled_create_no_store(
    storectl: Runner, name: str, message: str
) -> None:
    assert storectl.attempt("pull", name) == ExitCode.INVALID_INPUT
    assert message in storectl.err
    assert not storectl.root.exists()
