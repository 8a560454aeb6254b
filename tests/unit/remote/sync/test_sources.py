"""What a sync file lists."""

from __future__ import annotations

from remote.sync.sources import Access, Parts, Place
from store.model.platforms import Platform
from store.model.references import Repository


def test_a_fingerprint_tells_parts_apart() -> None:
    amd64, arm64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")
    parts = [
        Parts(),
        Parts((amd64,)),
        Parts((amd64, arm64)),
        Parts(all_platforms=True),
        Parts(has_referrers=True),
    ]
    assert len({one.fingerprint for one in parts}) == len(parts)
    assert Parts((amd64, arm64)).fingerprint == Parts((arm64, amd64)).fingerprint
    # The column of the catalogue has this length.
    assert {len(one.fingerprint) for one in parts} == {16}


def test_a_place_says_where_it_is() -> None:
    name = Repository.parse("registry.example/team/app")
    assert str(Place(name)) == "registry.example/team/app"
    assert str(Place(name, is_remote=True)) == "docker://registry.example/team/app"


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(Access("user", "secret"))
