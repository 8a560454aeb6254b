"""The program: its parser, the dispatch to a command, and the handling of every error.

Each command is imported when it is run. So ``--help`` and ``--version`` load neither SQLAlchemy nor
the store.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NoReturn

import click

from storectl.output.exit_codes import ExitCode
from storectl.output.json_flag import use_json, wants_json
from storectl.system import changes, lifeline, signals
from storectl.system.completion import COMPLETE
from storectl.system.other_verbs import no_such_command
from storectl.system.parameters import LOCK_TIMEOUT_S, FilePath, Seconds
from storectl.verb import in_context, write_examples
from storectl.version import __version__

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

VERBS: Final = {
    "import": ("import_", "Load images from archives."),
    "save": ("save", "Save images to an archive."),
    "pull": ("pull", "Download images from registries."),
    "push": ("push", "Push images to a registry."),
    "load-into": ("load_into", "Load an image into a Docker engine."),
    "copy": ("copy", "Copy images between registries and other places."),
    "sync": ("sync", "Keep the store equal with what a file lists."),
    "tags": ("tags", "List the tags of a repository in a registry."),
    "manifest": ("manifest", "Print the manifest of an image."),
    "digest": ("digest", "Print the digest of an image."),
    "images": ("images", "List images."),
    "tag": ("tag", "Create a tag that refers to an image."),
    "untag": ("untag", "Remove tags and keep their images."),
    "log": ("log", "Show what a tag has pointed at."),
    "rollback": ("rollback", "Point tags back at what they named before."),
    "rm": ("rm", "Remove tags, and images with their last tag."),
    "inspect": ("inspect", "Show detailed information on images."),
    "history": ("history", "Show the history of an image."),
    "events": ("events", "Show the events of images."),
    "df": ("df", "Show disk usage."),
    "gc": ("gc", "Remove content that nothing refers to."),
    "prune": ("prune", "Remove untagged images."),
    "fsck": ("fsck", "Check all stored content."),
    "scrub": ("scrub", "Read stored content again, and find damage."),
    "backup": ("backup", "Back up the store."),
    "restore": ("restore", "Make a new store from a backup."),
    "rescue": ("rescue", "Make a lost catalogue again."),
    "db": ("db", "Manage the database schema."),
    "serve": ("serve", "Serve the store as a registry."),
    "login": ("login", "Log in to a registry."),
    "logout": ("logout", "Log out of a registry."),
    "passwd": ("passwd", "Set a password of a registry user."),
    "mirror-config": ("mirror_config", "Print client configuration for a mirror."),
    "version": ("version", "Show version information."),
    "completion": ("completion", "Generate a shell completion script."),
    "help": ("help", "Show help for a command."),
}
"""Every command: its module in `storectl.commands`, and its line in the list of commands."""

ALIASES: Final = {
    "load": "import",
    "export": "save",
    "ls": "images",
    "rmi": "rm",
    "verify": "fsck",
}
EXAMPLES: Final = (
    "docker save debian:12 | storectl import -",
    "storectl images",
    "storectl save debian:12 | docker load",
)


class LazyGroup(click.Group):
    """A group of commands that imports a command only when it is run."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the options before the command."""
        with in_context(ctx):
            return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in the order of `VERBS`."""
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command with this name or alias, or None."""
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
        """Return the command that ``args`` name, and the remaining arguments.

        Raises:
            NoSuchCommand: No command has this name. The error suggests similar names, including
                names of commands that are not imported and thus unknown to click.
        """
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as exc:
            raise no_such_command(
                exc.command_name, possibilities=(*VERBS, *ALIASES), ctx=ctx
            ) from None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands and aliases that begin with the typed text, or the options.

        No command is imported, and no description is shortened.
        """
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only when a shell asks

        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        texts = {name: text for name, (_, text) in VERBS.items()} | {
            alias: f"alias of {name}" for alias, name in ALIASES.items()
        }
        return [
            CompletionItem(name, help=text)
            for name, text in texts.items()
            if name.startswith(incomplete)
        ]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in VERBS.items()])
        with formatter.section("Aliases"):
            formatter.write_dl([(alias, f"alias of {name}") for alias, name in ALIASES.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
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
    type=FilePath(folder=True),
    help=(
        "Folder of the store, also accepted after the command.  [default: $STORECTL_ROOT, else"
        " storectl in the XDG data folder]"
    ),
)
@click.option(
    "--lock-timeout",
    metavar="SECONDS",
    envvar="STORECTL_LOCK_TIMEOUT",
    type=Seconds(),
    default=LOCK_TIMEOUT_S,
    help=(
        "How long to wait for a lock of another process, also accepted after the command."
        "  [default: $STORECTL_LOCK_TIMEOUT, else 60]"
    ),
)
@click.option("--debug", is_flag=True, help="Log each step and print tracebacks.")
@click.version_option(__version__, prog_name="storectl", message="%(prog)s %(version)s")
def cli(root: str | None, *, lock_timeout: float, debug: bool) -> None:
    """A content-addressed store for container images: archives in and out, byte for byte."""
    # Commands read the values from the context, because the options may follow the command.
    del root, lock_timeout, debug


_GC_THRESHOLD: Final = 200_000
"""The number of new objects after which Python looks for reference cycles (its default is 700).

The imports of a pull or push alone make 120,000 objects, and looking at them takes 36 ms.
"""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit with a code of `ExitCode`.

    Args:
        arguments: The command line without the program's name; None to use `sys.argv`.
    """
    # A run keeps most of the objects it creates, such as modules and the rows of a list. With
    # Python's default, searching them for garbage takes a fifth of the run's time.
    gc.set_threshold(_GC_THRESHOLD)
    try:
        signals.install()
        lifeline.watch()
        if sys.stdout is not None and hasattr(sys.stdout, "reconfigure"):
            # Write an escape for a letter that the terminal cannot show, and raise no error.
            sys.stdout.reconfigure(errors="backslashreplace")
        code = run(arguments)
    except KeyboardInterrupt:
        # The signal came before `run` handles it, or while it handled the end of the run.
        code = _report_interruption()
    except signals.TerminatedError as ended:
        code = ended.code
    # All is done and written. A signal could only make the exit fail.
    signals.ignore()
    # Skip the last search for cycles: it takes a quarter of a short run, and the exit frees all
    # memory anyway.
    gc.freeze()
    sys.exit(code)


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Errors are printed on standard error, without a traceback unless ``--debug`` is given.

    Args:
        arguments: The command line without the program's name; None to use `sys.argv`.
    """
    changes.forget()
    code: int = ExitCode.OK
    try:
        if COMPLETE in os.environ:
            cli.main(args=arguments, prog_name="storectl", complete_var=COMPLETE)
        code = _dispatch(sys.argv[1:] if arguments is None else arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return _report_interruption()
    except signals.TerminatedError as ended:
        return ended.code
    except BrokenPipeError:
        _discard_output()
        return ExitCode.BROKEN_PIPE
    except OSError as exc:
        # The output could not be written, for example because the disk is full.
        from storectl.output.failures import report  # noqa: PLC0415 - only when something failed

        _discard_output()
        # A command that has failed has reported why; this can be the same error, met again.
        return code or report(exc, debug=False, about="standard output")
    return code


def _report_interruption() -> ExitCode:
    """Say on standard error what an interrupted run has changed; return the exit code."""
    # A shell that asks for completions shows nothing, and a message would disturb its line.
    if COMPLETE not in os.environ:
        # The terminal has shown "^C" on the current line.
        newline = "\n" if sys.stderr is not None and sys.stderr.isatty() else ""
        with suppress(OSError):
            click.echo(f"{newline}storectl: {changes.interruption()}", err=True)
    return ExitCode.INTERRUPTED


def _dispatch(arguments: list[str]) -> int:
    """Parse the arguments and run the command.

    `click.Command.main` is not used because it exits with 1 after a broken pipe and treats an
    EOFError like Ctrl-C.
    """
    as_json = wants_json(arguments)
    try:
        with cli.make_context("storectl", list(arguments)) as context:
            if as_json:
                use_json(context)
            try:
                result = cli.invoke(context)
            except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
                raise
            except Exception as exc:  # noqa: BLE001 - the last resort
                interruption = signals.interruption(exc)
                if interruption is not None:
                    raise interruption from None
                from storectl.output.failures import report  # noqa: PLC0415

                return report(exc, debug=context.params["debug"])
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.Abort:
        raise KeyboardInterrupt from None
    except click.ClickException as error:
        from storectl.output.failures import report_usage  # noqa: PLC0415 - only when something failed

        return report_usage(error, as_json=as_json)
    return result if isinstance(result, int) else ExitCode.OK


def _discard_output() -> None:
    """Redirect standard output to /dev/null, so that the flush at exit does not fail again."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
