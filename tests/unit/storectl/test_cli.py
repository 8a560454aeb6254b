"""The command line: its parser, its exit codes, and the modules that a command imports."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import click
import pytest

from store import Store
from storectl import cli, settings
from storectl.output.exit_codes import ExitCode
from storectl.system import signals
from tests.support.images import A, image

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fake_shell import FakeStore, Shell

VERBS = [
    *((name,) for name in cli.VERBS),
    *((name,) for name in cli.ALIASES),
    *(("db", verb) for verb in ("current", "upgrade", "check")),
]


def test_help_lists_every_command_and_alias(shell: Shell) -> None:
    out = shell("--help")
    assert all(f"  {name}  " in out for name in (*cli.VERBS, *cli.ALIASES))
    assert shell("-h") == out
    assert shell("--version") == "storectl 0.1.0\n"


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_every_command_has_help_an_example_and_json(shell: Shell, words: tuple[str, ...]) -> None:
    out = shell(*words, "--help")
    assert f"Usage: storectl {' '.join(words)} " in out
    example = out.partition("Example:\n")[2]
    assert all(line.startswith("  ") for line in example.splitlines())
    assert "storectl" in example
    # A server prints no result, and help and a client's configuration have formats of their own.
    assert "--json" in out or words in {("db",), ("help",), ("serve",), ("mirror-config",)}


@pytest.mark.parametrize("name", cli.VERBS)
def test_every_entry_of_the_table_is_a_command(name: str) -> None:
    module, _ = cli.VERBS[name]
    command = importlib.import_module(f"storectl.commands.{module}").command
    assert isinstance(command, click.Command)
    assert command.name == name


def test_an_alias_runs_its_command() -> None:
    context = click.Context(cli.cli)
    for alias, name in cli.ALIASES.items():
        assert cli.cli.get_command(context, alias) is cli.cli.get_command(context, name)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("imges",), "No such command 'imges'. Did you mean 'images'?"),
        (("lod",), "Did you mean 'load'"),
        (("--nope",), "--nope"),
        (("images", "--nope"), "--nope"),
        (("completion",), "Choose from: bash, zsh, fish"),
        (("tag", "one"), "TARGET"),
        (("db", "sideways"), "sideways"),
    ],
)
def test_wrong_usage_is_two_lines_on_standard_error(
    shell: Shell, arguments: tuple[str, ...], said: str
) -> None:
    assert shell(*arguments, code=2) == ""
    first, second = shell.err.splitlines()
    assert first.startswith("storectl: error: ")
    assert said in first
    assert second.startswith("hint: run `storectl")


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_an_unknown_option_of_any_command_is_wrong_usage(
    shell: Shell, words: tuple[str, ...]
) -> None:
    shell(*words, "--no-such-option", code=2)
    assert "--no-such-option" in shell.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("images", "--platform", "a/b/c/d"),
        ("inspect", "--platform", "", "x"),
        ("history", "--platform", "x/", "x"),
        ("save", "-o", "x.tar", "--platform", "/", "x"),
        ("import", "--platform", "a/b/c/d", "x.tar"),
        ("import", "--compression", "brotli", "x.tar"),
        ("import", "--max-layer-size", "huge", "x.tar"),
        ("images", "--limit", "0"),
        ("images", "--filter", "x"),
        ("events", "--since", "x"),
        ("rollback", "--to", "x", "y"),
        ("rollback", "--to", "1h", "--steps", "2", "y"),
        ("rollback", "--all-tags", "y"),
        ("tag", "--as-of", "2999-01-01", "x", "y"),
        ("gc", "--undo-for", "7d"),
        ("completion", "tcsh"),
        ("version", "x"),
        ("gc", "x"),
        ("df", "x"),
    ],
    ids=" ".join,
)
def test_an_invalid_value_or_argument_is_wrong_usage(
    shell: Shell, arguments: tuple[str, ...]
) -> None:
    assert shell(*arguments, code=2) == ""
    assert shell.err.startswith("storectl: error: ")


@pytest.mark.parametrize("arguments", [(), ("db",)])
def test_help_is_shown_without_a_command(shell: Shell, arguments: tuple[str, ...]) -> None:
    assert shell(*arguments, code=2) == ""
    assert "Commands:" in shell.err


class Screen:
    """A fake standard error stream that claims to be a terminal."""

    def __init__(self) -> None:
        self.shown = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.shown += text
        return len(text)

    def flush(self) -> None:
        """Do nothing, because no text is buffered."""


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), click.Abort()])
def test_an_interrupt_says_what_was_changed(
    shell: Shell, fake: FakeStore, monkeypatch: pytest.MonkeyPatch, raised: BaseException
) -> None:
    fake.answers["each_image"] = raised
    shell("images", code=130)
    assert shell.err == "storectl: interrupted; nothing was changed\n"
    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    assert cli.run(["images"]) == ExitCode.INTERRUPTED
    # The terminal has shown "^C" on the current line.
    assert screen.shown == "\nstorectl: interrupted; nothing was changed\n"


def test_an_interrupt_in_the_creation_of_a_class_is_an_interrupt(
    shell: Shell, fake: FakeStore
) -> None:
    wrapped = RuntimeError("Error calling __set_name__ on 'property' instance")
    wrapped.__cause__ = KeyboardInterrupt()
    fake.answers["each_image"] = wrapped
    shell("images", code=130)
    assert shell.err == "storectl: interrupted; nothing was changed\n"


@pytest.mark.usefixtures("own_process")
@pytest.mark.parametrize(
    ("raised", "code"),
    [(KeyboardInterrupt(), 130), (signals.TerminatedError(ExitCode.TERMINATED), 143)],
)
def test_a_signal_before_the_run_ends_the_process_with_the_code(
    monkeypatch: pytest.MonkeyPatch, raised: BaseException, code: int
) -> None:
    def install() -> None:
        raise raised

    monkeypatch.setattr(signals, "install", install)
    with pytest.raises(SystemExit) as ended:
        cli.main([])
    assert ended.value.code == code


class Output:
    """A fake standard output stream that raises ``error`` when it is flushed."""

    def __init__(self, error: OSError) -> None:
        self.error = error

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        raise self.error

    def fileno(self) -> int:
        raise OSError(9, "Bad file descriptor")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (BrokenPipeError(32, "Broken pipe"), 141, ""),
        (OSError(28, "No space left on device"), 7, "standard output: No space left on device"),
    ],
)
def test_output_that_cannot_be_written_is_an_error(
    shell: Shell,
    fake: FakeStore,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: OSError,
    code: int,
    said: str,
) -> None:
    del shell
    fake.answers["each_image"] = ()
    monkeypatch.setattr("sys.stdout", Output(error))
    assert cli.run(["images", "-q"]) == code
    err = capsys.readouterr().err
    assert said in err
    assert bool(err) is bool(said)


def test_a_broken_pipe_ends_a_command_quietly(
    shell: Shell, fake: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "_discard_output", lambda: None)
    fake.answers["each_image"] = BrokenPipeError(32, "Broken pipe")
    shell("images", code=141)
    assert shell.err == ""


def test_closed_output_is_not_an_error(
    shell: Shell, fake: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    del shell
    fake.answers["each_image"] = ()
    monkeypatch.setattr("sys.stdout", None)
    assert cli.run(["images"]) == 0


@pytest.mark.usefixtures("own_process")
def test_main_ends_the_process_with_the_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["storectl", "--version"])
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    run = cli.run
    handlers: list[object] = []

    def note_handlers(arguments: list[str] | None) -> int:
        handlers.extend(map(signal.getsignal, numbers))
        return run(arguments)

    monkeypatch.setattr(cli, "run", note_handlers)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert handlers == [signals.terminate] * 3
    assert [signal.getsignal(number) for number in numbers] == [signal.SIG_IGN] * 3
    assert ended.value.code == 0
    assert capsys.readouterr().out == "storectl 0.1.0\n"


def test_a_shell_gets_completions(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_STORECTL_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "storectl fs")
    monkeypatch.setenv("COMP_CWORD", "1")
    with pytest.raises(SystemExit) as ended:
        cli.run([])
    assert ended.value.code == 0
    assert capsys.readouterr().out == "plain,fsck\n"


def test_the_root_comes_from_the_flag_or_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    seen: list[str | None] = []
    monkeypatch.setenv("STORECTL_ROOT", "/from/environment")
    real = settings.resolve

    def resolve(
        root: str | None,
        environment: dict[str, str],
        **others: Any,  # noqa: ANN401 - the rest of the settings
    ) -> settings.Settings:
        seen.append(root)
        return real(root, environment, **others)

    monkeypatch.setattr(settings, "resolve", resolve)
    for arguments in (["images"], ["--root", str(tmp_path), "images"]):
        assert cli.run(arguments) == ExitCode.UNAVAILABLE
    assert seen == ["/from/environment", str(tmp_path)]


def environment() -> dict[str, str]:
    """Return the environment variables, except variables that start coverage in a child process.

    Coverage would change which modules the child loads and how long it takes.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("COVERAGE", "COV_"))
    }


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_loads_neither_the_database_nor_the_store(argument: str) -> None:
    script = (
        f"import sys, storectl.cli as c\nc.run(['{argument}'])\nprint(*sys.modules,"
        " file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
    )
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert "click" in loaded
    assert not loaded & {
        "sqlalchemy",
        "alembic",
        "store",
        "exporter",
        "zstandard",
        "rich",
        "sqlite3",
        "pathlib",
    }


ARCHIVES = {
    "store.importing.importer",
    "store.formats.archives",
    "store.importing.intake",
    "zstandard",
    "isal",
    "exporter",
    "mirror",
    "aiohttp",
}
WRITERS = ARCHIVES - {"zstandard"}
"""What a command does not load that changes names: it writes the document log, which is zstd."""


@pytest.mark.parametrize(
    ("words", "without"),
    [
        ("db current", ARCHIVES | {"store.catalog", "store.model.contents"}),
        (
            "images",
            ARCHIVES
            | {
                "store.formats.image.config",
                "store.formats.golang.json",
                "store.maintenance.fsck",
                "store.maintenance.gc",
                "store.names.tagging",
                "store.db.upstream_schema",
                "store.blobs.downloads",
                "store.blobs.quarantine",
                "store.model.limits",
                "tempfile",
            },
        ),
        (
            "images demo:1 --limit 1 --json",
            ARCHIVES | {"store.formats.image.config"},
        ),
        (
            "tag demo:1 demo:2",
            WRITERS
            | {"store.formats.image.config", "store.maintenance.fsck", "store.maintenance.gc"},
        ),
        ("untag demo:1", WRITERS | {"store.formats.image.config"}),
        ("rm demo:1", WRITERS | {"store.formats.image.config", "store.maintenance.fsck"}),
        ("log demo:1", ARCHIVES | {"store.maintenance.gc", "store.names.removal"}),
        ("rollback --dry-run demo:1", ARCHIVES | {"store.maintenance.gc"}),
        ("events", ARCHIVES | {"store.formats.image.config"}),
        ("df", WRITERS | {"store.formats.image.config"}),
        ("gc", WRITERS | {"store.formats.image.config", "store.maintenance.fsck"}),
        (
            "inspect demo:1",
            {
                "store.importing.importer",
                "store.importing.intake",
                "exporter",
                "mirror",
                "aiohttp",
                "store.maintenance.fsck",
            },
        ),
        (
            "save demo:1 -o /dev/null",
            {
                "store.importing.importer",
                "store.importing.intake",
                "mirror",
                "aiohttp",
                "store.maintenance.fsck",
            },
        ),
        (
            "import {archive}",
            {"exporter", "mirror", "aiohttp", "store.maintenance.fsck", "store.maintenance.gc"},
        ),
    ],
)
def test_a_command_loads_only_what_it_needs(words: str, without: set[str], tmp_path: Path) -> None:
    archive = tmp_path / "demo.tar"
    archive.write_bytes(image(A).bytes())
    with Store.open(tmp_path / "store", create=True) as store:
        store.import_archive(archive)
    arguments = ["--root", str(tmp_path / "store"), *words.format(archive=archive).split()]
    script = (
        f"import sys, storectl.cli as c\nassert c.run({arguments!r}) == 0\nprint(*sys.modules,"
        " file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
    )
    loaded = set(done.stderr.split())
    assert "sqlalchemy" in loaded
    # The dialect of a different database is as large as all of SQLAlchemy's core; bars are drawn on
    # terminals only. Only asynchronous drivers of databases need asyncio, with TLS and sockets, and
    # only plug-ins need the metadata of packages, with the parser of e-mails.
    assert not loaded & (
        without
        | {
            "alembic",
            "asyncio",
            "email",
            "importlib.metadata",
            "ssl",
            "sqlalchemy.dialects.postgresql",
            "sqlalchemy.orm",
            "rich",
            "unittest",
            "urllib.request",
        }
    )


def processor_seconds(*arguments: str) -> float:
    """Run Python in a child process; return the child's processor time in seconds."""
    import resource

    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = spent()
    subprocess.run(
        [sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True, env=environment()
    )
    return spent() - before


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_takes_little_more_time_than_python(argument: str) -> None:
    # A busy machine is slower, by an amount that varies. So both programs run alternately, and the
    # shortest time of each counts.
    ours: list[float] = []
    pythons: list[float] = []
    while len(ours) < 10 or min(ours) > 6 * min(pythons):
        assert len(ours) < 40, f"{min(ours)} s, and Python alone takes {min(pythons)} s"
        ours.append(processor_seconds("-m", "storectl", argument))
        pythons.append(processor_seconds("-c", "pass"))
