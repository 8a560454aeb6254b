"""The members of an archive in one folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.errors import MissingMember
from store.importing.members.subfolder import SubfolderMembers
from store.model.digests import Digest
from tests.support.archive_members import MemoryMembers
from tests.support.images import A, B

if TYPE_CHECKING:
    from store.importing.staging import Stager


def test_paths_are_those_in_the_folder(stager: Stager) -> None:
    whole = MemoryMembers({"app/m": b"[]", "app/d/l": A, "app/e": B, "m": b"{}"}, stager)
    members = SubfolderMembers(whole, "app")
    assert members.exists("m")
    assert not members.exists("app/m")
    assert (members.size("d/l"), members.document("m")) == (len(A), b"[]")
    assert members.layer("d/l").diff.digest == Digest.of(A)
    assert members.blob("e").received.digest == Digest.of(B)
    assert members.names_in() == ("d/", "e", "m")
    assert members.names_in("d") == ("l",)
    assert members.top_level_directories() == ("d",)
    assert members.find_all("l") == ("d/l",)
    assert members.find_all("m") == ("m",)
    members.prefetch(["d/l"])
    assert whole.prefetched == ["app/d/l"]
    with pytest.raises(MissingMember):
        members.document("gone")
