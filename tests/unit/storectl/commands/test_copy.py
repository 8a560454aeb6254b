"""`copy`: between registries, from the store, and into image layouts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from storectl.output.exit_codes import ExitCode
from tests.support.command_line import Runner
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip
from tests.support.other_registry import OtherRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[OtherRegistry]:
    with OtherRegistry(tmp_path / "registry") as running:
        yield running


@pytest.fixture
def other(tmp_path: Path) -> Iterator[OtherRegistry]:
    with OtherRegistry(tmp_path / "other") as running:
        yield running


@pytest.fixture
def storectl(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Runner:
    return Runner(tmp_path / "store", capfdbinary)


@pytest.fixture
def layout(storectl: Runner, registry: OtherRegistry, tmp_path: Path) -> Layout:
    layout = Layout()
    amd64, arm64 = layout.image(gzip(A)), layout.image(gzip(B), platform="linux/arm64")
    index = layout.index(amd64, layout.attestation(amd64), arm64)
    layout.root(index, "docker.io/team/app:1")
    layout.root(layout.artifact(b"signature", subject=index))
    archive = tmp_path / "app.tar"
    archive.write_bytes(layout.tar())
    storectl("import", str(archive))
    storectl("push", "--referrers", "team/app:1", f"{registry.host}/team/app:1")
    return layout


def test_an_index_is_copied_whole_from_registry_to_registry(
    storectl: Runner, registry: OtherRegistry, other: OtherRegistry, layout: Layout, tmp_path: Path
) -> None:
    storectl.root = tmp_path / "none"
    source, target = f"{registry.host}/team/app:1", f"{other.host}/mine/app:2"

    done = storectl.json("copy", "--referrers", f"docker://{source}", f"docker://{target}")

    digest = layout.roots[0]["digest"]
    assert done["Digest"] == digest
    assert other.digest("mine/app", "2") == digest
    listed = other.ask("GET", f"/v2/mine/app/referrers/{digest}").json["manifests"]
    assert [one["digest"] for one in listed] == [layout.roots[1]["digest"]]
    for blob in done["Blobs"]["Sent"]:
        assert other.ask("GET", f"/v2/mine/app/blobs/{blob}").body == layout.blobs[blob]
    # Nothing is stored here.
    assert not storectl.root.exists()


def test_within_one_registry_blobs_are_mounted(
    storectl: Runner, registry: OtherRegistry, layout: Layout
) -> None:
    done = storectl.json(
        "copy", f"{registry.host}/team/app:1", f"docker://{registry.host}/mine/copied"
    )

    assert not done["Blobs"]["Sent"]
    assert {one["From"] for one in done["Blobs"]["Mounted"]} == {"team/app"}
    assert registry.digest("mine/copied", "latest") == layout.roots[0]["digest"]


def test_one_platform_is_copied_without_its_index(
    storectl: Runner, registry: OtherRegistry, other: OtherRegistry, layout: Layout
) -> None:
    done = storectl.json(
        "copy",
        "--platform",
        "linux/arm64",
        f"docker://{registry.host}/team/app@{layout.roots[0]['digest']}",
        f"docker://{other.host}/mine/app:arm",
    )

    assert other.digest("mine/app", "arm") == done["Digest"] != layout.roots[0]["digest"]


def test_an_image_of_the_store_is_copied(
    storectl: Runner, other: OtherRegistry, layout: Layout
) -> None:
    storectl("copy", "store:team/app:1", f"docker://{other.host}/mine/app:1")

    assert other.digest("mine/app", "1") == layout.roots[0]["digest"]


def test_a_layout_gets_an_image_of_a_registry(
    storectl: Runner, registry: OtherRegistry, layout: Layout, tmp_path: Path
) -> None:
    storectl("copy", f"docker://{registry.host}/team/app:1", f"oci:{tmp_path}/layout:mine")

    (entry,) = json.loads((tmp_path / "layout" / "index.json").read_bytes())["manifests"]
    assert entry["digest"] == layout.roots[0]["digest"]
    for file in (tmp_path / "layout" / "blobs" / "sha256").iterdir():
        assert file.read_bytes() == layout.blobs[f"sha256:{file.name}"]


def test_an_unknown_transport_and_an_unknown_tag_are_one_line(
    storectl: Runner, registry: OtherRegistry, layout: Layout
) -> None:
    del layout
    source = f"docker://{registry.host}/team/app"
    assert storectl.attempt("copy", f"{source}:9", f"{registry.host}/x:1") == ExitCode.NOT_FOUND
    assert f"{registry.host}/team/app:9" in storectl.err
    assert storectl.attempt("copy", f"{source}:1", "containers-storage:x") == ExitCode.INVALID_INPUT


def test_a_mirror_of_registries_conf_is_copied_from_and_a_blocked_registry_is_not_pushed_to(
    storectl: Runner,
    registry: OtherRegistry,
    other: OtherRegistry,
    layout: Layout,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    conf = tmp_path / "registries.conf"
    conf.write_text(
        f'[[registry]]\nlocation = "gone.invalid"\n[[registry.mirror]]\nlocation ='
        f' "{registry.host}"\ninsecure = true\n'
        '[[registry]]\nlocation = "blocked.example"\nblocked = true\n'
    )
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(conf))

    storectl("copy", "gone.invalid/team/app:1", f"{other.host}/mine/app:1")

    assert other.digest("mine/app", "1") == layout.roots[0]["digest"]
    target = "docker://blocked.example/app:1"
    storectl("push", "team/app:1", target, code=ExitCode.NO_PERMISSION)
    assert "cannot push blocked.example/app:1: the registry" in storectl.err
