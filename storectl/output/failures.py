"""Error messages on standard error: facts and hints, and a traceback only for debugging."""

from __future__ import annotations

import os
from typing import Final

import click

from store.errors import StoreError, Unavailable
from store.files.os_errors import Whose, translate
from store.files.system_limits import limit_reached
from storectl.output import messages
from storectl.output.exit_codes import ExitCode, exit_code
from storectl.output.remedies import hints

_LINE_OF_VALUE: Final = "\n\t"


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
    exc = limit_reached(exc) or exc
    if isinstance(exc, OSError):
        # Errors about the store's files have already been translated into errors of the store.
        exc = _no_current_folder(exc) or translate(exc, exc.filename or about, whose=Whose.OUTPUT)
    if isinstance(exc, StoreError):
        print_error(exc)
        return exit_code(exc)
    messages.error(
        f"internal error: {type(exc).__name__}: {exc}",
        ("this is a bug in storectl: report it with the output of the same command with --debug",),
        kind="InternalError",
        code=ExitCode.FAILURE,
    )
    return ExitCode.FAILURE


def _no_current_folder(error: OSError) -> StoreError | None:
    """Return a clear error if a relative path cannot be looked up, else None."""
    if not isinstance(error, FileNotFoundError) or error.filename is not None:
        return None
    try:
        os.getcwd()  # noqa: PTH109 - `Path.cwd` is the same
    except FileNotFoundError:
        return Unavailable(
            "the current folder does not exist any more", hint="change to another folder"
        )
    return None


def print_error(error: StoreError) -> None:
    """Print an error of the store and its hints."""
    messages.error(
        f"error: {error.message}",
        hints(error),
        kind=type(error).__name__,
        code=exit_code(error),
    )


def report_usage(error: click.ClickException, *, as_json: bool = False) -> ExitCode:
    """Print the error of a command line that click cannot parse, and return the exit code.

    Args:
        error: The error; its ``advice``, if it has any, stands in for a pointer to the help.
        as_json: Whether to print JSON.
    """
    context = error.ctx if isinstance(error, click.UsageError) else None
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.message, err=True)
        return ExitCode.USAGE
    _name_variable(error)
    usual = None if context is None else f"run `{context.command_path} --help` for the usage"
    advice = getattr(error, "advice", None) or usual
    messages.error(
        # click writes the values of a missing argument on lines of their own.
        f"error: {error.format_message().replace(_LINE_OF_VALUE, ' ')}",
        () if advice is None else (advice,),
        kind="UsageError",
        code=ExitCode.USAGE,
        as_json=as_json,
    )
    return ExitCode.USAGE


def _name_variable(error: click.ClickException) -> None:
    """Let an error about a value of the environment name the variable instead of the option."""
    if not isinstance(error, click.BadParameter) or error.ctx is None or error.param is None:
        return
    source = error.ctx.get_parameter_source(str(error.param.name))
    if source is click.core.ParameterSource.ENVIRONMENT:
        error.param_hint = error.param.envvar
