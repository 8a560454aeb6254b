"""Previews; tests/integration/test_previews.py compares them with imports."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from store import Choice, ImageFilter
from store.model.limits import DEFAULT_LIMITS
from store.model.platforms import DEFAULT_CHOICE, Platform, PlatformChoice
from store.previews.preview import Preview, preview
from tests.support.images import A, B, E
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from store.queries.results import ImageSummary

GOLDEN = Path(__file__).parents[3] / "golden"


def look(source: Path, platforms: PlatformChoice = DEFAULT_CHOICE) -> Preview:
    def refuse() -> Path:
        raise AssertionError("a file was written")

    return preview(source, DEFAULT_LIMITS, Choice(), platforms, refuse)


def names(summaries: Sequence[ImageSummary]) -> set[str]:
    return {one.reference.familiar for image in summaries for one in image.references}


def test_filters_choose_images() -> None:
    shown = look(GOLDEN / "parent-and-tags.tar")
    every = names(shown.image_list(ImageFilter()))
    child = names(shown.image_list(ImageFilter(references=("spec-golden-parent",))))
    assert child
    assert child < every
    assert shown.image_list(ImageFilter(references=("none",))) == ()
    assert shown.image_list(ImageFilter(labels=("none",))) == ()
    assert shown.image_list(ImageFilter(dangling=True)) == ()
    assert len(shown.image_list(ImageFilter(limit=1))) == 1


def test_the_name_of_an_index_stands_for_one_image_also_in_a_nested_index(tmp_path: Path) -> None:
    layout = Layout()
    inner = layout.index(
        layout.image(gzip(A), platform="linux/amd64"), layout.image(gzip(B), platform="linux/arm64")
    )
    top = layout.index(layout.image(gzip(E), platform="linux/s390x"), inner)
    layout.root(top, "docker.io/team/app:1")
    source = layout.folder(tmp_path / "layout")
    for text in ("linux/amd64", "linux/arm64", "linux/s390x"):
        choice = PlatformChoice((Platform.parse(text),))
        (image,) = look(source, choice).named_images
        assert image.config.architecture == text.partition("/")[2]
    (image,) = look(source).named_images
    assert image.config.architecture == "amd64"
    (listed,) = look(source).image_list(ImageFilter())
    assert not listed.dangling
    assert len(look(source).image_list(ImageFilter(include_intermediate=True))) == 3
    none = look(source, PlatformChoice((Platform.parse("windows/amd64"),)))
    assert [one.summary.kind for one in none.manifests] == ["index"]
    assert none.named_images == ()


def test_artifacts_are_listed_beside_images(tmp_path: Path) -> None:
    layout = Layout()
    image = layout.image(gzip(A))
    layout.root(image, "docker.io/team/app:1")
    layout.root(layout.artifact(b"alone"), "docker.io/team/thing:1")
    layout.root(layout.artifact(b"signature", subject=image))
    shown = look(layout.folder(tmp_path / "layout"))
    (thing,) = shown.manifest_list(ImageFilter())
    assert [name.familiar for name in thing.references] == ["team/thing:1"]
    assert shown.manifest_list(ImageFilter(references=("team/app",))) == ()
    assert shown.manifest_list(ImageFilter(labels=("a",))) == ()
    assert shown.manifest_list(ImageFilter(dangling=True)) == ()
    assert {link.state.value for link in shown.manifests[0].links} == {"present"}
