"""`tags`: the list of a registry."""

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


def test_the_tags_are_listed_one_on_each_line(storectl: Runner, registry: OtherRegistry) -> None:
    import_index(registry.store)
    registry.store.tag(NAME, "team/app:2")
    name = f"{registry.host}/team/app"

    assert storectl("tags", name) == "1\n2\n"
    assert storectl("tags", f"docker://{name}") == "1\n2\n"
    assert storectl("tags", "--full-ref", name) == f"{name}:1\n{name}:2\n"
    assert storectl.json("tags", name) == ["1", "2"]


def test_a_repository_that_does_not_exist_is_not_found(
    storectl: Runner, registry: OtherRegistry
) -> None:
    storectl("tags", f"{registry.host}/none", code=ExitCode.NOT_FOUND)
    assert "cannot list the tags of" in storectl.err


@pytest.mark.parametrize(
    "name", ["team/app:1", f"team/app@sha256:{'a' * 64}", "dir:folder", "oci:folder"]
)
def test_the_name_is_that_of_a_repository_in_a_registry(storectl: Runner, name: str) -> None:
    storectl("tags", name, code=ExitCode.INVALID_INPUT)
