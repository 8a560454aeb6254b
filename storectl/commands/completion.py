"""``completion``: scripts that complete commands, options and image names in a shell."""

from __future__ import annotations

from typing import Final

import click

from storectl.verb import Verb, json_option

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


FISH: Final = r"""function _storectl_completion
    set -l response (env _STORECTL_COMPLETE=fish_complete COMP_WORDS=(commandline -cp) \
        COMP_CWORD=(commandline -t) storectl 2>/dev/null)
    for completion in $response
        # Descriptions have commas: split at the first one only.
        set -l parts (string split -m 1 "," -- $completion)
        switch $parts[1]
            case dir
                __fish_complete_directories $parts[2]
            case file
                __fish_complete_path $parts[2]
            case plain
                echo -- $parts[2]
        end
    end
end
complete --no-files --command storectl --arguments "(_storectl_completion)"
"""
"""The script for fish. Click's script cuts descriptions at their first comma."""

SCRIPTS: Final = {"bash": BASH, "fish": FISH}


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

    script = SCRIPTS.get(shell) or _zsh(ctx)
    if as_json:
        render.document({"Shell": shell, "Script": script})
    else:
        render.write(script.rstrip("\n"))


def _zsh(ctx: click.Context) -> str:
    from click.shell_completion import ZshComplete  # noqa: PLC0415 - only for zsh

    return ZshComplete(ctx.find_root().command, {}, "storectl", "_STORECTL_COMPLETE").source()
