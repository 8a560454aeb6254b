"""Every command prints with `--json` what docs/formats/json.schema.json says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from storectl import cli
from tests.support.json_schema import SCHEMA, faults
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
    assert run("events")
    assert run("rm", "-f", "spec-golden-parent:child")
    assert run("df")["Images"]
    run("gc", "--dry-run")
    run("gc")
    run("prune", "-f")
    run("fsck")
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
    assert run("fsck", code=5)["Findings"]


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
