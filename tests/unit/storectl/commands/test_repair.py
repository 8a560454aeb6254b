"""`fsck --repair`: its lines, hints, JSON, exit codes and wrong usage."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from storectl import cli
from tests.support.json_schema import SCHEMA, faults
from tests.support.pulls import Upstream

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = Path(__file__).parents[3] / "golden" / "single-layer.tar"


@pytest.fixture
def run(root: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[list[str], str]]:
    def call(*words: str, code: int = 0) -> tuple[list[str], str]:
        capsys.readouterr()
        assert cli.run(["--root", str(root), *words]) == code
        out, err = capsys.readouterr()
        return out.splitlines(), err

    call("import", "-q", str(GOLDEN))
    return call


def lose(root: Path) -> None:
    (file,) = (path for path in (root / "blobs").rglob("*") if path.is_file())
    file.unlink()


def test_a_sound_store_needs_no_repair(run: Callable[..., tuple[list[str], str]]) -> None:
    assert run("fsck", "--repair") == (["clean: nothing needs a repair"], "")


def test_what_is_lost_and_what_is_restored_is_said(
    run: Callable[..., tuple[list[str], str]], root: Path
) -> None:
    lose(root)
    (finding, lost, summary), err = run("fsck", "--repair", code=5)
    assert finding.startswith("error: ")
    assert lost.startswith("lost: sha256:")
    assert lost.endswith(", needed by spec-one:latest")
    assert summary == "1 error(s) found, 0 content(s) restored, 1 lost, 1 error(s) left"
    assert "--from" in err
    assert "--drop" in err
    lines, err = run("fsck", "--repair", "--dry-run", "--from", str(GOLDEN))
    assert lines[1].startswith("would restore: layer sha256:")
    assert err == ""
    lines, _ = run("fsck", "--repair", "--from", str(GOLDEN))
    assert lines[1].startswith("restored: layer sha256:")
    assert lines[1].endswith(f", from {GOLDEN}")
    assert lines[-1] == "1 error(s) found, 1 content(s) restored, 0 lost, 0 error(s) left"
    run("fsck")


def test_what_cannot_be_saved_is_removed_with_drop(
    run: Callable[..., tuple[list[str], str]], root: Path
) -> None:
    lose(root)
    lines, _ = run("fsck", "--repair", "--drop", "--dry-run")
    assert "would be untagged: spec-one:latest" in lines
    assert run("images")[0][1:]
    shown = json.loads("\n".join(run("fsck", "--repair", "--drop", "--json")[0]))
    assert list(faults(shown, SCHEMA["$defs"]["repair"])) == []
    assert list(faults(shown, SCHEMA["properties"]["fsck"])) == []
    assert shown["Removed"][0] == {"Untagged": "spec-one:latest"}
    assert (len(shown["Lost"]), shown["Findings"]) == (1, [])
    assert not run("images")[0][1:]


def test_a_registry_is_a_source(
    run: Callable[..., tuple[list[str], str]], root: Path, tmp_path: Path
) -> None:
    with Upstream(tmp_path) as upstream:
        upstream.store.import_archive(GOLDEN)
        lose(root)
        name = f"docker://{upstream.registry.host}/library/spec-one"
        words = ["fsck", "--repair", "--plain-http", "--from"]
        lines, _ = run(*words, f"docker://{upstream.registry.host}/library/absent", code=5)
        assert "0 content(s) restored, 1 lost" in lines[-1]
        lines, err = run(*words, name)
        assert lines[1].startswith("restored: layer sha256:")
        assert lines[1].endswith(f", from {name}")
        assert err == ""
        run("fsck")
    lose(root)
    _, err = run(*words, name, code=12)
    assert upstream.registry.host in err
    _, err = run(*words, "docker://UPPER", code=4)
    assert "must be lowercase" in err


def test_standard_input_is_a_source(
    run: Callable[..., tuple[list[str], str]], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose(root)
    stream = SimpleNamespace(buffer=io.BytesIO(GOLDEN.read_bytes()), isatty=lambda: False)
    monkeypatch.setattr(sys, "stdin", stream)
    lines, _ = run("fsck", "--repair", "--from", "-")
    assert lines[1].endswith(", from standard input")
    stream.isatty = lambda: True
    run("fsck", "--repair", "--from", "-", code=2)


@pytest.mark.parametrize(
    "words",
    [["--from", "x.tar"], ["--drop"], ["--dry-run"], ["--repair", "--scrub"]],
)
def test_options_of_a_repair_need_a_repair(
    run: Callable[..., tuple[list[str], str]], words: list[str]
) -> None:
    run("fsck", *words, code=2)
