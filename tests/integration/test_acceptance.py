"""The numbered acceptance cases of docker-archive.md §10, tested on the command line."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import pty
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest

from scripts.compare_golden import CLOCK_TIMES, IDENTICAL, compare, names
from store import ImageID
from tests.support.command_line import Runner
from tests.support.docker_vectors import (
    DIFF_A,
    DIFF_B,
    GOLDEN,
    GOLDEN_NAMES,
    V5_CONFIG,
    V5_IMAGE_ID,
    V5_JSON,
    V6_CONFIG,
    V6_IMAGE_ID,
    V6_JSON,
)
from tests.support.images import A, Archive, B, config, image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
from tests.support.docker_load import (
    CREATED,
    EPOCH_SECONDS,
    files,
    image_id,
    saved,
    steps,
    two_images,
)


@pytest.fixture
def run(root: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Runner:
    return Runner(root, capfdbinary)


@pytest.fixture
def load(run: Runner, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return a function that passes an archive to the command and returns the output."""

    def from_stdin(data: bytes, *, code: int = 0) -> str:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        return run("load", code=code)

    return from_stdin


def test_01_an_archive_compressed_twice_is_refused_and_its_repository_does_not_exist(
    run: Runner, load: Callable[..., str]
) -> None:
    load(image(A, tags=("twice:1",)).bytes())
    data = saved(run, "twice")
    run("rm", "twice:1")
    load(gzip.compress(lzma.compress(data)), code=4)
    assert "storectl: error:" in run.err
    run("inspect", "twice:1", code=3)


@pytest.mark.parametrize(
    "compress",
    [bytes, gzip.compress, bz2.compress, lzma.compress],
    ids=["plain", "gzip", "bzip2", "xz"],
)
def test_02_an_archive_compressed_once_loads(
    load: Callable[..., str], compress: Callable[[bytes], bytes]
) -> None:
    assert load(compress(image(A).bytes())) == "Loaded image: demo:1\n"


def test_03_a_saved_repository_lists_repositories_and_the_config(
    run: Runner, load: Callable[..., str]
) -> None:
    load(image(A, tags=("demo:latest",)).bytes())
    names = files(saved(run, "demo:latest"))
    assert "repositories" in names
    assert image_id(A).removeprefix("sha256:") + ".json" in names


def test_04_times_are_those_of_the_image_and_no_member_is_newer(
    run: Runner, load: Callable[..., str]
) -> None:
    load(image(A, B, created=CREATED).bytes())
    with tarfile.open(fileobj=io.BytesIO(saved(run, "demo:1"))) as archive:
        times = {member.name: member.mtime for member in archive}
    assert times[image_id(A, B, created=CREATED).removeprefix("sha256:") + ".json"] == EPOCH_SECONDS
    assert max(times.values()) == EPOCH_SECONDS
    assert {times["manifest.json"], times["repositories"]} == {0}


def test_05_saving_by_a_short_id_has_the_config_under_its_full_id(
    run: Runner, load: Callable[..., str]
) -> None:
    load(image(A).bytes())
    full = image_id(A).removeprefix("sha256:")
    assert f"{full}.json" in files(saved(run, full[:12]))


def test_06_saving_and_loading_leaves_inspect_as_it_was(
    run: Runner, load: Callable[..., str]
) -> None:
    load(
        image(
            A,
            B,
            created=CREATED,
            config={"Env": ["A=<b>"], "Labels": {"k": "v"}},
            history=steps("one", "two"),
        ).bytes()
    )
    before = run("inspect", "demo:1")
    load(saved(run, "demo:1"))
    assert run("inspect", "demo:1") == before


def test_07_removed_and_loaded_again_it_has_the_same_id(
    run: Runner, load: Callable[..., str], tmp_path: Path
) -> None:
    load(image(A, B).bytes())
    before = run("images", "-q", "--no-trunc")
    target = str(tmp_path / "saved.tar")
    run("save", "-o", target, "demo:1")
    run("rm", "demo:1")
    assert run("images", "-q", "--no-trunc") == ""
    run("gc")
    run("load", "-i", target)
    assert run("images", "-q", "--no-trunc") == before == f"{image_id(A, B)}\n"


def test_08_an_unknown_name_is_reported(run: Runner, load: Callable[..., str]) -> None:
    load(image(A).bytes())
    run("save", "-o", "out.tar", "nothing", code=3)
    assert "No such image: nothing" in run.err


def test_09_two_names_are_both_in_repositories(run: Runner, load: Callable[..., str]) -> None:
    load(two_images(first=["x-one:latest"], second=["x-two:latest"]))
    assert set(json.loads(files(saved(run, "x-one", "x-two:latest"))["repositories"])) == {
        "x-one",
        "x-two",
    }


def test_10_a_repository_of_two_images_and_a_name_are_three_configs(
    run: Runner, load: Callable[..., str]
) -> None:
    load(two_images(first=["demo:1"], second=["demo:2"]))
    load(image(A, B, tags=("other:latest",)).bytes())
    configs = {
        name
        for name in files(saved(run, "demo", "other:latest"))
        if "/" not in name and name not in ("manifest.json", "repositories")
    }
    assert configs == {
        f"{one.removeprefix('sha256:')}.json" for one in (image_id(A), image_id(B), image_id(A, B))
    }


def test_11_a_layer_deep_in_a_tree_lists_its_parents_in_order(
    run: Runner, load: Callable[..., str]
) -> None:
    names = ["opt/", "opt/a/", "opt/a/b/", "opt/a/b/c"]
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            tar.addfile(info, io.BytesIO())
    load(image(A, made.getvalue()).bytes())
    top = json.loads(files(saved(run, "demo:1"))["manifest.json"])[0]["Layers"][-1]
    layer_tar = files(saved(run, "demo:1"))[top]
    assert layer_tar == made.getvalue()
    with tarfile.open(fileobj=io.BytesIO(layer_tar)) as tar:
        assert [member.name + "/" * member.isdir() for member in tar] == names


def test_12_a_layer_of_zero_bytes_loads(run: Runner, load: Callable[..., str]) -> None:
    assert load(image(A, b"", tags=("zero:1",)).bytes()) == "Loaded image: zero:1\n"
    assert b"" in files(saved(run, "zero:1")).values()
    run("fsck")


def test_13_a_deleted_child_comes_back_with_its_parent(
    run: Runner, load: Callable[..., str], tmp_path: Path
) -> None:
    parent, child = config(A, history=steps("one")), config(A, B, history=steps("one", "two"))
    parent_id, child_id = str(ImageID.of(parent)), str(ImageID.of(child))
    archive = Archive().file("a", A).file("b", B).file("p", parent).file("c", child)
    entries = [
        {"Config": "p", "RepoTags": None, "Layers": ["a"]},
        {"Config": "c", "RepoTags": None, "Layers": ["a", "b"], "Parent": parent_id},
    ]
    load(archive.manifest(*entries).bytes())
    target = str(tmp_path / "family.tar")
    run("save", "-o", target, child_id, parent_id)
    run("rm", child_id)
    run("gc")
    run("inspect", child_id, code=3)
    run("load", "-i", target)
    assert run.json("inspect", child_id)[0]["Parent"] == parent_id
    assert run.json("inspect", parent_id)[0]["Parent"] == ""


def test_14_saved_by_id_only_ids_are_printed(run: Runner, load: Callable[..., str]) -> None:
    load(image(A).bytes())
    assert load(saved(run, image_id(A))) == f"Loaded image ID: {image_id(A)}\n"


def test_15_saved_by_name_only_names_are_printed(run: Runner, load: Callable[..., str]) -> None:
    load(image(A, tags=("demo:latest",)).bytes())
    assert load(saved(run, "demo")) == "Loaded image: demo:latest\n"


def test_16_a_moved_tag_is_reported_as_renamed(load: Callable[..., str]) -> None:
    load(image(A, tags=("demo:latest",)).bytes())
    renaming = (
        f"The image demo:latest already exists, renaming the old one with ID {image_id(A)} to empty"
        " string"
    )
    assert (
        load(image(B, tags=("demo:latest",)).bytes()) == f"{renaming}\nLoaded image: demo:latest\n"
    )


def test_17_saving_to_a_terminal_is_refused(run: Runner, load: Callable[..., str]) -> None:
    load(image(A).bytes())
    leader, follower = pty.openpty()
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "storectl", "--root", str(run.root), "save", "demo:1"],
            stdout=follower,
            stderr=subprocess.PIPE,
            timeout=300,
            check=False,
        )
        os.set_blocking(leader, False)
        with pytest.raises(BlockingIOError):
            os.read(leader, 1)
    finally:
        os.close(leader)
        os.close(follower)
    assert ended.returncode == 2
    assert b"Cowardly refusing to save to a terminal" in ended.stderr


def test_19_one_save_and_one_import_event_each_with_the_id(
    run: Runner, load: Callable[..., str]
) -> None:
    load(image(A).bytes())
    saved(run, "demo:1")
    events = run.json("events", "--until", "2100-01-01T00:00:00Z")
    found = sorted((event["Action"], event["Actor"]["ID"]) for event in events)
    assert found == [("import", image_id(A)), ("save", image_id(A))]


def test_21_a_known_layer_may_be_missing_in_any_chain(
    run: Runner, load: Callable[..., str]
) -> None:
    load(image(A, B).bytes())
    same = (
        Archive()
        .file("c", config(A, B, author="same"))
        .manifest({"Config": "c", "RepoTags": ["same:1"], "Layers": ["gone", ""]})
    )
    assert load(same.bytes()) == "Loaded image: same:1\n"
    other = (
        Archive()
        .file("c", config(B, A))
        .manifest({"Config": "c", "RepoTags": ["other:1"], "Layers": ["gone", "gone"]})
    )
    assert load(other.bytes()) == "Loaded image: other:1\n"
    assert sorted(
        len(one) for one in files(saved(run, "other:1")).values() if one in (A, B)
    ) == sorted((len(A), len(B)))


def test_22_duplicate_layers_are_one_file_and_links_that_load_again(
    run: Runner, load: Callable[..., str]
) -> None:
    data = (GOLDEN / "duplicate-layers.tar").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        order = archive.getnames()
        links = {member.name: member.linkname for member in archive if member.issym()}
    assert len(links) == 3
    assert any(
        order.index(name) < order.index(target.removeprefix("../"))
        for name, target in links.items()
    )
    load(data)
    assert load(saved(run, "spec-golden-dup:1")) == "Loaded image: spec-golden-dup:1\n"


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (
            Archive()
            .file("a", A)
            .file("c", config(A, B))
            .manifest({"Config": "c", "RepoTags": None, "Layers": ["a"]}),
            "expected 1, got 2",
        ),
        (
            Archive()
            .file("b", B)
            .file("c", config(A))
            .manifest({"Config": "c", "RepoTags": ["w:1"], "Layers": ["b"]}),
            (
                f"invalid diffID for layer 0 of w:1 (member 'b'): expected \"{DIFF_A}\", got"
                f' "{DIFF_B}"'
            ),
        ),
        (
            Archive().file("c", b"{}").manifest({"Config": "c", "RepoTags": None, "Layers": []}),
            "config c: invalid image JSON, no RootFS key",
        ),
        (
            image(A, history=steps("1", "2")),
            (
                "config config.json: too many non-empty layers in History section: 2, "
                "but rootfs has 1 layer(s)"
            ),
        ),
    ],
    ids=["layer count", "diff ID", "rootfs", "history"],
)
def test_23_a_mismatch_is_named(
    run: Runner, load: Callable[..., str], archive: Archive, message: str
) -> None:
    load(archive.bytes(), code=4)
    assert message in run.err
    assert run("images", "-aq") == ""


def test_24_untagged_images_are_reported_by_id(run: Runner, load: Callable[..., str]) -> None:
    both = f"Loaded image ID: {image_id(A)}\nLoaded image ID: {image_id(B)}\n"
    assert load(two_images(first=["x:1"], second=None)) == f"Loaded image: x:1\n{both}"
    assert load(two_images(first=None, second=["x:2"])) == "Loaded image: x:2\n"
    found = files(saved(run, image_id(A)))
    assert b'"RepoTags":null' in found["manifest.json"]
    assert "repositories" not in found


def test_25_one_tag_twice_moves_to_the_second_image(run: Runner, load: Callable[..., str]) -> None:
    renaming = (
        f"The image x:1 already exists, renaming the old one with ID {image_id(A)} to empty"
        " string\n"
    )
    assert (
        load(two_images(first=["x:1"], second=["x:1"]))
        == f"Loaded image: x:1\n{renaming}Loaded image: x:1\n"
    )
    assert run.json("inspect", "x:1")[0]["Id"] == image_id(B)
    assert (
        load(image(A, B, tags=("y:1", "y:1")).bytes()) == "Loaded image: y:1\nLoaded image: y:1\n"
    )


@pytest.mark.parametrize("escape", ["symbolic link", "hard link", "member name", "layer path"])
def test_26_nothing_outside_is_ever_read_or_written(
    run: Runner, load: Callable[..., str], tmp_path: Path, escape: str
) -> None:
    outside = tmp_path / "outside.tar"
    outside.write_bytes(A)
    archive, path = Archive(), "l"
    if escape == "layer path":
        path = f"../../../../../../../../{outside}"
    elif escape == "member name":
        archive.file(f"../../{outside.name}", B)
    else:
        archive.link("l", str(outside), hard=escape == "hard link")
    load(
        archive.file("c", config(A))
        .manifest({"Config": "c", "RepoTags": None, "Layers": [path]})
        .bytes(),
        code=4,
    )
    assert outside.read_bytes() == A
    assert run("images", "-aq") == ""


def test_27_names_beat_short_ids(run: Runner, load: Callable[..., str]) -> None:
    hidden = image_id(A).removeprefix("sha256:")
    load(image(A, tags=("a:1",)).bytes())
    load(image(B, tags=(f"{hidden[:6]}:1",)).bytes())
    assert f"{image_id(B).removeprefix('sha256:')}.json" in files(saved(run, hidden[:6]))
    assert f"{hidden}.json" in files(saved(run, hidden[:7]))
    number = 0
    while (
        len(
            {
                one
                for one in run("images", "-aq", "--no-trunc").split()
                if one.startswith(f"sha256:{hidden[0]}")
            }
        )
        < 2
    ):
        number += 1
        load(image(A, tags=(f"more:{number}",), author=str(number)).bytes())
    run("save", "-o", "out.tar", hidden[0], code=6)
    assert "ambiguous" in run.err
    manifest = run.json("inspect", "a:1")[0]["RepoDigests"][0]
    assert json.loads(files(saved(run, manifest))["manifest.json"])[0]["RepoTags"] is None


def test_28_an_image_without_layers_loads_and_has_no_legacy_archive(
    run: Runner, load: Callable[..., str]
) -> None:
    assert load(image().bytes()) == "Loaded image: demo:1\n"
    run("save", "-o", "out.tar", "--format", "legacy", "demo:1", code=4)
    assert "empty export - not implemented" in run.err


def test_29_archives_from_before_1_10_become_dockers_images(
    run: Runner, load: Callable[..., str]
) -> None:
    """Import the vectors V5 and V6 of §11. Docker prints nothing, but storectl prints names."""
    archive = Archive()
    for name, document, data in (("b" * 64, V5_JSON, A), ("a" * 64, V6_JSON, B)):
        archive.directory(name + "/").file(f"{name}/VERSION", b"1.0").file(
            f"{name}/json", document
        ).file(f"{name}/layer.tar", data)
    archive.file("repositories", json.dumps({"old": {"base": "b" * 64, "top": "a" * 64}}).encode())
    assert sorted(load(archive.bytes()).splitlines()) == [
        "Loaded image: old:base",
        "Loaded image: old:top",
    ]
    found = files(saved(run, "old:base", "old:top"))
    assert found[V5_IMAGE_ID.removeprefix("sha256:") + ".json"] == V5_CONFIG
    assert found[V6_IMAGE_ID.removeprefix("sha256:") + ".json"] == V6_CONFIG
    assert run.json("inspect", "old:top")[0]["Parent"] == V5_IMAGE_ID


@pytest.mark.parametrize("name", GOLDEN_NAMES)
def test_30_goldens_come_back_byte_for_byte(run: Runner, tmp_path: Path, name: str) -> None:
    source, target = GOLDEN / f"{name}.tar", tmp_path / "saved.tar"
    run("load", "-i", str(source))
    run("save", "-o", str(target), *names(source))
    linked = name in {"duplicate-layers", "parent-and-tags", "timestamps"}
    assert compare(source, target) == (CLOCK_TIMES if linked else IDENTICAL)
