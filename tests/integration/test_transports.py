"""Which command reads which place, as the table in docs/registries.md says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from storectl.output.exit_codes import ExitCode
from tests.support.command_line import Runner
from tests.support.fake_engine import FakeEngine
from tests.support.far_stores import fake_ssh
from tests.support.images import A, B, image
from tests.support.layouts import Layout, gzip
from tests.support.other_registry import OtherRegistry
from tests.support.registry_trees import RegistryFiles

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "registries.md"
NAME: Final = "team/app:1"


def table() -> dict[tuple[str, str], str]:
    """Return what the table says, by transport and command."""
    rows = re.findall(r"^\| (`.*) \|$", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    found: dict[tuple[str, str], str] = {}
    head = ["pull", "copy", "manifest", "tags", "inspect", "images"]
    for row in rows:
        first, *cells = row.split(" | ")
        if len(cells) == len(head):
            said = zip(head, cells, strict=True)
            found |= {(first.strip("`"), command): cell for command, cell in said}
            found[first.strip("`"), "digest"] = cells[2]
    return found


TABLE: Final = table()


SHOWN: Final = {
    "pull": "sha256:",
    "manifest": "schemaVersion",
    "digest": "^sha256:",
    "tags": "^(team/app:)?1$",
    "inspect": '"Id"',
    "images": r"(team/app|<none>) +",
}
"""What each command prints."""


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Yield the name of one image, by transport; all places have it."""
    folder = tmp_path_factory.mktemp("places")
    layout = Layout()
    one = layout.root(layout.image(gzip(A)), f"docker.io/{NAME}")
    layout.folder(folder / "layout")
    (folder / "oci.tar").write_bytes(layout.tar())
    layout.dir_folder(folder / "dir")
    (folder / "docker.tar").write_bytes(image(B, tags=(NAME,)).bytes())
    files = RegistryFiles(folder / "files")
    files.push(layout, "team/app", **{"1": one})
    command, _ = fake_ssh(folder / "other machine")
    with (
        OtherRegistry(folder / "registry") as registry,
        FakeEngine() as engine,
        pytest.MonkeyPatch.context() as patch,
    ):
        registry.store.import_archive(folder / "oci.tar")
        engine.keep(NAME, image(B, tags=(NAME,)))
        patch.setenv("STORECTL_SSH", command)
        patch.setenv("DOCKER_HOST", f"unix://{engine.socket}")
        yield {
            "docker://": f"docker://{registry.host}/{NAME}",
            "store:": f"store:{NAME}",
            "oci:": f"oci:{folder}/layout",
            "oci-archive:": f"oci-archive:{folder}/oci.tar",
            "docker-archive:": f"docker-archive:{folder}/docker.tar",
            "dir:": f"dir:{folder}/dir",
            "docker-daemon:": f"docker-daemon:{NAME}",
            "ssh://": f"ssh://far{registry.store.root}::{NAME}",
            "registry-tree:": f"registry-tree:{folder}/files:{NAME}",
        }


@pytest.fixture
def storectl(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], places: dict[str, str]
) -> Runner:
    runner = Runner(tmp_path / "store", capfdbinary)
    runner("import", places["oci-archive:"].partition(":")[2])
    return runner


def test_the_table_has_every_transport_and_command(places: dict[str, str]) -> None:
    assert {transport for transport, _ in TABLE} == places.keys()
    assert len(TABLE) == 7 * len(places)
    assert set(TABLE.values()) == {"yes", "no", "NAME"}


@pytest.mark.parametrize(("transport", "command"), TABLE)
def test_every_place_is_read_as_the_table_says(
    storectl: Runner, places: dict[str, str], tmp_path: Path, transport: str, command: str
) -> None:
    said, name = TABLE[transport, command], places[transport]
    if command == "tags":
        name = name.removesuffix(":1")
    if said == "NAME":
        name = name.removeprefix(transport)
    words = [command, name]
    if command == "copy":
        words.append(f"dir:{tmp_path}/copy")
    code = storectl.attempt(*words)
    if said == "no":
        assert code in {ExitCode.USAGE, ExitCode.NOT_FOUND, ExitCode.INVALID_INPUT}
        assert "error: " in storectl.err
        assert "Traceback" not in storectl.err
        return
    assert code == 0, storectl.err
    if command == "copy":
        assert (tmp_path / "copy/manifest.json").exists()
    else:
        assert re.search(SHOWN[command], storectl.out)
