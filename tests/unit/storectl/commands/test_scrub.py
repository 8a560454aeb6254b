"""`scrub` and `fsck --scrub`: the summary, the findings, JSON and the exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from storectl import cli

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = Path(__file__).parents[3] / "golden" / "single-layer.tar"


@pytest.fixture
def run(root: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    def call(*words: str, code: int = 0) -> list[str]:
        capsys.readouterr()
        assert cli.run(["--root", str(root), *words]) == code
        return capsys.readouterr().out.splitlines()

    call("import", "-q", str(GOLDEN))
    return call


def test_a_scrub_reads_everything_or_skips_what_was_checked(run: Callable[..., list[str]]) -> None:
    for words in (["scrub"], ["fsck", "--scrub", "--rate", "1000"]):
        (line,) = run(*words)
        assert line.startswith("clean: read 3 content(s), ")
    assert run("scrub", "--max-age", "1h") == [
        "skipped: 3 content(s) that were checked recently",
        "clean: read 0 content(s), 0B; all have their digests",
    ]
    assert any(line.startswith("checked: 3 content(s), 0 damaged") for line in run("df"))


def test_findings_are_listed_and_errors_set_exit_code_5(
    run: Callable[..., list[str]], root: Path
) -> None:
    (file,) = (path for path in (root / "blobs").rglob("*") if path.is_file())
    file.write_bytes(b"rot")
    finding, summary = run("scrub", code=5)
    assert finding.startswith("error: sha256:")
    assert finding.endswith("[affects docker.io/library/spec-one:latest]")
    assert summary.startswith("1 finding(s), including 1 error(s); read 3 content(s), ")
    shown = json.loads("\n".join(run("fsck", "--scrub", "--json", code=5)))
    assert (shown["Damaged"], shown["Skipped"], len(shown["Findings"])) == (2, 0, 1)


def test_an_interrupted_scrub_is_continued(
    run: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from store.maintenance import scrub

    with monkeypatch.context() as patch:
        patch.setattr(scrub, "_RECORD_AFTER", 1)
        check = scrub.Scrub._check
        calls: list[object] = []

        def interrupted(self: scrub.Scrub, *arguments: object) -> object:
            calls.append(arguments)
            if len(calls) > 1:
                raise KeyboardInterrupt
            return check(self, *arguments)  # type: ignore[arg-type] # passed on

        patch.setattr(scrub.Scrub, "_check", interrupted)
        run("scrub", code=130)
    first, second, third = run("scrub")
    assert first.startswith("continued: the scrub that began ")
    assert second.startswith("skipped: 1 content(s)")
    assert third.startswith("clean: read 2 content(s)")


@pytest.mark.parametrize(
    "words", [["--rate", "5"], ["--max-age", "1h"], ["--scrub", "--rate", "0"]]
)
def test_options_of_a_scrub_need_a_scrub(run: Callable[..., list[str]], words: list[str]) -> None:
    run("fsck", *words, code=2)
