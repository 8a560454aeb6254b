"""The project's English avoids the phrases that a reader has to read twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.plain_words import findings
from tests.test_structure import tracked

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "sentence",
    [
        "line 3 is no user:hash",
        "these are no digests",
        "the grace period begins anew",
        "Whoever pushes again may",
        "for who has made sure that it may",
        "who reads verifies",
        "of which only one is kept",
        "one of them is removed",
        "those that are open",
        "See `BlobStore`.",
    ],
)
@pytest.mark.parametrize("suffix", [".py", ".md"])
def test_a_banned_phrase_is_found(tmp_path: Path, sentence: str, suffix: str) -> None:
    path = tmp_path / f"text{suffix}"
    path.write_text(f'"""{sentence}"""\n' if suffix == ".py" else f"{sentence}\n")
    assert [finding.line for finding in findings(path)] == [1]


@pytest.mark.parametrize(
    "sentence",
    [
        "there is no store at /srv",
        "the blob is no longer referenced",
        "users who push need a password",
        "who may do what",
        "`whoever` is a name in code",
    ],
)
def test_plain_sentences_pass(tmp_path: Path, sentence: str) -> None:
    path = tmp_path / "text.md"
    path.write_text(f"{sentence}\n")
    assert list(findings(path)) == []


def test_comments_and_messages_are_read(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text('# The lock is taken\n# anew.\nraise ValueError("that is no form")\n')
    assert sorted(finding.line for finding in findings(path)) == [1, 3]


def test_the_project_has_no_banned_phrase() -> None:
    found = [
        f"{path}:{finding.line}: {finding.text} [{finding.advice}]"
        for path in tracked("*.py", "*.md")
        if "golden" not in path.parts and path.name != "test_plain_words.py"
        for finding in findings(path)
    ]
    assert found == []
