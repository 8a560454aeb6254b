"""The corpus of broken inputs: each is refused and changes nothing, or accepted for a reason."""

from __future__ import annotations

import io
import os
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from store import Store
from store.errors import InvalidInput
from storectl import cli
from storectl.output.exit_codes import ExitCode
from tests.conftest import NOW
from tests.support.broken.case import Accepted, Case, Refused
from tests.support.broken.corpus import CASES, TARGET, WAYS, document, handed_in, shortened, ways
from tests.support.images import E, image
from tests.support.snapshots import snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.snapshots import Snapshot

REFUSED = [
    (case, way) for case in CASES if isinstance(case.expected, Refused) for way in ways(case)
]
ACCEPTED = [
    (case, way) for case in CASES if isinstance(case.expected, Accepted) for way in ways(case)
]
ONE_FAULT_IN_DISGUISE = (
    # A link that leads out of a tar finds nothing, as if the member were missing.
    {"symlink-out", "hard-link-out"},
    {"blob-symlink-out", "blob-hard-link-out"},
    # Both hold nothing.
    {"tar-empty", "outer-gzip-of-nothing"},
    # The table of contents must be a list, and any object in its place gives the same message.
    {"dir-without-version", "table-is-an-object"},
    # The second member replaces the layer, and has the wrong bytes.
    {"layer-wrong", "member-twice-wrong"},
    {"layer-is-device", "layer-is-fifo"},
    {"blob-is-device", "blob-is-fifo"},
)


def ids(pairs: list[tuple[Case, str]]) -> list[str]:
    return [f"{case.name}-{way}" for case, way in pairs]


@pytest.fixture(scope="module")
def used_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Snapshot]]:
    """Yield a store with an image and its snapshot; one store serves all refused cases."""
    with Store.open(
        tmp_path_factory.mktemp("broken") / "store", create=True, clock=lambda: NOW
    ) as store:
        store.import_archive(io.BytesIO(image(E, tags=("here:1",)).bytes()))
        yield store, snapshot(store.root)
        assert list(store.fsck()) == []


@pytest.mark.parametrize(("case", "way"), REFUSED, ids=ids(REFUSED))
def test_a_broken_input_is_refused_and_changes_nothing(
    used_store: tuple[Store, Snapshot],
    case: Case,
    way: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    store, before = used_store
    expected = case.expected
    assert isinstance(expected, Refused)
    with handed_in(case, way, tmp_path) as source, pytest.raises(InvalidInput) as caught:
        store.import_archive(source, case.options)
    error = caught.value
    assert type(error) is expected.error
    assert [text for text in expected.says if text not in error.message] == []
    assert {name: str(getattr(error, name)) for name in expected.facts} == expected.facts
    assert error.hint or error.remedy, "a message says what to do"
    assert snapshot(store.root) == before
    if case.arguments is None:
        return
    # Import the same input with the command line.
    (tmp_path / "again").mkdir()
    with handed_in(case, way, tmp_path / "again") as source:
        code = cli.run(
            ["--root", str(store.root), "import", *case.arguments, named(source, monkeypatch)]
        )
    said = capsys.readouterr()
    assert code == ExitCode.INVALID_INPUT
    assert said.out == ""
    assert said.err.startswith("storectl: error: ")
    assert "\nhint: " in said.err
    assert "Traceback" not in said.err
    assert snapshot(store.root) == before


def named(source: Path | object, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the command-line argument for a source; for a pipe, replace standard input with it."""
    if isinstance(source, os.PathLike):
        return str(source)
    assert isinstance(source, io.FileIO)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(source)))
    return "-"


@pytest.mark.parametrize(("case", "way"), ACCEPTED, ids=ids(ACCEPTED))
def test_an_odd_input_is_accepted_for_a_reason(
    store: Store, case: Case, way: str, tmp_path: Path
) -> None:
    expected = case.expected
    assert isinstance(expected, Accepted)
    with handed_in(case, way, tmp_path) as source:
        report = store.import_archive(source, case.options)
    assert len(report.lines) == len(expected.lines)
    assert all(
        line.startswith(wanted) for line, wanted in zip(report.lines, expected.lines, strict=True)
    )
    assert [text for text in expected.notes if not any(text in note for note in report.notes)] == []
    assert bool(report.notes) == bool(expected.notes)
    assert tuple(one.kind for one in store.fsck()) == expected.findings


def test_the_corpus_is_large_and_each_name_is_used_once() -> None:
    assert len(CASES) >= 200
    assert len({case.name for case in CASES}) == len(CASES)
    assert Counter(way for case in CASES for way in ways(case)).keys() == set(WAYS)


def test_every_refusal_has_its_own_message_and_is_in_the_documents() -> None:
    made = document()
    assert TARGET.read_text(encoding="utf-8") == made, "run `make docs`"
    rows = [
        line.split(" | ")
        for line in made.splitlines()
        if line.startswith("| ") and not line.startswith("| case |")
    ]
    said: dict[str, list[str]] = {}
    for name, _, outcome in rows:
        if not outcome.startswith("**accepted**"):
            said.setdefault(outcome, []).append(name.removeprefix("| "))
    shared = [set(names) for names in said.values() if len(names) > 1]
    assert [names for names in shared if names not in ONE_FAULT_IN_DISGUISE] == []
    assert shortened("sha256:" + "ab" * 32) == "sha256:abab…"
