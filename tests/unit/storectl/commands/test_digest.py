"""`digest`: of what a name stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from storectl.output.exit_codes import ExitCode
from tests.support.command_line import Runner
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


def test_the_digest_of_a_registry_is_asked_for_without_the_manifest(
    storectl: Runner, registry: OtherRegistry
) -> None:
    root = import_index(registry.store).roots[0]
    name = f"{registry.host}/{NAME}"

    assert storectl("digest", name) == f"{root['digest']}\n"
    assert storectl("digest", "--full-ref", name) == f"{name}@{root['digest']}\n"
    assert storectl.json("digest", name) == {
        "Name": name,
        "Digest": root["digest"],
        "MediaType": root["mediaType"],
        "Size": root["size"],
    }


def test_the_digest_of_one_platform_is_that_of_its_manifest(
    storectl: Runner, registry: OtherRegistry
) -> None:
    layout = import_index(registry.store)
    name = f"{registry.host}/{NAME}"

    digest = storectl("digest", "--platform", "linux/arm64", name).strip()

    assert digest in layout.blobs
    assert digest != layout.roots[0]["digest"]
    storectl("digest", "--platform", "plan9/arm64", name, code=ExitCode.INVALID_INPUT)


def test_a_tag_that_does_not_exist_is_not_found(storectl: Runner, registry: OtherRegistry) -> None:
    storectl("digest", f"{registry.host}/none:1", code=ExitCode.NOT_FOUND)
