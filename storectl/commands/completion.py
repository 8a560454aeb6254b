"""``completion``: scripts that complete commands, options and image names in a shell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from storectl.verb import Verb, json_option

if TYPE_CHECKING:
    from click.shell_completion import ShellComplete

BASH: Final = r"""_storectl_completion() {
    # Bash splits words at colons, which image names contain: split the line at spaces instead,
    # and offer only the part after the last colon.
    local line=${COMP_LINE:0:COMP_POINT} colon="" type value IFS
    local -a words
    IFS=$' \t' read -ra words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    local typed=${words[-1]}
    [[ $COMP_WORDBREAKS == *:* && $typed == *:* ]] && colon=${typed%"${typed##*:}"}
    COMPREPLY=()
    while IFS=, read -r type value; do
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("${value#"$colon"}") ;;
        esac
    done < <(COMP_WORDS="${words[*]}" COMP_CWORD=$((${#words[@]} - 1)) \
        _STORECTL_COMPLETE=bash_complete "$1" 2>/dev/null)
}
complete -o nosort -F _storectl_completion storectl
"""
"""The script for bash. Click's script cannot complete a name with a tag."""


@click.command(
    "completion",
    cls=Verb,
    examples=(
        'eval "$(storectl completion bash)"',
        "storectl completion fish > ~/.config/fish/completions/storectl.fish",
    ),
)
@json_option
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, *, as_json: bool, shell: str) -> None:
    """Generate a script that completes commands, options and image names in your shell."""
    from storectl.output import render  # noqa: PLC0415 - `--help` does without

    script = BASH if shell == "bash" else _script(ctx, shell)
    if as_json:
        render.document({"Shell": shell, "Script": script})
    else:
        render.write(script.rstrip("\n"))


def _script(ctx: click.Context, shell: str) -> str:
    from click.shell_completion import (  # noqa: PLC0415
        FishComplete,
        ZshComplete,
    )

    complete: type[ShellComplete] = {"zsh": ZshComplete, "fish": FishComplete}[shell]
    return complete(ctx.find_root().command, {}, "storectl", "_STORECTL_COMPLETE").source()
