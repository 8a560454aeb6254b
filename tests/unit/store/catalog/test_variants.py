"""Variants: images whose layers are stored or offered in a different codec."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.catalog import naming, variants
from store.catalog.checking import verification
from store.model.contents import DiffState
from store.model.references import Reference, Repository
from tests.support.catalog_rows import AMD64, NOW

if TYPE_CHECKING:
    from tests.support.catalog_rows import Rows

APP = Repository("docker.io", "library/app")


def test_a_tag_is_offered_until_something_else_sets_it(rows: Rows) -> None:
    name = Reference.parse("app:1-gzip")
    first, second = rows.manifest("first"), rows.manifest("second")
    assert not variants.is_offered(rows.connection, name)
    naming.set_tags(rows.connection, {name: first}, now=NOW, operation=variants.OFFER)
    assert variants.is_offered(rows.connection, name)
    found = variants.offered(rows.connection, Reference.parse("app:1"))
    assert [target.reference for target in found] == [name]
    naming.set_tags(rows.connection, {name: second}, now=NOW, operation="push")
    assert not variants.is_offered(rows.connection, name)
    assert variants.offered(rows.connection, Reference.parse("app:1")) == ()


def test_a_tag_too_long_for_a_suffix_has_no_variants(rows: Rows) -> None:
    longest = Reference.parse("app:" + "a" * 128)
    assert variants.offered(rows.connection, longest) == ()


@pytest.mark.parametrize(
    ("encoded", "state", "found"),
    [
        (("a", "b"), DiffState.VERIFIED, {"1"}),
        (("a",), DiffState.VERIFIED, set()),
        (("a", "b"), DiffState.MISMATCH, set()),
        (("a", "b"), DiffState.UNVERIFIED, set()),
    ],
)
def test_every_layer_has_to_be_stored_in_the_codec(
    rows: Rows, encoded: tuple[str, ...], state: DiffState, found: set[str]
) -> None:
    image = rows.image("image", "a", "b")
    manifest = rows.manifest("m", image)
    verification.set_manifest_states(rows.connection, {manifest: state})
    rows.tag("app:1", manifest)
    for name in encoded:
        rows.encoding(rows.content(name), rows.blob(f"{name}.gz"), "gzip")
    assert variants.encoded_tags(rows.connection, APP, ["1", "2"], "gzip") == found
    assert variants.encoded_tags(rows.connection, APP, ["1"], "zstd") == set()


def test_an_index_counts_if_every_image_that_it_holds_does(rows: Rows) -> None:
    for name in ("a", "b"):
        rows.manifest(f"{name}m", rows.image(f"{name}i", name), verified=True)
    rows.encoding(rows.content("a"), rows.blob("a.gz"), "gzip")
    rows.tag("app:1", rows.index("index", ("am", AMD64), ("bm", AMD64)))
    assert variants.encoded_tags(rows.connection, APP, ["1"], "gzip") == set()
    rows.encoding(rows.content("b"), rows.blob("b.gz"), "gzip")
    assert variants.encoded_tags(rows.connection, APP, ["1"], "gzip") == {"1"}
