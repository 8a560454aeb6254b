"""Questions that the user answers with yes or no on a terminal."""

from __future__ import annotations

import sys

import click


def confirm(warning: str, *, flag: str) -> bool:
    """Ask on standard error whether to continue; return whether the answer was yes.

    Args:
        warning: What would happen, in one line.
        flag: The option that makes the question unnecessary.

    Raises:
        click.UsageError: Standard input is not a terminal, so nobody can answer.
    """
    if sys.stdin is None or not sys.stdin.isatty():
        raise click.UsageError(
            f"cannot ask for confirmation: standard input is not a terminal. Give {flag} to"
            " continue without a question"
        )
    click.echo(f"WARNING! {warning}\nAre you sure you want to continue? [y/N] ", err=True, nl=False)
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        click.echo(err=True)
    return answer.strip().lower() in ("y", "yes")
