"""Lists of a registry's repositories, tags and referrers, read in pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.catalog import repositories, serving
from store.catalog.lists import repository_lists
from store.model.references import Repository
from tests.support.catalog_rows import named

if TYPE_CHECKING:
    from tests.support.catalog_rows import Rows

APP = Repository("docker.io", "library/app")


def test_tags_are_paged_in_byte_order(rows: Rows) -> None:
    manifest = rows.manifest("m")
    for text in ("app:b", "app:B", "app:10", "app:9", "other:1"):
        rows.tag(text, manifest)

    def tags(after: str, limit: int | None) -> list[str]:
        return repository_lists.tags(rows.connection, APP, after=after, limit=limit)

    assert tags("", None) == ["10", "9", "B", "b"]
    assert tags("10", 2) == ["9", "B"]
    assert tags("b", 2) == []
    key = repositories.find(rows.connection, APP)
    assert key is not None
    assert repository_lists.tags_of(rows.connection, key, manifest) == ["10", "9", "B", "b"]


@pytest.mark.parametrize(
    ("domain", "outside", "found"),
    [
        (None, None, ["docker.io/library/app", "example.org/app", "example.org:5000/app"]),
        ("example.org", None, ["example.org/app"]),
        (None, "example.org", ["docker.io/library/app", "example.org:5000/app"]),
    ],
)
def test_repositories_are_listed_by_domain(
    rows: Rows, domain: str | None, outside: str | None, found: list[str]
) -> None:
    for text in ("app:1", "example.org/app:1", "example.org:5000/app:1"):
        rows.tag(text, rows.manifest("m"))
    # The list leaves out a repository that holds no manifest.
    serving.ensure_repositories(rows.connection, (Repository("example.org", "empty"),))

    def listed(after: str, limit: int) -> list[str]:
        return repository_lists.repositories(
            rows.connection, after=after, limit=limit, domain=domain, outside=outside
        )

    assert listed("", 9) == found
    assert listed(found[0], 1) == found[1:2]


def test_referrers_are_filtered_by_type_and_paged_by_digest(rows: Rows) -> None:
    subject = rows.manifest("subject")
    for number in range(3):
        key = rows.manifest(
            f"r{number}",
            subject=subject,
            artifact_type="a/b" if number else "",
            annotations={"n": str(number)},
        )
        rows.tag(f"app:{number}", key)
    rows.tag("other:1", rows.manifest("elsewhere", subject=subject))

    def referrers(artifact_type: str | None = None, after: str = "") -> list[str]:
        found = repository_lists.referrers(
            rows.connection,
            APP,
            named("subject"),
            artifact_type=artifact_type,
            after=after,
            limit=9,
        )
        return [(one.annotations or {})["n"] for one in found]

    expected = sorted("012", key=lambda number: str(named(f"r{number}")))
    assert referrers() == expected
    assert referrers("a/b") == [number for number in expected if number != "0"]
    assert referrers(after=str(named(f"r{expected[0]}"))) == expected[1:]


def test_annotations_are_looked_up_as_far_as_one_answer_goes(
    rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = rows.manifest("subject")
    for number in range(4):
        rows.tag(f"app:{number}", rows.manifest(f"r{number}", subject=subject))

    def annotated(limit_bytes: int) -> list[bool]:
        monkeypatch.setattr(repository_lists, "ANNOTATED_BYTES", limit_bytes)
        found = repository_lists.referrers(
            rows.connection, APP, named("subject"), artifact_type=None, after="", limit=9
        )
        return [one.annotations is not None for one in found]

    assert annotated(40) == [True] * 4
    assert annotated(25) == [True, True, False]
    assert annotated(1) == [True, False]
