"""`backup`: its destinations, lists and checks, and what it refuses."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

import pytest

from tests.support.command_line import Runner
from tests.support.images import A, B, image

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def storectl(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Runner:
    runner = Runner(tmp_path / "store", capfdbinary)
    archive = tmp_path / "app.tar"
    archive.write_bytes(image(A, B, tags=("app:1",)).bytes())
    runner("import", str(archive))
    return runner


def test_a_folder_gets_generations(storectl: Runner, tmp_path: Path) -> None:
    place = str(tmp_path / "b")
    first, copied = storectl("backup", place).splitlines()
    assert first.startswith(f"Backed up 1 image(s) to {place}: 20")
    assert copied.startswith("Copied: 2 blob(s), ")
    assert "; there already: 2 blob(s), " in storectl("backup", place)
    assert "Removed: 2 generation(s)" in storectl("backup", "--keep", "1", place)
    assert storectl("backup", "-q", place) == ""
    listed = storectl("backup", "--list", place).splitlines()
    assert listed[0].split() == ["GENERATION", "CREATED", "IMAGES", "BLOBS", "SIZE"]
    assert len(listed) == 3
    assert storectl("backup", "--verify", place).startswith("sound: 2 generation(s), 2 blob(s)")


def test_an_archive_goes_to_a_file_or_a_pipe(storectl: Runner, tmp_path: Path) -> None:
    place = tmp_path / "b.tar"
    assert "Backed up 1 image(s)" in storectl("backup", str(place))
    assert "sound: 1 generation(s)" in storectl("backup", "--verify", str(place))
    storectl("backup", "-")
    assert storectl.raw[: 512 * 2].startswith(b"storectl-backup.json\0")
    assert "Backed up 1 image(s) to standard output" in storectl.err
    place.write_bytes(storectl.raw)
    assert len(storectl("backup", "--list", str(place)).splitlines()) == 2
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    with tarfile.open(place) as archive:
        assert len(archive.getnames()) == 6


def test_damage_ends_with_5(storectl: Runner, tmp_path: Path) -> None:
    place = tmp_path / "b"
    storectl("backup", str(place))
    for path in (place / "blobs").rglob("*"):
        if path.is_file():
            path.write_bytes(b"rot")
    out = storectl("backup", "--verify", str(place), code=5)
    assert out.count("[affects docker.io/library/app:1] [in generation 20") == 2
    assert "run `storectl backup` to the same folder again" in storectl.err
    storectl("backup", str(place))
    storectl("backup", "--verify", str(place))
    for path in (tmp_path / "store" / "blobs").rglob("*"):
        if path.is_file():
            path.unlink()
    assert "its file is missing" in storectl("backup", str(tmp_path / "c"), code=5)
    assert "storectl fsck" in storectl.err
    assert storectl("backup", str(place)).startswith("Backed up")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--verify", "--list", "{b}"),
        ("--keep", "0", "{b}"),
        ("--keep", "2", "--verify", "{b}"),
        ("--link", "--list", "{b}"),
        ("--generation", "20260102T030405Z", "{b}"),
        ("--link", "{b}.tar"),
        ("--keep", "2", "{b}.tar"),
        ("{b}.tar.gz",),
        ("--json", "-"),
        (),
    ],
)
def test_wrong_usage_is_refused(
    storectl: Runner, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    storectl("backup", *(one.format(b=tmp_path / "b") for one in arguments), code=2)
    assert not (tmp_path / "b").exists()


def test_other_places_are_refused(storectl: Runner, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter").touch()
    storectl("backup", str(tmp_path / "home"), code=6)
    storectl("backup", str(tmp_path / "store" / "blobs"), code=4)
    storectl("backup", str(tmp_path / "store"), code=6)
    storectl("backup", str(tmp_path / "none" / "b.tar"), code=4)
    storectl("backup", str(tmp_path / "none" / "b"), code=4)
    storectl("backup", "--verify", str(tmp_path / "app.tar"), code=4)
    storectl("backup", "--list", str(tmp_path / "home"), code=4)
    storectl("backup", str(tmp_path / "b"))
    storectl("backup", "--verify", "--generation", "x", str(tmp_path / "b"), code=3)
    storectl("backup", str(tmp_path / "b.tar"))
    storectl("backup", "--verify", "--generation", "x", str(tmp_path / "b.tar"), code=2)


def test_one_generation_can_be_checked(storectl: Runner, tmp_path: Path) -> None:
    one = storectl.json("backup", str(tmp_path / "b"))["Generation"]
    two = storectl.json("backup", str(tmp_path / "b"))["Generation"]
    (tmp_path / "b" / "generations" / two / "store.db").write_bytes(b"")
    storectl("backup", "--verify", "--generation", one, str(tmp_path / "b"))
    storectl("backup", "--verify", str(tmp_path / "b"), code=5)


def test_no_store_is_made(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    Runner(tmp_path / "none", capfdbinary)("backup", str(tmp_path / "b"), code=10)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_generation_does_not_hide_the_others(storectl: Runner, tmp_path: Path) -> None:
    one = storectl.json("backup", str(tmp_path / "b"))["Generation"]
    two = storectl.json("backup", str(tmp_path / "b"))["Generation"]
    (tmp_path / "b" / "generations" / two / "generation.json").write_bytes(b"{}")
    listed = storectl("backup", "--list", str(tmp_path / "b"), code=5).splitlines()
    assert [line.split()[0] for line in listed] == ["GENERATION", one]
    assert two in storectl.err
