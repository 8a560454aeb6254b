"""`save`: archives written to a file or to standard output, and failed writes."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

import pytest

import exporter
from store import errors
from tests.support.fake_shell import ONE, PRESENT, Shell, as_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class FakeExport:
    images = (ONE,)
    size_bytes = 7
    format = exporter.Format.LEGACY
    notes = ("a note\x1b",)

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.legacy_loss: exporter.LegacyLoss | None = None

    def write(self, sink: BinaryIO, _progress: object) -> None:
        sink.write(b"archive")
        if self.error is not None:
            raise self.error


@pytest.fixture
def export(monkeypatch: pytest.MonkeyPatch) -> FakeExport:
    fake = FakeExport()

    @contextmanager
    def open_save(
        _store: object, names: Sequence[str], *, options: exporter.SaveOptions
    ) -> Iterator[FakeExport]:
        assert (list(names), options.format) == (["x", "y:1"], "legacy")
        fake.legacy_loss = options.legacy_loss
        yield fake

    monkeypatch.setattr(exporter, "open_save", open_save)
    return fake


def test_a_file_gets_the_archive_and_json_describes_it(
    shell: Shell, export: FakeExport, tmp_path: Path
) -> None:
    target = tmp_path / "out.tar"
    assert shell("save", "-o", str(target), "x", "y:1") == ""
    assert shell.err == "note: a note\\x1b\n"
    assert target.read_bytes() == b"archive"
    assert as_json(shell("export", "-q", "--json", "-o", str(target), "x", "y:1")) == {
        "Output": str(target),
        "Format": "legacy",
        "Images": [str(ONE)],
        "Notes": ["a note\x1b"],
        "Size": 7,
    }
    assert shell.err == ""
    del export


def test_a_failed_save_leaves_no_file(shell: Shell, export: FakeExport, tmp_path: Path) -> None:
    export.error = errors.DamagedContent("rotten", digest=PRESENT)
    shell("save", "--json", "-o", str(tmp_path / "out.tar"), "x", "y:1", code=5)
    assert shell.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [(), ("-o", "-")])
def test_standard_output_gets_the_archive(
    shell: Shell, export: FakeExport, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    del shell, export
    from storectl import cli

    out = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr("sys.stdout", out)
    assert cli.run(["save", *arguments, "x", "y:1"]) == 0
    assert out.buffer.getvalue() == b"archive"


@pytest.mark.parametrize(("number", "code"), [(28, 7), (5, 10), (32, 141)])
def test_a_failure_of_standard_output_sets_the_exit_code(
    shell: Shell, export: FakeExport, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    monkeypatch.setattr("storectl.cli._discard_output", lambda: None)
    export.error = OSError(number, "no")
    shell("save", "x", "y:1", code=code)
    assert ("standard output: no" in shell.err) is (code != 141)


def test_terminals_and_closed_outputs_are_refused(
    shell: Shell, export: FakeExport, monkeypatch: pytest.MonkeyPatch
) -> None:
    del export
    shell("save", "--json", "x", code=2)
    assert "--json needs -o" in shell.err
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    shell("save", "x", code=2)
    assert (
        shell.err.splitlines()[0]
        == "storectl: error: Cowardly refusing to save to a terminal. Use the -o flag or redirect."
    )
    monkeypatch.setattr("sys.__stdout__", None)
    shell("save", "x", code=2)
    assert "it is closed" in shell.err


@pytest.mark.parametrize(
    ("arguments", "variable", "want"),
    [
        ((), None, exporter.LegacyLoss.AVOID),
        (("--platform", "linux/amd64"), None, exporter.LegacyLoss.AVOID),
        (("--format", "legacy"), None, exporter.LegacyLoss.ACCEPT),
        (("--format", "legacy"), "oci", exporter.LegacyLoss.ACCEPT),
        ((), "legacy", exporter.LegacyLoss.REFUSE),
        (("--platform", "linux/amd64"), "legacy", exporter.LegacyLoss.ACCEPT),
    ],
)
def test_only_who_asks_for_the_format_legacy_loses_something(
    shell: Shell,
    export: FakeExport,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: tuple[str, ...],
    variable: str | None,
    want: exporter.LegacyLoss,
) -> None:
    if variable is not None:
        monkeypatch.setenv("STORECTL_SAVE_FORMAT", variable)
    shell("save", *arguments, "-o", str(tmp_path / "out.tar"), "x", "y:1")
    assert export.legacy_loss is want


def test_a_wrong_variable_is_a_usage_error(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORECTL_SAVE_FORMAT", "zip")
    shell("save", "-o", "out.tar", "x", code=2)
    assert "STORECTL_SAVE_FORMAT" in shell.err or "--format" in shell.err


def test_a_list_of_names_is_added_to_the_arguments(
    shell: Shell, export: FakeExport, tmp_path: Path
) -> None:
    del export
    (tmp_path / "list").write_text("# more\ny:1\n")
    shell("save", "-o", str(tmp_path / "out.tar"), "-f", str(tmp_path / "list"), "x")
    shell("save", "-o", str(tmp_path / "out.tar"), code=2)
    assert "--all" in shell.err
