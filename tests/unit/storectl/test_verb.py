"""Parsing, help, and what a verb ends with when something goes wrong."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest

from store import Store, errors
from storectl import cli, settings
from storectl.output.exit_codes import ExitCode
from storectl.system import signals
from tests.support.images import A, image

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.storectl.conftest import FakeStore, Shell

VERBS = [
    *((name,) for name in cli.VERBS),
    *((name,) for name in cli.ALIASES),
    *(("db", verb) for verb in ("current", "upgrade", "check")),
]


def test_the_list_of_verbs_needs_no_verb(shell: Shell) -> None:
    out = shell("--help")
    assert all(f"  {name}  " in out for name in (*cli.VERBS, *cli.ALIASES))
    assert shell("-h") == out
    assert shell("--version") == "storectl 0.1.0\n"


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_every_verb_has_help_an_example_and_json(shell: Shell, words: tuple[str, ...]) -> None:
    out = shell(*words, "--help")
    assert f"Usage: storectl {' '.join(words)} " in out
    example = out.partition("Example:\n")[2]
    assert all(line.startswith("  ") for line in example.splitlines())
    assert "storectl" in example
    # A server has no result, and a client's configuration is for that client to read.
    assert "--json" in out or words in {("db",), ("serve",), ("mirror-config",)}


@pytest.mark.parametrize("name", cli.VERBS)
def test_the_list_of_verbs_is_the_verbs(name: str) -> None:
    module, _ = cli.VERBS[name]
    command = importlib.import_module(f"storectl.commands.{module}").command
    assert isinstance(command, click.Command)
    assert command.name == name


def test_an_alias_is_the_verb() -> None:
    context = click.Context(cli.cli)
    for alias, name in cli.ALIASES.items():
        assert cli.cli.get_command(context, alias) is cli.cli.get_command(context, name)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("imges",), "No such command 'imges'. Did you mean 'images'?"),
        (("lod",), "Did you mean 'load'?"),
        (("--nope",), "--nope"),
        (("images", "--nope"), "--nope"),
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


@pytest.mark.parametrize("arguments", [(), ("db",)])
def test_without_a_verb_the_help_is_shown(shell: Shell, arguments: tuple[str, ...]) -> None:
    assert shell(*arguments, code=2) == ""
    assert "Commands:" in shell.err


def test_an_error_is_said_with_its_hint_and_cannot_command_the_terminal(
    shell: Shell, fake: FakeStore
) -> None:
    fake.answers["images"] = errors.Conflict("two of them:\n  a\x1b[2J", hint="choose\x07")
    shell("images", code=6)
    assert shell.err == "storectl: error: two of them:\n  a\\x1b[2J\nhint: choose\\x07\n"
    fake.answers["images"] = errors.NotFound("gone")
    shell("images", code=3)
    assert shell.err == "storectl: error: gone\n"


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (
            OSError(28, "No space left on device"),
            7,
            "the operating system says: No space left on device",
        ),
        (OSError(30, "Read-only file system", "there"), 8, "there: Read-only file system"),
        (PermissionError(13, "Permission denied", "there"), 9, "there: Permission denied"),
        (OSError(5, "Input/output error"), 10, "Input/output error"),
        (RuntimeError("a fault"), 1, "internal error: RuntimeError: a fault"),
        (EOFError("a fault, too"), 1, "internal error: EOFError"),
        (RecursionError("deep"), 1, "internal error: RecursionError"),
    ],
)
def test_what_nobody_expected_is_no_traceback_unless_asked_for(
    shell: Shell, fake: FakeStore, raised: Exception, code: int, said: str
) -> None:
    fake.answers["images"] = raised
    shell("images", code=code)
    assert said in shell.err
    assert "Traceback" not in shell.err
    shell("--debug", "images", code=code)
    assert said in shell.err
    assert "Traceback" in shell.err


def test_debug_logs_to_standard_error(
    shell: Shell, fake: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured: list[dict[str, object]] = []
    monkeypatch.setattr(logging, "basicConfig", lambda **options: configured.append(options))
    fake.answers["images"] = ()
    shell("--debug", "images")
    assert [(one["level"], one["stream"]) for one in configured] == [(logging.DEBUG, sys.stderr)]


class Screen:
    """Standard error that is a terminal."""

    def __init__(self) -> None:
        self.shown = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.shown += text
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), click.Abort()])
def test_an_interrupt_is_quiet(
    shell: Shell, fake: FakeStore, monkeypatch: pytest.MonkeyPatch, raised: BaseException
) -> None:
    fake.answers["images"] = raised
    shell("images", code=130)
    assert shell.err == ""
    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    assert cli.run(["images"]) == ExitCode.INTERRUPTED
    assert screen.shown == "\n", "the prompt does not stand behind ^C"


@pytest.mark.usefixtures("own_process")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_termination_unwinds_once(
    shell: Shell, fake: FakeStore, number: signal.Signals, code: int
) -> None:
    with pytest.raises(signals.TerminatedError) as ended:
        signals.terminate(number, None)
    assert all(
        signal.getsignal(one) is signal.SIG_IGN
        for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    )
    fake.answers["images"] = ended.value
    shell("images", code=code)
    assert shell.err == ""


class Output:
    """Standard output that cannot be written."""

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
    fake.answers["images"] = ()
    monkeypatch.setattr("sys.stdout", Output(error))
    assert cli.run(["images", "-q"]) == code
    err = capsys.readouterr().err
    assert said in err
    assert bool(err) is bool(said)


def test_a_pipe_that_breaks_inside_a_verb_ends_it_quietly(
    shell: Shell, fake: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "_discard_output", lambda: None)
    fake.answers["images"] = BrokenPipeError(32, "Broken pipe")
    shell("images", code=141)
    assert shell.err == ""


def test_closed_output_is_no_fault(
    shell: Shell, fake: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    del shell
    fake.answers["images"] = ()
    monkeypatch.setattr("sys.stdout", None)
    assert cli.run(["images"]) == 0


@pytest.mark.usefixtures("own_process")
def test_main_ends_the_process_with_the_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["storectl", "--version"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert signal.getsignal(signal.SIGTERM) is signals.terminate
    assert signal.getsignal(signal.SIGHUP) is signals.terminate
    assert ended.value.code == 0
    assert capsys.readouterr().out == "storectl 0.1.0\n"


def test_the_shell_is_answered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_STORECTL_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "storectl fs")
    monkeypatch.setenv("COMP_CWORD", "1")
    with pytest.raises(SystemExit) as ended:
        cli.run([])
    assert ended.value.code == 0
    assert capsys.readouterr().out == "plain,fsck\n"


def test_settings_come_from_flags_and_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    seen: list[str | None] = []
    monkeypatch.setenv("STORECTL_ROOT", "/from/environment")
    real = settings.resolve

    def resolve(
        root: str | None, environment: dict[str, str], *, debug: bool = False
    ) -> settings.Settings:
        seen.append(root)
        return real(root, environment, debug=debug)

    monkeypatch.setattr(settings, "resolve", resolve)
    for arguments in (["images"], ["--root", str(tmp_path), "images"]):
        assert cli.run(arguments) == ExitCode.UNAVAILABLE
    assert seen == ["/from/environment", str(tmp_path)]


def environment() -> dict[str, str]:
    """Ours, without what makes a child measure its coverage: this is about how fast it is and what it loads."""
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
                "store.model.contents",
                "store.maintenance.fsck",
                "store.maintenance.gc",
                "store.names.tagging",
            },
        ),
        (
            "images demo:1 --limit 1 --json",
            ARCHIVES | {"store.formats.image.config", "store.model.contents"},
        ),
        (
            "tag demo:1 demo:2",
            ARCHIVES
            | {"store.formats.image.config", "store.maintenance.fsck", "store.maintenance.gc"},
        ),
        ("untag demo:1", ARCHIVES | {"store.formats.image.config"}),
        ("rm demo:1", ARCHIVES | {"store.formats.image.config", "store.maintenance.fsck"}),
        ("events", ARCHIVES | {"store.formats.image.config"}),
        ("df", ARCHIVES | {"store.formats.image.config"}),
        ("gc", ARCHIVES | {"store.formats.image.config", "store.maintenance.fsck"}),
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
def test_a_verb_loads_what_it_needs(words: str, without: set[str], tmp_path: Path) -> None:
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
    # The dialect of another database is as large as all of SQLAlchemy's core; bars are drawn on
    # terminals only.
    assert not loaded & (
        without
        | {
            "alembic",
            "sqlalchemy.dialects.postgresql",
            "sqlalchemy.orm",
            "rich",
            "unittest",
            "urllib.request",
        }
    )


def processor_seconds(*arguments: str) -> float:
    """What a child costs. Processor time, so that others' turns do not count."""
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
def test_help_comes_at_once(argument: str) -> None:
    # A processor that is shared is slower as well, now more and now less: both are taken at their
    # best of many times, by turns.
    ours: list[float] = []
    pythons: list[float] = []
    while len(ours) < 10 or min(ours) > 6 * min(pythons):
        assert len(ours) < 40, f"{min(ours)} s, and Python alone takes {min(pythons)} s"
        ours.append(processor_seconds("-m", "storectl", argument))
        pythons.append(processor_seconds("-c", "pass"))


def test_the_store_may_be_named_before_the_verb_and_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (
        ["--root", "/x/before", "images", "--root", "/x/after"],
        ["db", "current", "--root", "/x/after"],
        ["db", "--root", "/x/after", "current"],
    ):
        assert cli.run(arguments) == 10
        assert "no store at /x/after" in capsys.readouterr().err
    monkeypatch.delenv("HOME")
    assert cli.run(["images", "--root", str(tmp_path / "none"), "--debug"]) == 10
    assert "Traceback" in capsys.readouterr().err


def test_flags_take_values_as_dockers_do(shell: Shell, fake: FakeStore) -> None:
    fake.answers["collect"] = errors.ImageNotFound("enough")
    shell("gc", "--dry-run=true", "--dangling=false", code=3)
    assert fake.asked[-1][2] == {"dry_run": True, "dangling": False}
    shell("gc", "--dry-run=perhaps", code=2)
    fake.answers["inspect"] = errors.ImageNotFound("enough")
    shell("history", "--human=false", "--", "--human=false", code=3)
    assert fake.asked[-1][1] == ("--human=false",)
