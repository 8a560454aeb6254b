"""`storectl save` and its options."""

from __future__ import annotations

import gzip as gzip_module
import json
from typing import TYPE_CHECKING, Any

import pytest

from exporter import Format, Layers
from store import Store
from storectl import cli

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
from tests.support.saved_layouts import AMD64, ARM64, DECODED, Sample, import_into, save


@pytest.fixture
def sample(store: Store) -> Sample:
    made = Sample()
    import_into(store, made.layout)
    return made


@pytest.fixture
def run(
    root: Path, sample: Sample, store: Store, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    def shell(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        assert cli.run(["--root", str(root), "save", *arguments]) == code
        return capsys.readouterr().err

    assert sample
    store.close()
    return shell


def test_options_of_the_command_reach_the_archive(
    run: Callable[..., str], root: Path, tmp_path: Path
) -> None:
    out = str(tmp_path / "out.tar")
    with Store.open(root) as store:
        asked: tuple[tuple[list[str], dict[str, Any]], ...] = (
            (["--format", "oci", "--referrers"], {"format": Format.OCI, "referrers": True}),
            (
                ["--format", "oci", "--platform", "linux/arm64", "--platform", "linux/amd64"],
                {"format": Format.OCI, "platforms": (ARM64, AMD64)},
            ),
            (
                ["--format", "oci", "--platform", "linux/amd64", "--sparse"],
                {"format": Format.OCI, "platforms": (AMD64,), "sparse": True},
            ),
            (
                ["--format", "docker", "--all-platforms", "--layers", "gzip"],
                {"format": Format.DOCKER, "layers": Layers.GZIP},
            ),
            (
                ["--platform", "linux/arm64"],
                {"format": Format.DOCKER, "platforms": (ARM64,)},
            ),
            (["--format", "legacy", "--platform", "linux/arm64"], {"platforms": (ARM64,)}),
            ([], {"format": Format.DOCKER}),
            (["--referrers"], {"format": Format.DOCKER, "referrers": True}),
        )
        for arguments, options in asked:
            run("-q", *arguments, "-o", out, "team/app:1")
            assert (tmp_path / "out.tar").read_bytes() == save(store, "team/app:1", **options)


def test_a_compressed_archive_is_the_archive_compressed(
    run: Callable[..., str], root: Path, tmp_path: Path
) -> None:
    for codec, decode in (("gzip", gzip_module.decompress), ("zstd", DECODED[Layers.ZSTD])):
        found = []
        for number in range(2):
            path = tmp_path / f"{number}.tar.{codec}"
            run("-q", "--format", "oci", "--compress", codec, "-o", str(path), "team/app:1")
            found.append(path.read_bytes())
        assert found[0] == found[1]
        with Store.open(root) as store:
            assert decode(found[0]) == save(store, "team/app:1", format=Format.OCI)
        if codec == "gzip":
            assert found[0][:10] == bytes.fromhex("1f8b0800000000000003")
        with Store.open(tmp_path / codec, create=True) as other:
            assert other.import_archive(tmp_path / f"0.tar.{codec}").changed


def test_the_command_writes_folders_and_notes_what_is_left_out(
    run: Callable[..., str], tmp_path: Path
) -> None:
    run("--format", "oci", "-o", f"{tmp_path / 'new'}/", "team/app:1")
    assert (tmp_path / "new" / "index.json").exists()
    run(
        "--format",
        "oci",
        "-o",
        str(tmp_path / "new"),
        "--platform",
        "linux/arm64",
        "team/app:latest",
    )
    assert len(json.loads((tmp_path / "new" / "index.json").read_bytes())["manifests"]) == 2
    assert "left out: linux/arm64" in run(
        *("-o", str(tmp_path / "out.tar"), "--format", "legacy", "--platform", "linux/amd64"),
        "team/app:1",
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--format", "legacy", "--all-platforms"), 2),
        (("--format", "oci", "--all-platforms", "--platform", "linux/amd64"), 2),
        (("--format", "oci", "--all-platforms", "--sparse"), 2),
        (("--format", "legacy", "--referrers"), 2),
        (("--format", "legacy", "--sparse"), 2),
        (("--format", "legacy", "--layers", "gzip"), 2),
        (("--format", "oci", "--checksum", "-o", "{folder}/"), 2),
        (("--format", "oci", "--compress", "gzip", "-o", "{folder}/"), 2),
        (("--format", "docker", "-o", "{folder}/"), 2),
        (("-o", "{folder}/"), 2),
        (("--format", "oci", "--platform", "linux", "-o", "{folder}/"), 2),
        (("--format", "oci", "--platform", "linux/s390x", "-o", "{folder}/"), 4),
    ],
)
def test_conflicting_options_are_refused(
    run: Callable[..., str], tmp_path: Path, arguments: tuple[str, ...], code: int
) -> None:
    run(*(one.format(folder=tmp_path / "folder") for one in arguments), "team/app:1", code=code)
    assert not (tmp_path / "folder").exists()


def test_a_format_from_the_environment_loses_nothing(
    run: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.tar"
    monkeypatch.setenv("STORECTL_SAVE_FORMAT", "legacy")
    said = run("-o", str(out), "team/app:1", code=6)
    assert "team/app:1 is an index" in said
    assert list(tmp_path.glob("*out*")) == []
    run("-o", str(out), "--platform", "linux/amd64", "team/app:1")
    run("-o", str(out), "--format", "legacy", "team/app:1")
    monkeypatch.setenv("STORECTL_SAVE_FORMAT", "oci")
    run("-o", f"{tmp_path / 'folder'}/", "team/app:1")
    assert (tmp_path / "folder" / "oci-layout").exists()
