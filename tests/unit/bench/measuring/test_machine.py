from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from bench import workshop
from bench.measuring import machine

if TYPE_CHECKING:
    import pytest


def test_the_description_does_not_name_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_file_system", lambda: "ext4")
    monkeypatch.setattr(workshop, "storectl", lambda: "storectl")
    monkeypatch.setattr(workshop, "version", lambda *_command: "storectl 1")
    monkeypatch.setattr(platform, "release", lambda: "6.1.0-18-host.example.org")
    found = machine.describe()
    assert found["kernel"] == "6.1.0"
    assert found["memory"].endswith(" GiB")
    assert (found["file system"], found["storectl"]) == ("ext4", "storectl 1")
    assert platform.node() not in found.values()
