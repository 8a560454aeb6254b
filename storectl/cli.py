"""The parser, the dispatch and the last-resort error handling.

Verbs are imported when they are called for: ``--help`` and ``--version`` load neither SQLAlchemy
nor the store.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NoReturn

import click

from storectl.output.exit_codes import ExitCode
from storectl.verb import write_examples
from storectl.version import __version__

if TYPE_CHECKING:
    from sys import UnraisableHookArgs
    from types import FrameType

VERBS: Final = {
    "import": ("import_", "Take in archives of images."),
    "save": ("save", "Write images to an archive."),
    "images": ("images", "List images."),
    "tag": ("tag", "Give an image another name."),
    "untag": ("untag", "Take a tag away and keep the image."),
    "rm": ("rm", "Remove names, and images with their last one."),
    "inspect": ("inspect", "Show everything about images, as JSON."),
    "history": ("history", "Show how an image was made."),
    "events": ("events", "Show what happened."),
    "df": ("df", "Show what the store takes on disk."),
    "gc": ("gc", "Free what nothing needs."),
    "prune": ("prune", "Remove images without a name, and free their bytes."),
    "fsck": ("fsck", "Check every byte and every row."),
    "db": ("db", "Look after the database's schema."),
    "serve": ("serve", "Serve the images as a registry, and take pushes."),
    "mirror-config": ("mirror_config", "Print what makes a client ask this mirror."),
    "version": ("version", "Show versions."),
    "completion": ("completion", "Print a shell completion script."),
}
"""Every verb: its module in `storectl.commands`, and what the list says of it."""

ALIASES: Final = {
    "load": "import",
    "export": "save",
    "ls": "images",
    "rmi": "rm",
    "verify": "fsck",
    "scrub": "fsck",
}
EXAMPLES: Final = (
    "docker save debian:12 | storectl import -",
    "storectl images",
    "storectl save debian:12 | docker load",
)
COMPLETE: Final = "_STORECTL_COMPLETE"
"""The variable in which the shell says that it wants completions (click's convention)."""


class LazyGroup(click.Group):
    """Knows its verbs by name and imports the one that is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every verb, in the order of the table."""
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb, or the one it is an alias of."""
        del ctx
        name = ALIASES.get(cmd_name, cmd_name)
        if name not in VERBS:
            return None
        command: click.Command = importlib.import_module(
            f"storectl.commands.{VERBS[name][0]}"
        ).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb in ``args``.

        What might have been meant when there is none (click would look at the verbs that are
        imported).
        """
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as exc:
            raise click.exceptions.NoSuchCommand(
                exc.command_name, possibilities=(*VERBS, *ALIASES), ctx=ctx
            ) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of verbs, without importing any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in VERBS.items()])
        with formatter.section("Aliases"):
            formatter.write_dl([(alias, f"is {name}") for alias, name in ALIASES.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What to try first."""
        del ctx
        write_examples(formatter, EXAMPLES)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--root",
    metavar="DIR",
    envvar="STORECTL_ROOT",
    type=click.Path(file_okay=False, readable=False),
    help=(
        "The store's folder, said here or after the command.  [default: $STORECTL_ROOT, else"
        " storectl in the XDG data folder]"
    ),
)
@click.option("--debug", is_flag=True, help="Log each step, and show tracebacks.")
@click.version_option(__version__, prog_name="storectl", message="%(prog)s %(version)s")
def cli(root: str | None, *, debug: bool) -> None:
    """A content-addressed store of container images: archives in, archives out, byte for byte."""
    # The verb makes settings of them, because both may also be said after it.
    del root, debug


_ENDINGS: Final = {
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGTERM: ExitCode.TERMINATED,
    signal.SIGHUP: ExitCode.HUNG_UP,
}
"""The signals that end a run, and what it then ends with."""


class _TerminatedError(BaseException):
    """A signal arrived that ends the run: unwind as for Ctrl-C, so that nothing half-done is left."""

    def __init__(self, code: ExitCode) -> None:
        super().__init__()
        self.code = code


_MOMENT_S: Final = 0.01
GRACE_S: Final = 10.0
"""How long cleaning up may take after a signal. What is left then, the next operation sweeps."""


_OBJECTS: Final = 100_000
"""How many new objects there are before Python looks for cycles among them.

By itself it takes 700.
"""


def _terminate(number: int, _frame: FrameType | None) -> NoReturn:
    # Once is enough: another one must not interrupt the cleaning up. (A terminal that is closed
    # sends SIGHUP, and the shell often one more.)
    for one in _ENDINGS:
        signal.signal(one, signal.SIG_IGN)
    _unwind(_ENDINGS[signal.Signals(number)])


def _unwind(code: ExitCode) -> NoReturn:
    # A signal may strike where a lock is just being taken that the cleaning up would wait for: it
    # must end all the same.
    signal.signal(signal.SIGALRM, lambda _number, _at: os._exit(code))
    signal.setitimer(signal.ITIMER_REAL, GRACE_S)
    if code is ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    raise _TerminatedError(code)


def _ignored(unraisable: UnraisableHookArgs) -> None:
    """Python ignores what is raised while it collects garbage, a signal's ending too: raise that once more, a moment later."""
    problem = unraisable.exc_value
    if isinstance(problem, KeyboardInterrupt | _TerminatedError):
        code = problem.code if isinstance(problem, _TerminatedError) else ExitCode.INTERRUPTED
        signal.signal(signal.SIGALRM, lambda _number, at: _unwind_outside(at, code))
        signal.setitimer(signal.ITIMER_REAL, _MOMENT_S)
    else:
        sys.__unraisablehook__(unraisable)


def _unwind_outside(at: FrameType | None, code: ExitCode) -> None:
    """Unwind, but not inside the hook, where a busy machine may still be a moment later: what is raised there is ignored too."""
    while at is not None:
        if at.f_code is _ignored.__code__:
            signal.setitimer(signal.ITIMER_REAL, _MOMENT_S)
            return
        at = at.f_back
    _unwind(code)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and end the process with the documented code."""
    # What a run makes it mostly keeps, modules and the rows of a list: looking through them again
    # and again for garbage takes a fifth of its time.
    gc.set_threshold(_OBJECTS)
    sys.unraisablehook = _ignored
    signal.signal(signal.SIGTERM, _terminate)
    # What was started in the background of a shell without job control ignores Ctrl-C.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _terminate)
    # What was started with `nohup` goes on when the terminal is closed.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _terminate)
    if sys.stdout is not None and hasattr(sys.stdout, "reconfigure"):
        # A terminal that cannot show a letter gets its number, not a crash.
        sys.stdout.reconfigure(errors="backslashreplace")
    code = run(arguments)
    # What is left goes with the process: looking through all of it for cycles on the way out takes
    # a quarter of a short run.
    gc.freeze()
    sys.exit(code)


def run(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code.

    Every error is a line or two on standard error, never a traceback (but with ``--debug``).
    """
    if COMPLETE in os.environ:
        cli.main(args=arguments, prog_name="storectl", complete_var=COMPLETE)
    try:
        code = _dispatch(sys.argv[1:] if arguments is None else arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        if sys.stderr.isatty():
            click.echo(err=True)
        return ExitCode.INTERRUPTED
    except _TerminatedError as ended:
        return ended.code
    except BrokenPipeError:
        _give_up_output()
        return ExitCode.BROKEN_PIPE
    except OSError as exc:
        # What was printed could not be written: the disk is full, say.
        from storectl.output.failures import report  # noqa: PLC0415 - only when something failed

        _give_up_output()
        return report(exc, debug=False, about="standard output")
    return code


def _dispatch(arguments: list[str]) -> int:
    """Parse and run.

    `click.Command.main` would do it, but ends a broken pipe with 1 and takes an EOFError for
    Ctrl-C.
    """
    try:
        with cli.make_context("storectl", list(arguments)) as context:
            try:
                result = cli.invoke(context)
            except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
                raise
            except Exception as exc:  # noqa: BLE001 - the last resort
                from storectl.output.failures import (  # noqa: PLC0415
                    report,
                )

                return report(exc, debug=context.params["debug"])
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.Abort:
        raise KeyboardInterrupt from None
    except click.ClickException as error:
        from storectl.output.failures import misused  # noqa: PLC0415 - only when something failed

        return misused(error)
    return result if isinstance(result, int) else ExitCode.OK


def _give_up_output() -> None:
    """Point standard output nowhere: the interpreter flushes it once more when it ends, and would complain."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
