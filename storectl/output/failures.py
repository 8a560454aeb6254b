"""What went wrong, said in a line or two on standard error: never a traceback, unless it was asked for."""

from __future__ import annotations

import click

from store.errors import StoreError, printable
from store.files.os_errors import translate
from storectl.output.exit_codes import ExitCode, exit_code
from storectl.output.remedies import hints


def report(exc: Exception, *, debug: bool, about: str = "the operating system says") -> ExitCode:
    """Explain whatever ended a verb; the code to end with.

    ``about`` is what an error of the operating system concerns that names no file.
    """
    if debug:
        import traceback  # noqa: PLC0415 - only then

        traceback.print_exception(exc)
    if isinstance(exc, OSError):
        exc = translate(exc, exc.filename or about)
    if isinstance(exc, StoreError):
        explain(exc)
        return exit_code(exc)
    _say(
        f"internal error: {type(exc).__name__}: {exc}",
        "this is a fault of storectl; please report it with what `storectl --debug …` prints",
    )
    return ExitCode.FAILURE


def explain(error: StoreError) -> None:
    """One of our errors: what is wrong, and what to do next when there is something."""
    _say(f"error: {error.message}", *hints(error))


def misused(error: click.ClickException) -> ExitCode:
    """A command line that makes no sense."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.message, err=True)
        return ExitCode.USAGE
    _say(
        f"error: {error.format_message()}",
        *(() if context is None else (f"`{context.command_path} --help` explains the usage",)),
    )
    return ExitCode.USAGE


def _say(message: str, *advice: str) -> None:
    # An error may list things below each other; its line ends are ours, everything else in it may
    # come from an archive.
    click.echo("\n".join(printable(line) for line in f"storectl: {message}".split("\n")), err=True)
    for hint in advice:
        click.echo(f"hint: {printable(hint)}", err=True)
