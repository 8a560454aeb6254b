"""Sync files of storectl."""

from __future__ import annotations

from datetime import timedelta

import pytest

from remote.sync.filters.tag_filter import Order
from remote.sync.sources import Parts, Place
from store.errors import InvalidInput
from store.model.platforms import Platform
from store.model.references import Repository
from tests.support.syncs import read

WHOLE = """
name: nightly
defaults:
  platforms: [linux/amd64, linux/arm64]
  immutable: ["v*"]
sources:
  - image: debian:12
    to: mirror/debian:bookworm
  - repository: quay.io/team/app
    tags:
      include: ["1.*", edge]
      exclude: "*-rc*"
      regex: '^v?\\d'
      semver: ">=1 <2"
      newest: 5
      order: created
      younger-than: 90d
    platforms: all
    referrers: true
    signed: true
    immutable: []
  - repository: docker://registry.example:5000/team/base
    tags: [stable, 1.10]
  - image: app@sha256:{digest}
""".replace("{digest}", "a" * 64)


def test_a_file_says_what_is_taken() -> None:
    file = read(WHOLE)
    image, app, base, pinned = file.sources
    assert file.name == "nightly"
    platforms = (Platform.parse("linux/amd64"), Platform.parse("linux/arm64"))
    assert (image.tags, image.renamed, image.parts) == (("12",), "bookworm", Parts(platforms))
    assert image.place == Place(Repository.parse("mirror/debian"))
    assert image.immutable.match("v1")
    assert app.filter is not None
    assert (app.filter.newest, app.filter.order) == (5, Order.CREATED)
    assert app.filter.younger_than == timedelta(days=90)
    assert app.filter.by_name(["1.2", "1.2-rc1", "2.0", "edge", "v1.3"]) == ("1.2",)
    assert app.parts == Parts((), all_platforms=True, has_referrers=True)
    assert (app.is_signed, bool(app.immutable)) == (True, False)
    assert (str(base.repository), base.tags) == (
        "registry.example:5000/team/base",
        ("stable", "1.10"),
    )
    assert [str(one) for one in pinned.digests] == [f"sha256:{'a' * 64}"]


def test_a_registry_gets_all_platforms() -> None:
    (source,) = read("sources: [{image: debian, to: 'docker://r.example/x:1'}]").sources
    assert str(source.place) == "docker://r.example/x"
    assert (source.renamed, source.parts) == ("1", Parts(all_platforms=True))


def test_a_file_need_not_say_which_parts() -> None:
    assert read("sources: [{image: debian}]").sources[0].parts is None


S = "sources:\n  - "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sources: []", "it lists no images"),
        ("sources: 3", "line 1: sources: expected a list"),
        ("sources: [3]", "line 1: expected a source, found the text '3'"),
        ("sources: []\nsorces: []", "line 2: unknown key 'sorces'"),
        ("name: A b\nsources: [{image: x}]", "line 1: name: expected letters"),
        ("defaults: {tags: x}\nsources: []", "line 1: unknown key 'tags'"),
        ("defaults: []\nsources: []", "line 1: expected a table of defaults"),
        (f"{S}tags: [1]", "line 2: image: expected either 'image' or 'repository'"),
        (f"{S}image: x\n    repository: y", "line 2: image: expected either"),
        (f"{S}image: x\n    tags: [1]", "line 3: tags: an image has one tag"),
        (f"{S}image: X", "line 2: image: "),
        (f"{S}image: ''", "a source needs 'image'"),
        (f"{S}image: x@sha256:123", "line 2: image: "),
        (f"{S}repository: x:1", "line 2: repository: expected a name without a tag"),
        (f"{S}repository: x\n    tags: []", "line 3: tags: the list is empty"),
        (f"{S}repository: x\n    tags: [-a]", "line 3: tags: invalid tag '-a'"),
        (f"{S}repository: x\n    tags: [[1]]", "line 3: tags: expected a text, found a list"),
        (f"{S}repository: x\n    tags: {{newest: 0}}", "newest: expected a whole number from 1"),
        (f"{S}repository: x\n    tags: {{newest: x}}", "newest: expected a whole number from 1"),
        (f"{S}repository: x\n    tags: {{order: created}}", "order: it needs 'newest'"),
        (f"{S}repository: x\n    tags: {{newest: 1, order: up}}", "order: expected version or"),
        (f"{S}repository: x\n    tags: {{regex: '('}}", "regex: missing )"),
        (f"{S}repository: x\n    tags: {{regex: '(?=a)'}}", "regex: (?= is not supported"),
        (f"{S}repository: x\n    tags: {{regex: 'a{{9999}}'}}", "regex: invalid repetition"),
        (f"{S}repository: x\n    tags: {{include: '[a'}}", "include: "),
        (f"{S}repository: x\n    tags: {{semver: 'new'}}", "semver: invalid range of versions"),
        (f"{S}repository: x\n    tags: {{younger-than: soon}}", "younger-than: expected an age"),
        (f"{S}repository: x\n    tags: {{older-than: 3d}}", "unknown key 'older-than'"),
        (f"{S}image: x\n    platforms: [a/b/c/d]", "line 3: platforms: "),
        (f"{S}image: x\n    referrers: perhaps", "referrers: expected true or false"),
        (f"{S}image: x\n    immutable: ['[']", "immutable: "),
        (f"{S}image: x\n    to: y@sha256:{'a' * 64}", "to: expected a name without a digest"),
        (f"{S}image: x@sha256:{'a' * 64}\n    to: y:1", "to: an image with a digest gets no tag"),
        (f"{S}image: x\n    to: docker://y\n    prune: true", "prune: tags in a registry cannot"),
        (f"{S}repository: x\n    to: y:1", "to: expected a name without a tag"),
        (f"{S}image: x\n    sgined: true", "unknown key 'sgined'"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(text)
    assert caught.value.message.startswith("invalid FILE: ")
    assert message in caught.value.message
