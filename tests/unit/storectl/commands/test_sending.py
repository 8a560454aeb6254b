"""The options and the output that `push` and `copy` share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest

from remote.pushing.report import Outcome
from store.model.digests import Descriptor, Digest
from storectl.commands._sending import Printer, SendingOptions

if TYPE_CHECKING:
    from typing import Any

BLOB = Descriptor("text/plain", Digest.of(b"a"), 1)


def options(**given: Any) -> SendingOptions:  # noqa: ANN401 - of each option
    usual: dict[str, Any] = {
        "platforms": (),
        "all_platforms": False,
        "referrers": False,
        "sparse": False,
        "foreign_layers": False,
        "jobs": 4,
        "dry_run": False,
        "digest_file": None,
        "quiet": False,
        "as_json": False,
    }
    return SendingOptions(**{**usual, **given})


def test_several_platforms_need_their_index() -> None:
    options(platforms=("linux/amd64",)).require_consistent()
    options(platforms=("linux/amd64", "linux/arm64"), sparse=True).require_consistent()
    with pytest.raises(click.UsageError, match="--sparse"):
        options(platforms=("linux/amd64", "linux/arm64")).require_consistent()


def test_the_choice_has_the_values_of_the_options() -> None:
    choice = options(platforms=("linux/arm64",), referrers=True).choice("gzip")
    assert [str(one) for one in choice.platforms] == ["linux/arm64"]
    assert choice.referrers
    assert choice.layers == "gzip"


def test_every_outcome_has_dockers_words(capsys: pytest.CaptureFixture[str]) -> None:
    printer = Printer(is_silent=False)
    printer.blob(BLOB, Outcome.HELD)
    printer.blob(BLOB, Outcome.SENT)
    printer.blob(BLOB, Outcome.MOUNTED, "library/x")
    printer.flush()
    short = BLOB.digest.short
    assert capsys.readouterr().out.splitlines() == [
        f"{short}: Layer already exists",
        f"{short}: Pushed",
        f"{short}: Mounted from library/x",
    ]


def test_a_silent_printer_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    printer = Printer(is_silent=True)
    printer.blob(BLOB, Outcome.SENT)
    printer.flush()
    assert capsys.readouterr().out == ""
