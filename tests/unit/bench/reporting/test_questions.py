from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

import pytest

from bench.reporting import questions
from store import Store
from store.errors import ImageNotFound
from tests.support.images import A, image

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def filled(root: Path) -> Path:
    with Store.open(root, create=True) as store:
        store.import_archive(io.BytesIO(image(A, tags=("a:1", "a:2")).bytes()))
    return root


@pytest.mark.parametrize("question", questions.QUESTIONS)
def test_a_question_prints_the_cost_of_one_answer(
    question: str,
    filled: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["questions", question, str(filled), "a:1", "a:2"])
    questions.main()
    found = json.loads(capsys.readouterr().out)
    assert 0 < found["wall_s"] < 10
    assert found["peak_bytes"] > 1 << 20


@pytest.mark.parametrize("question", questions.QUESTIONS)
def test_a_question_about_an_absent_name_fails(
    question: str, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["questions", question, str(filled), "absent"])
    with pytest.raises(ImageNotFound):
        questions.main()
