"""The parser, the dispatch and the last-resort error handling.

Verbs are imported when they are called for: ``--help`` and ``--version`` load neither SQLAlchemy nor the store.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from storectl.exit_codes import ExitCode, exit_code
from storectl.settings import Settings, default_root
from storectl.version import __version__

if TYPE_CHECKING:
    from types import FrameType

VERBS: Final = {
    "import": ("archives", "Take in archives of images."),
    "save": ("archives", "Write images to an archive."),
    "images": ("images", "List images."),
    "tag": ("names", "Give an image another name."),
    "untag": ("names", "Take a tag away and keep the image."),
    "rm": ("names", "Remove names, and images with their last one."),
    "inspect": ("details", "Show everything about images, as JSON."),
    "history": ("details", "Show how an image was made."),
    "events": ("events", "Show what happened."),
    "df": ("upkeep", "Show what the store takes on disk."),
    "gc": ("upkeep", "Free what nothing needs."),
    "prune": ("upkeep", "Remove images without a name, and free their bytes."),
    "fsck": ("upkeep", "Check every byte and every row."),
    "db": ("db", "Look after the database's schema."),
    "version": ("about", "Show versions."),
    "completion": ("about", "Print a shell completion script."),
}
ALIASES: Final = {"load": "import", "export": "save", "ls": "images", "rmi": "rm", "verify": "fsck"}


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
        module = importlib.import_module(f"storectl.commands.{VERBS[name][0]}")
        command: click.Command = getattr(module, f"{name}_command")
        return command

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Run the verb. click would end a broken pipe with 1, before anybody could say otherwise."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as exc:
            raise _BrokenPipeError from exc

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of verbs, without importing any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in VERBS.items()])
        with formatter.section("Aliases"):
            formatter.write_dl([(alias, f"is {name}") for alias, name in ALIASES.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: docker save debian:12 | storectl import -",
)
@click.option("--root", metavar="DIR", envvar="STORECTL_ROOT", help="The store's folder.  [default: $XDG_DATA_HOME/storectl]")
@click.option("--debug", is_flag=True, help="Log each step, and show tracebacks.")
@click.version_option(__version__, prog_name="storectl", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context, root: str | None, *, debug: bool) -> None:
    """A content-addressed store of container images: archives in, archives out, byte for byte."""
    if debug:
        import logging  # noqa: PLC0415 - only then

        logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    ctx.obj = Settings(root=default_root(root, os.environ), debug=debug)


class _BrokenPipeError(BaseException):
    """Nobody reads our output any more."""


class _TerminatedError(BaseException):
    """SIGTERM arrived: unwind as for Ctrl-C, so that nothing half-done is left."""


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise _TerminatedError


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and end the process with the documented code."""
    signal.signal(signal.SIGTERM, _terminate)
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code. Every error is one line on standard error, never a traceback (but with ``--debug``)."""
    try:
        result: Any = cli.main(args=arguments, prog_name="storectl", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as exc:
        exc.show()
        return ExitCode.USAGE if isinstance(exc, click.UsageError) else ExitCode.FAILURE
    except (click.Abort, KeyboardInterrupt):
        click.echo("", err=True)
        return ExitCode.INTERRUPTED
    except _TerminatedError:
        return ExitCode.TERMINATED
    except (_BrokenPipeError, BrokenPipeError):
        # Nobody reads any more. The interpreter would complain once more when it closes standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.BROKEN_PIPE
    except Exception as exc:  # noqa: BLE001 - the last resort
        return _failed(exc, arguments)
    return int(result) if isinstance(result, int) else ExitCode.OK


def _failed(exc: Exception, arguments: list[str] | None) -> int:
    from store.errors import StoreError, printable  # noqa: PLC0415 - only when something failed
    from store.oserrors import translate  # noqa: PLC0415

    if "--debug" in (sys.argv[1:] if arguments is None else arguments):
        import traceback  # noqa: PLC0415

        traceback.print_exc()
    error = translate(exc, exc.filename or "storectl") if isinstance(exc, OSError) else exc
    if not isinstance(error, StoreError):
        click.echo(f"storectl: internal error: {printable(f'{type(exc).__name__}: {exc}')}", err=True)
        click.echo("hint: this is a fault of storectl; run again with --debug and report what it prints", err=True)
        return ExitCode.FAILURE
    click.echo("storectl: error: " + "\n".join(printable(line) for line in error.message.split("\n")), err=True)
    if error.hint:
        click.echo(f"hint: {printable(error.hint)}", err=True)
    return exit_code(error)
