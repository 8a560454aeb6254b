"""One image of an archive is imported under a new name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from remote.copying.named_import import NamedImport
from store import Platform, Reference
from store.errors import InvalidInput
from store.model.progress import Silent
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    from pathlib import Path

    from store import Store

NAME = Reference.parse("mine/app:2")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    layout = Layout()
    index = layout.index(
        layout.image(gzip(A), platform="linux/amd64"),
        layout.image(gzip(B), platform="linux/arm64"),
    )
    layout.root(index, "docker.io/team/app:1")
    layout.root(layout.image(gzip(A), gzip(B)), "docker.io/team/other:3")
    return layout.folder(tmp_path / "layout")


def names(store: Store) -> list[str]:
    return [name.familiar for name in store.names("", 9)]


@pytest.mark.parametrize(("name", "is_bare"), [("team/app:1", False), ("1", True)])
def test_an_image_gets_only_the_new_name(
    store: Store, folder: Path, name: str, *, is_bare: bool
) -> None:
    report = NamedImport(store, NAME, Silent()).import_one(folder, name, "oci:x", is_bare=is_bare)
    assert names(store) == ["mine/app:2"]
    assert report.new_images == 2


def test_a_platform_limits_what_is_stored_and_a_dry_run_stores_nothing(
    store: Store, folder: Path
) -> None:
    some = (Platform.parse("linux/arm64"),)
    dry = NamedImport(store, NAME, Silent(), some, is_dry_run=True)
    assert dry.import_one(folder, "team/app:1", "oci:x").new_images == 1
    assert names(store) == []
    assert (
        NamedImport(store, NAME, Silent(), some)
        .import_one(folder, "team/app:1", "oci:x")
        .new_images
        == 1
    )


def test_several_images_and_patterns_are_refused_without_advice_for_imports(
    store: Store, folder: Path
) -> None:
    for name in (None, "team/*"):
        with pytest.raises(InvalidInput) as caught:
            NamedImport(store, NAME, Silent()).import_one(folder, name, "oci:x")
        assert caught.value.remedy is None
        assert caught.value.hint
    assert names(store) == []
