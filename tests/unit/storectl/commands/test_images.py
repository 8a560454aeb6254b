"""`images`: a list, filters and JSON like Docker's."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from store import ImageFilter
from store.model.digests import Digest
from store.model.platforms import DEFAULT, DEFAULT_CHOICE, Platform
from store.model.references import Reference
from store.queries.results import ImageSummary
from tests.support.fake_shell import MANIFEST, NOW, ONE, TWO, FakeStore, Shell, as_json, tagged


def summary(image: Any, *names: str, **changes: Any) -> ImageSummary:  # noqa: ANN401 - any field
    fields: dict[str, Any] = {
        "created": NOW - timedelta(days=3),
        "digests": (),
        "platform": DEFAULT,
        "size_bytes": 4096,
        "parent": None,
        "dangling": not names,
        "intermediate": False,
    }
    return ImageSummary(
        image_id=image, references=tagged(*names), manifests=(MANIFEST,), **(fields | changes)
    )


@pytest.fixture
def listed(fake: FakeStore) -> FakeStore:
    fake.answers["each_image"] = (
        summary(ONE, "x:1", "registry.example.com/team/app:2"),
        summary(TWO, created=None, parent=ONE),
    )
    return fake


def test_the_table_has_dockers_columns(shell: Shell, listed: FakeStore) -> None:
    del listed
    one, two = ONE.digest.short, TWO.digest.short
    assert shell("images").splitlines() == [
        "REPOSITORY                      TAG       IMAGE ID       CREATED      SIZE",
        f"x                               1         {one}   3 days ago   4.1kB",
        f"registry.example.com/team/app   2         {one}   3 days ago   4.1kB",
        f"<none>                          <none>    {two}   N/A          4.1kB",
    ]
    with_digests = shell("ls", "--digests", "--no-trunc").splitlines()
    assert with_digests[0].split() == [
        "REPOSITORY",
        "TAG",
        "DIGEST",
        "IMAGE",
        "ID",
        "CREATED",
        "SIZE",
    ]
    assert with_digests[1].split()[:4] == ["x", "1", str(MANIFEST), str(ONE)]
    assert with_digests[3].split()[:4] == ["<none>", "<none>", "<none>", str(TWO)]


def test_quiet_prints_an_id_for_each_row_of_the_table(shell: Shell, listed: FakeStore) -> None:
    del listed
    assert shell("images", "-q").split() == [ONE.digest.short, ONE.digest.short, TWO.digest.short]
    assert shell("images", "-q", "--no-trunc").split() == [str(ONE), str(ONE), str(TWO)]


def test_json_has_a_line_for_each_row_or_one_document(shell: Shell, listed: FakeStore) -> None:
    del listed
    lines = [json.loads(line) for line in shell("images", "--format", "json").splitlines()]
    assert lines[0] == {
        "Containers": "N/A",
        "CreatedAt": "2025-12-30 03:04:05 +0000 UTC",
        "CreatedSince": "3 days ago",
        "Digest": str(MANIFEST),
        "ID": ONE.digest.short,
        "Repository": "x",
        "SharedSize": "N/A",
        "Size": "4.1kB",
        "Tag": "1",
        "UniqueSize": "N/A",
        "VirtualSize": "4.1kB",
    }
    assert len(lines) == 3
    assert as_json(shell("images", "--json"))[1] == {
        "Id": str(TWO),
        "RepoTags": [],
        "RepoDigests": [],
        "Manifests": [{"Digest": str(MANIFEST)}],
        "Created": None,
        "Size": 4096,
        "Parent": str(ONE),
        "Dangling": True,
        "Intermediate": False,
    }


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        ((), ImageFilter()),
        (("-a",), ImageFilter(include_intermediate=True)),
        (("x:1",), ImageFilter(references=("x:1",))),
        (
            ("--filter", "reference=a*", "--filter", "reference=b"),
            ImageFilter(references=("a*", "b")),
        ),
        (("--filter", "label=k=v", "-f", "label=k"), ImageFilter(labels=("k=v", "k"))),
        (("-f", "dangling=true"), ImageFilter(dangling=True)),
        (("-f", "dangling=0"), ImageFilter(dangling=False)),
        (("-f", "before=x:1", "-f", "since=y"), ImageFilter(before="x:1", since="y")),
    ],
)
def test_filters_reach_the_store(
    shell: Shell, fake: FakeStore, arguments: tuple[str, ...], asked: ImageFilter
) -> None:
    fake.answers["each_image"] = ()
    assert shell("images", *arguments).split() == [
        "REPOSITORY",
        "TAG",
        "IMAGE",
        "ID",
        "CREATED",
        "SIZE",
    ]
    asked = replace(asked, with_manifests=False)
    given = [(verb, replace(args[0], choice=DEFAULT_CHOICE)) for verb, args, _ in fake.asked]
    assert given == [("each_image", asked), ("manifests", asked)]


def test_a_digest_without_a_tag_has_a_row(shell: Shell, fake: FakeStore) -> None:
    other = Digest.of(b"other")
    digests = tuple(Reference.parse(f"{name}@{other}") for name in ("x", "y"))
    fake.answers["each_image"] = (summary(ONE, "x:1", digests=digests),)
    form = "{{.Repository}} {{.Tag}} {{.Digest}}"
    assert shell("images", "--format", form).splitlines() == [
        f"x 1 {MANIFEST}",
        f"y <none> {other}",
    ]
    assert shell("images", "--digests", "--format", form).splitlines() == [
        f"x 1 {MANIFEST}",
        f"x <none> {other}",
        f"y <none> {other}",
    ]
    assert as_json(shell("images", "--json"))[0]["RepoDigests"] == sorted(
        [f"x@{MANIFEST}", f"x@{other}", f"y@{other}"]
    )


def test_a_platform_chooses_the_image_of_an_index(shell: Shell, fake: FakeStore) -> None:
    fake.answers["each_image"] = ()
    shell("images", "--platform", "linux/aarch64")
    assert fake.asked[0][1][0].choice.wanted == (Platform.parse("linux/arm64"),)


@pytest.mark.parametrize("text", ["dangling", "color=red", "label=", "dangling=maybe", "=x"])
def test_invalid_filters_are_refused(shell: Shell, text: str) -> None:
    shell("images", "--filter", text, code=2)


def test_the_filter_before_may_be_given_once(shell: Shell) -> None:
    shell("images", "-f", "before=a", "-f", "before=b", code=2)


@pytest.mark.parametrize("arguments", [("[",), ("--filter", "reference=team/[")])
def test_an_invalid_pattern_is_wrong_usage(
    shell: Shell, fake: FakeStore, arguments: tuple[str, ...]
) -> None:
    shell("images", *arguments, code=2)
    assert "invalid pattern" in shell.err
    assert fake.asked == []
