"""`completion`: a script for each shell."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from storectl.commands.completion import BASH
from tests.support.fake_shell import Shell, as_json

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("shell_name", "marks"),
    [("bash", "complete -o nosort"), ("zsh", "#compdef storectl"), ("fish", "complete --no-files")],
)
def test_every_shell_has_a_script(shell: Shell, shell_name: str, marks: str) -> None:
    script = shell("completion", shell_name)
    assert marks in script
    assert "_STORECTL_COMPLETE" in script
    assert as_json(shell("completion", shell_name, "--json")) == {
        "Shell": shell_name,
        "Script": script,
    }


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("storectl sa", ["save"]),
        ("storectl save x", ["x:1", "x:12"]),
        ("storectl save x:1", ["1", "12"]),
        ("storectl save localhost:5000/y:", ["2"]),
        ("storectl save ", ["x:1", "x:12"]),
    ],
)
def test_bash_completes_names_with_colons(tmp_path: Path, line: str, offered: list[str]) -> None:
    # A fake program that only answers if it gets the words of the line with their colons.
    program = tmp_path / "storectl"
    program.write_text("""#!/bin/bash
        case "$COMP_CWORD|$COMP_WORDS" in
            "1|storectl sa") echo plain,save ;;
            "2|storectl save "|"2|storectl save x"|"2|storectl save x:1")
                printf 'plain,%s\\n' x:1 x:12 ;;
            "2|storectl save localhost:5000/y:") echo plain,localhost:5000/y:2 ;;
        esac
        """)
    program.chmod(0o755)
    script = f"""{BASH}
    compopt() {{ :; }}
    COMP_WORDBREAKS=$' \\t\\n"=;|&(:' COMP_LINE='{line}' COMP_POINT={len(line)}
    _storectl_completion {program}
    printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == offered
    assert done.stderr == ""
