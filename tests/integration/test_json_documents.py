"""Every command prints with `--json` what docs/formats/json.schema.json says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from storectl import cli
from tests.support.json_schema import SCHEMA, faults
from tests.support.other_registry import OtherRegistry
from tests.support.rich_layouts import rich_layout

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def run(root: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    def call(verb: str, *arguments: str, code: int = 0) -> Any:  # noqa: ANN401 - JSON
        capsys.readouterr()
        words = verb.split()
        assert cli.run(["--root", str(root), *words, "--json", *arguments]) == code
        out, err = capsys.readouterr()
        for line in err.splitlines():
            assert list(faults(json.loads(line), SCHEMA["properties"]["stderr"])) == []
        if not out:
            return None
        document = json.loads(out)
        assert list(faults(document, SCHEMA["properties"][verb])) == []
        return document

    return call


def test_every_command_prints_what_the_schema_says(run: Callable[..., Any], tmp_path: Path) -> None:
    layout, _ = rich_layout()
    source = layout.folder(tmp_path / "layout")
    assert run("import", str(GOLDEN / "parent-and-tags.tar"), str(source))[1]["Changed"]
    images = run("images", "--all")
    assert {"Id" in one for one in images} == {True, False}
    names = [one["RepoTags"][0] for one in images if one["RepoTags"]]
    assert len(run("inspect", *names)) == len(names)
    assert run("inspect", str(source))
    assert run("images", str(source))
    assert run("history", "spec-golden-parent:child")
    assert run("tag", "spec-golden-parent:child", "new:1")["Name"] == "new:1"
    assert run("save", "-o", str(tmp_path / "out.tar"), "new:1")["Images"]
    assert run("untag", "new:1") == [{"Untagged": "new:1"}]
    assert run("log", "new:1")[0]["New"] is None
    assert run("rollback", "new:1")["Tags"][0]["Before"] is None
    assert run("rollback", "--dry-run", "new:1")["Tags"][0]["After"] is None
    assert run("events")
    assert run("rm", "-f", "spec-golden-parent:child")
    assert run("df")["Images"]
    for words in (("gc", "--dry-run"), ("gc",), ("prune", "-f")):
        assert run(*words)["CacheTags"] == 0
    run("fsck")
    assert run("scrub")["Checked"]["Contents"]["TotalCount"]
    assert list(faults(run("scrub"), SCHEMA["$defs"]["scrub"])) == []
    folder = str(tmp_path / "backups")
    assert run("backup", folder)["Copied"]["TotalCount"]
    assert len(run("backup --list", folder)) == 1
    assert run("backup --verify", folder)["Faults"] == []
    for verb in ("db current", "db upgrade", "db check", "version"):
        assert run(verb)
    assert run("completion", "fish")["Shell"] == "fish"


def test_errors_are_what_the_schema_says(run: Callable[..., Any], tmp_path: Path) -> None:
    assert run("images", code=10) is None
    run("import", str(GOLDEN / "single-layer.tar"))
    assert run("inspect", "nope", "spec-one", code=3)
    assert run("import", str(tmp_path / "missing.tar"), code=4) is None
    run("images", "--nope", code=2)
    run("tag", "only-one", code=2)


def test_findings_are_what_the_schema_says(run: Callable[..., Any], root: Path) -> None:
    run("import", str(GOLDEN / "single-layer.tar"))
    for path in (root / "blobs").rglob("*"):
        if path.is_file():
            path.write_bytes(b"rot")
    assert run("scrub", code=5)["Findings"]
    assert run("fsck", code=5)["Findings"]


def test_backups_are_what_the_schema_says(
    run: Callable[..., Any], root: Path, tmp_path: Path
) -> None:
    run("import", str(GOLDEN / "multi-layer.tar"))
    archive = str(tmp_path / "backup.tar")
    assert run("backup", archive)["Faults"] == []
    for path in (root / "blobs").rglob("*"):
        if path.is_file():
            path.write_bytes(b"rot")
    broken = str(tmp_path / "broken.tar")
    assert run("backup", broken, code=5)["Faults"]
    assert run("backup --verify", broken, code=5)["Faults"]
    root.rename(tmp_path / "old")
    assert not run("restore", broken, code=5)["Restored"]
    assert run("restore", "--partial", broken, code=5)["Restored"]
    root.rename(tmp_path / "broken")
    assert run("restore", archive)["Restored"]


def test_rescues_are_what_the_schema_says(run: Callable[..., Any], root: Path) -> None:
    run("import", str(GOLDEN / "multi-layer.tar"))
    (root / "store.db").unlink()
    assert run("rescue", "--dry-run")["Images"]
    for path in (root / "blobs").rglob("*"):
        if path.is_file():
            path.write_bytes(b"rot")
    assert run("rescue", code=5)["Losses"]


def test_the_schema_names_every_command_with_json() -> None:
    named = set(SCHEMA["properties"]) - {"stderr"}
    expected = {
        *(set(cli.VERBS) - {"db", "help", "serve", "mirror-config"}),
        *(f"db {verb}" for verb in ("current", "upgrade", "check")),
    }
    assert named >= expected - {"passwd"}
    document = (Path(__file__).parents[2] / "docs" / "formats" / "json.md").read_text("utf-8")
    assert all(f"`{name}`" in document for name in named)
    used = json.dumps(SCHEMA)
    assert all(f"#/$defs/{name}" in used for name in SCHEMA["$defs"])
    assert all(f"`{name}`" in document for name in ("listedImage", "image", "artifact", "step"))


def test_pushes_copies_and_questions_are_what_the_schema_says(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    run("import", str(GOLDEN / "parent-and-tags.tar"))
    with OtherRegistry(tmp_path / "registry") as registry:
        target = f"{registry.host}/mine/app:1"
        assert run("push", "--dry-run", "spec-golden-parent:child", target)["DryRun"]
        assert run("push", "spec-golden-parent:child", target)["Blobs"]["Sent"]
        copied = run("copy", target, f"{registry.host}/mine/copied:1")
        assert copied["Blobs"]["Mounted"]
        assert run("tags", f"{registry.host}/mine/app") == ["1"]
        plan = run("copy", "--dry-run", target, "store:copied/here:1")
        stored = run("copy", target, "store:copied/here:1")
        assert plan["Blobs"]["Missing"] == stored["Blobs"]["Sent"] == []
        assert (stored["MovedTags"], stored["Digest"]) == (
            ["docker.io/copied/here:1"],
            copied["Digest"],
        )
        assert run("copy", target, "store:copied/here:1")["MovedTags"] == []
        assert run("copy", f"{target}0", "store:copied/here:1", code=3) is None
        assert run("pull", target)[0]["Digest"] == copied["Digest"]
        assert run("digest", target)["Digest"] == copied["Digest"]
        assert run("manifest", target)["Content"]
