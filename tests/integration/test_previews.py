"""Archives that are shown without an import: the answers are those of a store after the import."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from store import Choice, ImageFilter, Platform, Store, errors
from store.model.limits import DEFAULT_LIMITS
from store.model.platforms import DEFAULT_CHOICE, PlatformChoice
from store.previews.preview import Preview, preview
from storectl import cli
from tests.support.rich_layouts import rich_layout

if TYPE_CHECKING:
    from store.queries.results import ImageSummary

GOLDEN = Path(__file__).parents[1] / "golden"
ARCHIVES = sorted(GOLDEN.glob("*.tar")) + sorted(GOLDEN.glob("docker-28/*.tar"))
EVERYTHING = ImageFilter(include_intermediate=True)


def look(source: Path, *images: str, platforms: PlatformChoice = DEFAULT_CHOICE) -> Preview:
    """Return the preview of a file or folder that needs no temporary file."""

    def refuse() -> Path:
        raise AssertionError("a file was written")

    return preview(source, DEFAULT_LIMITS, Choice(images=images), platforms, refuse)


def facts(summary: ImageSummary) -> dict[str, Any]:
    return {
        "id": summary.image_id,
        "names": {(one.reference.familiar, one.manifest) for one in summary.references},
        "manifests": set(summary.manifests),
        "created": summary.created,
        "platform": summary.platform,
        "parent": summary.parent,
        "flags": (summary.dangling, summary.intermediate),
    }


def by_id(summaries: tuple[ImageSummary, ...]) -> list[dict[str, Any]]:
    return sorted(map(facts, summaries), key=lambda one: str(one["id"]))


def compare(store: Store, shown: Preview, *, has_plain_layers: bool = True) -> None:
    assert by_id(shown.image_list(EVERYTHING)) == by_id(store.images(EVERYTHING))
    assert {one.digest: one for one in shown.manifest_list(EVERYTHING)} == {
        one.digest: one for one in store.manifests(EVERYTHING)
    }
    for image in shown.images:
        held = store.inspect(str(image.image_id))
        assert image.config.data == held.config.data
        # The store also shows the names of an index for the images that it does not stand for.
        assert set(image.references) <= set(held.references)
        assert set(image.manifests) == set(held.manifests)
        assert set(image.children) == set(held.children)
        for one, other in zip(image.layers, held.layers, strict=True):
            assert (one.diff_id, one.chain_id, one.state) == (
                other.diff_id,
                other.chain_id,
                other.state,
            )
            assert not has_plain_layers or one.size_bytes == other.size_bytes
    for contents in shown.manifests:
        held_contents = store.inspect_manifest(str(contents.summary.digest))
        assert contents.summary == held_contents.summary
        assert sorted(contents.links, key=str) == sorted(held_contents.links, key=str)
        assert set(contents.referrers) == set(held_contents.referrers)


@pytest.mark.parametrize("form", ["file", "folder", "gzip"])
@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_docker_archive_looks_as_after_its_import(
    store: Store, tmp_path: Path, archive: Path, form: str
) -> None:
    source = archive
    if form == "folder":
        source = tmp_path / "folder"
        with tarfile.open(archive) as tar:
            tar.extractall(source, filter="data")
    elif form == "gzip":
        source = tmp_path / "archive.tar.gz"
        source.write_bytes(gzip.compress(archive.read_bytes()))
    store.import_archive(archive)
    compare(store, look(source))


@pytest.mark.parametrize("form", ["file", "folder"])
def test_a_layout_with_every_kind_of_entry_looks_as_after_its_import(
    store: Store, tmp_path: Path, form: str
) -> None:
    layout, _ = rich_layout()
    source = tmp_path / "layout.tar"
    source.write_bytes(layout.tar())
    store.import_archive(source)
    shown = look(layout.folder(tmp_path / "layout") if form == "folder" else source)
    compare(store, shown, has_plain_layers=False)


def test_layers_are_not_read(tmp_path: Path) -> None:
    """Bytes of a layer that could not be imported do not matter."""
    spoiled = tmp_path / "spoiled.tar"
    out = io.BytesIO()
    with tarfile.open(ARCHIVES[0]) as tar, tarfile.open(fileobj=out, mode="w") as copy:
        for member in tar:
            data = tar.extractfile(member).read() if member.isfile() else b""  # type: ignore[union-attr]
            if member.name.endswith("layer.tar"):
                data = b"\xff" * len(data)
            copy.addfile(member, io.BytesIO(data) if member.isfile() else None)
    spoiled.write_bytes(out.getvalue())
    assert look(spoiled).image_list(EVERYTHING) == look(ARCHIVES[0]).image_list(EVERYTHING)


def test_a_missing_layer_is_absent(tmp_path: Path) -> None:
    with tarfile.open(GOLDEN / "single-layer.tar") as tar:
        tar.extractall(tmp_path / "x", filter="data")
    for path in (tmp_path / "x").rglob("layer.tar"):
        path.unlink()
    (image,) = look(tmp_path / "x").images
    assert [one.state.value for one in image.layers] == ["absent"]


def test_one_image_and_one_platform_are_chosen(tmp_path: Path) -> None:
    archive = GOLDEN / "parent-and-tags.tar"
    names = [one.reference.familiar for image in look(archive).images for one in image.references]
    assert len(names) > 1
    shown = look(archive, names[0])
    assert names[0] in [
        one.reference.familiar for image in shown.named_images for one in image.references
    ]
    with pytest.raises(errors.InvalidInput):
        look(archive, "no-such-image:1")
    layout, _ = rich_layout()
    source = layout.folder(tmp_path / "layout")
    arm64 = PlatformChoice((Platform("linux", "arm64"),))
    listed = look(source, platforms=arm64).image_list(
        ImageFilter(include_intermediate=True, choice=arm64)
    )
    assert {str(one.platform) for one in listed} == {"linux/arm64"}
    assert any(one.references for one in listed)


@pytest.mark.parametrize("verb", ["images", "inspect", "history"])
def test_commands_read_archives_without_a_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.chdir(tmp_path)
    archive = tmp_path / "app.tar"
    archive.write_bytes((GOLDEN / "single-layer.tar").read_bytes())
    root = str(tmp_path / "no" / "store")
    shown = []
    for name in ("./app.tar", str(archive), "docker-archive:app.tar"):
        assert cli.run(["--root", root, verb, "--json", name]) == 0
        shown.append(json.loads(capsys.readouterr().out))
    assert shown[0] == shown[1] == shown[2] != []
    assert cli.run(["--root", root, verb, "docker-archive:app.tar:spec-one:latest"]) == 0
    assert cli.run(["--root", root, verb, "docker-archive:app.tar:other:1"]) == 4
    assert cli.run(["--root", root, verb, "docker-archive:missing.tar"]) == 4
    capsys.readouterr()
    assert cli.run(["--root", root, verb, "app.tar"]) == 10
    assert "write ./app.tar to read the file app.tar" in capsys.readouterr().err
    assert [one.name for one in tmp_path.iterdir()] == ["app.tar"]


def test_a_bare_name_of_a_file_gets_a_hint_in_a_store(
    store: Store,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.tar").touch()
    for verb, code in (("inspect", 3), ("history", 3), ("images", 0)):
        assert cli.run(["--root", str(store.root), verb, "app.tar"]) == code
        assert "write ./app.tar to read the file app.tar" in capsys.readouterr().err


def test_history_needs_one_image(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    archive = GOLDEN / "timestamps.tar"
    assert cli.run(["--root", str(tmp_path / "none"), "history", str(archive)]) == 4
    said = capsys.readouterr().err
    assert "has 7 images" in said
    assert f"docker-archive:{archive}:spec-golden-time" in said
    assert cli.run(["images", "--filter", "since=x", str(archive)]) == 2


@pytest.mark.parametrize("data", [b"", b"no archive", b"{}", gzip.compress(b"x" * 2000, mtime=0)])
def test_the_errors_are_those_of_an_import(store: Store, tmp_path: Path, data: bytes) -> None:
    source = tmp_path / "bad.tar"
    source.write_bytes(data)
    with pytest.raises(errors.InvalidInput) as expected:
        store.import_archive(source)
    with pytest.raises(errors.InvalidInput) as refused:
        look(source)
    assert type(refused.value) is type(expected.value)
    assert refused.value.message == expected.value.message
