"""Events name the user of each push, tag and deletion, over HTTP and on the command line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from store import Store
from store.files.accounts import user_name
from store.model.actors import Actor
from store.registry.registry import Registry
from tests.conftest import NOW
from tests.support.command_files import GOLDEN
from tests.support.images import A
from tests.support.registry_pushes import APP, push_image, squeezed

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

from tests.support.command_line import Runner


def test_the_command_line_records_the_user_of_the_system(
    root: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    run = Runner(root, capfdbinary)
    run("import", str(GOLDEN / "single-layer.tar"))
    user = user_name(os.getuid())
    events = run.json("events", "--filter", f"user={user}")
    assert [event["Action"] for event in events] == ["import"]
    assert events[0]["Actor"]["Attributes"]["user"] == user
    assert run.json("events", "--filter", "user=nobody-else") == []


def test_the_registry_records_the_user_and_the_address(root: Path) -> None:
    alice = Actor("alice", "192.0.2.1")
    with Store.open(root, create=True, clock=lambda: NOW) as store:
        registry = Registry(store)
        _, digest = push_image(registry, (A, squeezed(A)), tags=("1",))
        registry.delete_tag(APP, "1", actor=alice)
        registry.delete_manifest(APP, digest, actor=alice)
        pushed, untagged, deleted = store.events()
    assert "user" not in pushed.attributes
    for event in (untagged, deleted):
        assert (event.attributes["user"], event.attributes["address"]) == ("alice", "192.0.2.1")
        assert event.attributes["name"].startswith("team/app")
