"""Sources of an import that are not files."""

from __future__ import annotations

import pytest

from storectl.commands._sources import absent_source


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("debian:12", "run `storectl pull NAME`"),
        ("debian", "run `storectl pull NAME`"),
        ("quay.io/team/app:1", "run `storectl pull NAME`"),
        ("docker://debian", "run `storectl pull NAME`"),
        ("https://example.com/x.tar", "curl -fL URL | storectl import -"),
        ("docker-archive:x.tar", "give the path alone, without docker-archive:"),
        ("oci:layout", "give the path alone, without oci:"),
        ("docker-daemon:debian:12", "docker save NAME | storectl import -"),
        ("app.tar", None),
        ("folder/app.tar.gz", None),
        ("My Images", None),
    ],
)
def test_a_hint_says_what_may_be_meant(name: str, says: str | None) -> None:
    hint = absent_source(name)
    assert hint is None if says is None else says in (hint or "")
