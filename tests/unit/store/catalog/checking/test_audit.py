"""The claims of the catalogue's rows about content; fsck checks the claims."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.catalog import content
from store.catalog.checking import audit, marks
from store.model.contents import ContentState
from store.model.digests import ChainID, DiffID, Digest, ImageID
from tests.support.catalog_rows import AMD64, named

if TYPE_CHECKING:
    from tests.support.catalog_rows import Rows

PRESENT = ContentState.PRESENT


def test_stored_content_has_bytes_of_its_own(rows: Rows) -> None:
    rows.blob("file", 3)
    rows.content("decoded")
    inline = Digest.of(b"inline")
    content.put_documents(rows.connection, {inline: b"inline"})
    marks.mark_damaged(rows.connection, inline)
    assert set(audit.stored(rows.connection)) == {
        (named("file"), 3, PRESENT, True),
        (inline, 6, ContentState.DAMAGED, False),
    }


def test_present_content_without_bytes_or_encoding_is_unobtainable(rows: Rows) -> None:
    rows.content("lost")
    rows.content("absent", None, ContentState.ABSENT)
    rows.encoding(rows.content("decoded"), rows.blob("file"))
    assert audit.unobtainable(rows.connection) == ((named("lost"), PRESENT),)
    assert audit.encodings(rows.connection) == ((named("decoded"), named("file")),)


def test_layers_come_before_the_layers_on_top_of_them(rows: Rows) -> None:
    rows.image("app", "a", "b")
    rows.image("scratch")
    base, top = ChainID.each([DiffID(named("a")), DiffID(named("b"))])
    assert list(audit.layers(rows.connection)) == [
        (base, None, DiffID(named("a")), 1),
        (top, base, DiffID(named("b")), 2),
    ]
    assert dict(audit.images(rows.connection)) == {
        ImageID(named("app")): top,
        ImageID(named("scratch")): None,
    }


def test_manifests_have_their_links_in_order(rows: Rows) -> None:
    rows.manifest("m", rows.image("app"), blobs=("z", "a"))
    rows.index("index", ("m", AMD64))
    found = {row.digest: row for row in audit.manifests(rows.connection)}
    assert found[named("m")].edges == (("layer", 0, named("z")), ("layer", 1, named("a")))
    assert found[named("m")].image == ImageID(named("app"))
    assert found[named("index")].edges == (("child", 0, named("m")),)
    assert found[named("index")].image is None


def test_images_are_affected_by_their_layers_and_what_these_are_decoded_from(rows: Rows) -> None:
    app = rows.image("app", "base", "top")
    rows.image("untagged", "base")
    rows.tag("demo:1", rows.manifest("m", app))
    rows.encoding(rows.content("base"), rows.blob("base.gz"))
    both = ("docker.io/library/demo:1", str(named("untagged")))
    assert audit.affected(rows.connection, named("base")) == both
    assert audit.affected(rows.connection, named("base.gz")) == both
    assert audit.affected(rows.connection, named("top")) == both[:1]
    assert audit.affected(rows.connection, named("app")) == both[:1]
    assert audit.affected(rows.connection, named("unknown")) == ()
