from __future__ import annotations

import pytest

from store.registry.upload_owner import UploadOwner

ALICE = UploadOwner.user("alice")
OFFICE = UploadOwner.network("10.0.0.1")


def test_a_user_continues_only_its_own_uploads() -> None:
    assert ALICE.may_continue(ALICE.key)
    assert not ALICE.may_continue(UploadOwner.user("bob").key)
    assert not ALICE.may_continue(OFFICE.key)


def test_clients_without_a_user_may_move_to_another_network() -> None:
    assert OFFICE.may_continue(UploadOwner.network("2001:db8::/64").key)
    assert not OFFICE.may_continue(ALICE.key)


@pytest.mark.parametrize("owner", [ALICE, OFFICE])
def test_uploads_of_older_versions_can_be_finished(owner: UploadOwner) -> None:
    assert owner.may_continue(None)


def test_a_user_cannot_take_the_name_of_a_network() -> None:
    assert UploadOwner.user("10.0.0.1") != OFFICE
    assert UploadOwner.user("network:10.0.0.1").key != OFFICE.key
    assert not UploadOwner.user("network:10.0.0.1").may_continue(OFFICE.key)


def test_messages_name_the_owner() -> None:
    assert str(ALICE) == "alice"
    assert str(OFFICE) == "10.0.0.1"
    assert str(UploadOwner.network("")) == "unknown clients"
