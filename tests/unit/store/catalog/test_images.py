"""Rows of images, their parents and manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.catalog import content, images, naming
from store.formats.image.config import ImageConfig
from store.model.contents import ContentState
from store.model.digests import Digest, ImageID
from store.model.limits import DEFAULT_LIMITS
from store.model.platforms import Platform, PlatformChoice
from tests.support.catalog_rows import AMD64, ARM64, NOW, named
from tests.support.images import A, config

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tests.support.catalog_rows import Rows


def test_a_row_of_a_config_has_no_creation_time_if_the_config_has_none() -> None:
    without = ImageConfig.parse(config(A), DEFAULT_LIMITS)
    created = ImageConfig.parse(config(A, created="1970-01-01T00:00:07Z"), DEFAULT_LIMITS)
    assert images.NewImage.of(without, None, verified=True).created_s is None
    assert images.NewImage.of(created, None, verified=True).created_s == 7


def test_an_image_is_inserted_once(rows: Rows) -> None:
    key = rows.image("app", "base", labels={"a": "b"})
    new = images.NewImage(ImageID(named("app")), None, "plan9", "amd64", "", None, {})
    assert images.add(rows.connection, {key: new}) == set()
    assert images.key_of(rows.connection, ImageID(named("app"))) == key
    assert images.id_of(rows.connection, key) == ImageID(named("app"))


def test_content_that_is_not_an_image_has_no_image_row(rows: Rows) -> None:
    rows.content("blob")
    assert images.key_of(rows.connection, ImageID(named("blob"))) is None


def test_a_prefix_finds_the_range_of_ids_up_to_the_limit(connection: Connection) -> None:
    new = {}
    for end in ("00", "0f", "f0"):
        digest = Digest("sha256", "ab" + end + "0" * 60)
        new[content.ensure(connection, digest, 1, ContentState.PRESENT)] = images.NewImage(
            ImageID(digest), None, "linux", "amd64", "", None, {}
        )
    images.add(connection, new)

    def found(prefix: str, limit: int = 9) -> list[str]:
        return [
            image.digest.hex[:4]
            for image in images.with_prefix(connection, "sha256", prefix, limit)
        ]

    assert found("ab") == ["ab00", "ab0f", "abf0"]
    assert found("ab0") == ["ab00", "ab0f"]
    assert found("abf") == ["abf0"]
    assert found("ac") == []
    assert found("ab", 2) == ["ab00", "ab0f"]


def test_parents_and_children_mirror_each_other(rows: Rows) -> None:
    base, app, other = rows.image("base"), rows.image("app"), rows.image("other")
    assert images.parent_of(rows.connection, app) is None
    assert images.set_parent(rows.connection, app, base)
    assert images.set_parent(rows.connection, other, base)
    assert not images.set_parent(rows.connection, app, base)
    assert images.parent_of(rows.connection, app) == ImageID(named("base"))
    assert images.children_of(rows.connection, base) == tuple(
        ImageID(digest) for digest in sorted([named("app"), named("other")], key=str)
    )


def test_many_images_are_looked_up_at_once(rows: Rows) -> None:
    base, app = rows.image("base"), rows.image("app")
    images.set_parent(rows.connection, app, base)
    ids = {base: ImageID(named("base")), app: ImageID(named("app"))}
    assert images.ids_of(rows.connection, ids) == ids
    assert images.parents_of(rows.connection, ids) == {app: ids[base]}
    unknown = ImageID(named("unknown"))
    assert images.keys_of(rows.connection, [*ids.values(), unknown]) == {
        image_id: key for key, image_id in ids.items()
    }


def test_every_manifest_of_an_image_is_listed(rows: Rows) -> None:
    app = rows.image("app")
    first, second = rows.manifest("first", app), rows.manifest("second", app)
    rows.manifest("artifact")
    assert {found[0] for found in images.manifests_of(rows.connection, app)} == {first, second}


def test_an_image_is_rooted_by_a_tag_a_kept_manifest_or_an_index(rows: Rows) -> None:
    tagged, kept, indexed, loose = (rows.image(name) for name in ("t", "k", "i", "l"))
    rows.tag("demo:1", rows.manifest("tm", tagged))
    naming.keep(rows.connection, rows.manifest("km", kept), now=NOW)
    rows.manifest("im", indexed)
    rows.index("inner", ("im", AMD64))
    rows.tag("demo:2", rows.index("outer", ("inner", None)))
    rows.manifest("lm", loose)
    every = [tagged, kept, indexed, loose]
    assert images.rooted(rows.connection, every) == {tagged, kept, indexed}


# --- the images of an index -----------------------------------------------------------------------

UNKNOWN = {"os": "unknown", "architecture": "unknown"}


def platforms(rows: Rows, index: str, *children: tuple[str, dict[str, str] | None]) -> list[str]:
    key = rows.index(index, *children)
    return [str(one.platform) for one in images.images_of_index(rows.connection, key)]


def test_images_are_in_the_order_of_the_index(rows: Rows) -> None:
    rows.manifest("a", rows.image("one"))
    rows.manifest("b", rows.image("two"))
    assert platforms(rows, "index", ("b", ARM64), ("a", AMD64)) == ["linux/arm64", "linux/amd64"]


def test_a_platform_that_the_index_does_not_state_is_that_of_the_config(rows: Rows) -> None:
    rows.manifest("a", rows.image("one"))
    assert platforms(rows, "none", ("a", None)) == ["linux/amd64"]
    assert platforms(rows, "unknown", ("a", UNKNOWN)) == ["linux/amd64"]


def test_images_of_a_nested_index_stand_in_its_place_and_only_once(rows: Rows) -> None:
    rows.manifest("a", rows.image("one"))
    rows.manifest("b", rows.image("two"))
    rows.index("inner", ("b", ARM64))
    for level in range(20):
        rows.index(f"{level}", (f"{level - 1}" if level else "inner", None), ("inner", None))
    assert platforms(rows, "outer", ("19", None), ("a", AMD64), ("inner", None)) == [
        "linux/arm64",
        "linux/amd64",
    ]


def test_absent_children_and_artifacts_are_left_out(rows: Rows) -> None:
    rows.manifest("artifact")
    assert platforms(rows, "index", ("artifact", AMD64), ("absent", ARM64)) == []


def test_an_index_stands_for_the_image_that_the_choice_chooses(rows: Rows) -> None:
    one, two = rows.image("one"), rows.image("two")
    rows.manifest("a", one)
    rows.manifest("b", two)
    index = rows.index("index", ("b", ARM64), ("a", AMD64))

    def chosen(choice: PlatformChoice) -> int | None:
        found = images.image_of_index(rows.connection, index, choice)
        return None if found is None else found.image

    assert chosen(PlatformChoice()) == one
    assert chosen(PlatformChoice(machine=Platform.parse("linux/arm64"))) == two
    assert chosen(PlatformChoice(machine=Platform.parse("linux/s390x"))) == two
    assert chosen(PlatformChoice((Platform.parse("linux/s390x"),))) is None
