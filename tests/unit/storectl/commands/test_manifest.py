"""`manifest`: exact bytes on standard output."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from storectl.output.exit_codes import ExitCode
from tests.support.command_line import Runner
from tests.support.layouts import Layout
from tests.support.other_registry import OtherRegistry
from tests.support.sent_images import NAME, import_index

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[OtherRegistry]:
    with OtherRegistry(tmp_path / "registry") as running:
        yield running


@pytest.fixture
def storectl(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Runner:
    return Runner(tmp_path / "store", capfdbinary)


def test_the_bytes_are_those_of_the_registry(storectl: Runner, registry: OtherRegistry) -> None:
    layout = import_index(registry.store)
    root = layout.roots[0]
    name = f"{registry.host}/{NAME}"

    storectl("manifest", name)
    assert storectl.raw == layout.blobs[root["digest"]]
    storectl("manifest", f"{registry.host}/team/app@{root['digest']}")
    assert storectl.raw == layout.blobs[root["digest"]]
    found = storectl.json("manifest", name)
    assert found["Digest"] == root["digest"]
    assert found["Content"].encode() == layout.blobs[root["digest"]]


def test_the_config_is_that_of_one_image(storectl: Runner, registry: OtherRegistry) -> None:
    layout = import_index(registry.store)

    storectl("manifest", "--config", "--platform", "linux/arm64", f"{registry.host}/{NAME}")

    assert storectl.raw in layout.blobs.values()
    assert b'"arm64"' in storectl.raw


def test_a_terminal_gets_no_control_characters(
    storectl: Runner, registry: OtherRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout()
    layout.root(layout.artifact("\x9b31m".encode()), "docker.io/team/app:1")
    registry.store.import_archive(io.BytesIO(layout.tar()))
    monkeypatch.setattr("storectl.commands.manifest._is_terminal", lambda: True)

    out = storectl("manifest", f"{registry.host}/team/app:1")

    assert out == layout.blobs[layout.roots[0]["digest"]].decode() + "\n"


def test_a_tag_that_does_not_exist_is_not_found(storectl: Runner, registry: OtherRegistry) -> None:
    assert storectl("manifest", f"{registry.host}/none:1", code=ExitCode.NOT_FOUND) == ""
