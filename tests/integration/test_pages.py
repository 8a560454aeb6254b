"""All pages of a list together give the whole list."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from store import ImageFilter, Store
from store.errors import ImageNotFound
from storectl import cli
from tests.support.images import A, B, image
from tests.support.layouts import Layout

if TYPE_CHECKING:
    from pathlib import Path

DATES = (
    "2020-01-01T00:00:00Z",
    "2024-05-05T05:05:05Z",
    "2020-01-01T00:00:00Z",
    None,
    "1960-01-01T00:00:00Z",
    "2024-05-05T05:05:05Z",
    None,
)


@pytest.fixture
def filled(store: Store) -> Store:
    for number, created in enumerate(DATES):
        members: dict[str, object] = {"created": created} if created is not None else {}
        members |= {"author": str(number), "config": {"Labels": {"parity": str(number % 2)}}}
        tags = (f"team/app:{number}", f"example.org:5000/other:{number}")
        store.import_archive(io.BytesIO(image(A, tags=tags, **members).bytes()))
    layout = Layout()
    for text in (b"one", b"two", b"three"):
        layout.root(layout.artifact(text), f"docker.io/team/{text.decode()}:1")
    store.import_archive(io.BytesIO(layout.tar()))
    return store


def pages(store: Store, filters: ImageFilter, limit: int) -> list[str]:
    """Return the whole list, fetched page by page."""
    shown: list[str] = []
    while True:
        page = replace(filters, limit=limit, after=shown[-1] if shown else None)
        found = [str(one.image_id) for one in store.images(page)]
        if len(found) < limit:
            found += [
                str(one.digest) for one in store.manifests(replace(page, limit=limit - len(found)))
            ]
        if not found:
            return shown
        assert len(found) <= limit
        shown += found


@pytest.mark.parametrize(
    "filters",
    [
        ImageFilter(),
        ImageFilter(references=("team/*",)),
        ImageFilter(references=("example.org:5000/other", "team/app:[0-3]")),
        ImageFilter(labels=("parity=1",)),
        ImageFilter(labels=("parity",), references=("team/app:*",)),
        ImageFilter(before="team/app:1"),
        ImageFilter(since="team/app:4", dangling=False),
    ],
)
@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_pages_make_the_list(filled: Store, filters: ImageFilter, limit: int) -> None:
    whole = [str(one.image_id) for one in filled.images(filters)] + [
        str(one.digest) for one in filled.manifests(filters)
    ]
    assert whole
    assert pages(filled, filters, limit) == whole


def test_the_newest_come_first_and_those_without_a_date_last(filled: Store) -> None:
    shown = [one.references[-1].reference.tag for one in filled.images()]
    assert shown == ["5", "1", "2", "0", "4", "6", "3"]


def test_a_page_after_an_unknown_name_is_refused(filled: Store) -> None:
    with pytest.raises(ImageNotFound):
        filled.images(ImageFilter(after="nobody/knows:1"))


def test_images_are_found_by_names_and_patterns_of_any_registry(filled: Store) -> None:
    for text, expected in (
        ("team/app:3", ["docker.io/team/app:3"]),
        ("team/a*:3", ["docker.io/team/app:3"]),
        ("example.org:5000/other:3", ["example.org:5000/other:3"]),
        ("*.org:5000/*:[3]", ["example.org:5000/other:3"]),
        ("docker.io/team/app:3", []),
    ):
        assert [
            str(tag.reference)
            for one in filled.images(ImageFilter(references=(text,)))
            for tag in one.references
        ] == expected, text


def test_names_are_listed_by_prefix(filled: Store) -> None:
    def names(prefix: str, limit: int = 10) -> list[str]:
        return [name.familiar for name in filled.names(prefix, limit)]

    assert names("team/app:") == [f"team/app:{number}" for number in range(7)]
    assert names("team/a", 2) == ["team/app:0", "team/app:1"]
    assert names("example.org:5") == [f"example.org:5000/other:{number}" for number in range(7)]
    assert names("example.org:5000/other:6") == ["example.org:5000/other:6"]
    assert names("team/t") == ["team/three:1", "team/two:1"]
    assert names("nobody") == []


def test_the_command_line_lists_pages(
    filled: Store, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def ids(*words: str) -> list[str]:
        assert cli.run(["--root", str(root), "images", "-q", *words]) == 0
        return list(dict.fromkeys(capsys.readouterr().out.split()))

    whole = ids()
    assert len(whole) == len(DATES) + 3
    assert ids("--limit", "8") == whole[:8]
    last = filled.manifests()[0].digest
    assert ids("--limit", "8", "--after", str(last)) == whole[8:]
    assert ids("--after", whole[2]) == whole[3:]
    assert cli.run(["--root", str(root), "images", "--limit", "0"]) == 2


def test_an_archive_of_many_names_moves_each_of_them_once(store: Store) -> None:
    """The second archive takes over more names than one SQL statement can hold."""
    tags = tuple(f"r{number % 13}/app:t{number % 17}" for number in range(221))
    first = store.import_archive(io.BytesIO(image(A, tags=tags).bytes()))
    second = store.import_archive(io.BytesIO(image(B, tags=tags[:120]).bytes()))
    assert len(first.tags) == 221
    assert [tag.replaced for tag in second.tags] == [first.images[0]] * 120
    named = {str(one.image_id): len(one.references) for one in store.images()}
    assert named == {str(first.images[0]): 101, str(second.images[0]): 120}
