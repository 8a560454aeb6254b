"""docs/cli.md is generated from the command line."""

from __future__ import annotations

from scripts import gen_cli_docs
from storectl.cli import ALIASES, VERBS
from storectl.output.exit_codes import ExitCode


def test_generating_the_reference_again_changes_nothing() -> None:
    assert gen_cli_docs.TARGET.read_text(encoding="utf-8") == gen_cli_docs.document(), (
        "run `make docs`"
    )


def test_every_verb_alias_and_exit_code_is_documented() -> None:
    text = gen_cli_docs.document()
    assert all(f"## storectl {name}\n" in text for name in VERBS)
    assert all(f"## storectl db {verb}\n" in text for verb in ("current", "upgrade", "check"))
    assert all(f"`{alias}`" in text for alias in ALIASES)
    assert all(f"| {code.value} | " in text for code in ExitCode)
