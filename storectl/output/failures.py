"""Error messages on standard error: facts and hints, and a traceback only for debugging."""

from __future__ import annotations

import click

from store.errors import StoreError, printable
from store.files.os_errors import Whose, translate
from storectl.output.exit_codes import ExitCode, exit_code
from storectl.output.remedies import hints


def report(exc: Exception, *, debug: bool, about: str = "the operating system says") -> ExitCode:
    """Print the error that ended a command.

    Args:
        exc: Any exception.
        debug: Whether to print the traceback as well.
        about: The text to print before an error of the operating system if the error names no file.

    Returns:
        The exit code for the process.
    """
    if debug:
        import traceback  # noqa: PLC0415 - only then

        traceback.print_exception(exc)
    if isinstance(exc, OSError):
        # Errors about the store's files have already been translated into errors of the store.
        exc = translate(exc, exc.filename or about, whose=Whose.OUTPUT)
    if isinstance(exc, StoreError):
        print_error(exc)
        return exit_code(exc)
    _say(
        f"internal error: {type(exc).__name__}: {exc}",
        "this is a bug in storectl: report it with the output of the same command with --debug",
    )
    return ExitCode.FAILURE


def print_error(error: StoreError) -> None:
    """Print an error of the store and its hints."""
    _say(f"error: {error.message}", *hints(error))


def report_usage(error: click.ClickException) -> ExitCode:
    """Print the error of a command line that click cannot parse, and return the exit code."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.message, err=True)
        return ExitCode.USAGE
    _say(
        f"error: {error.format_message()}",
        *(() if context is None else (f"run `{context.command_path} --help` for the usage",)),
    )
    return ExitCode.USAGE


def _say(message: str, *advice: str) -> None:
    # Line ends in a message come from the program. All other text may come from an archive, so
    # control characters are escaped.
    click.echo("\n".join(printable(line) for line in f"storectl: {message}".split("\n")), err=True)
    for hint in advice:
        click.echo(f"hint: {printable(hint)}", err=True)
