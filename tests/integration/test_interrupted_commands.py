"""Commands that are interrupted by signals, full disks and readers that close the pipe."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

import pytest

from store import Store
from storectl.output.exit_codes import ExitCode
from tests.support.command_files import GOLDEN
from tests.support.command_line import Runner
from tests.support.images import A, image, layer
from tests.support.waiting import PATIENCE_S, until

SAYS = {130: b"storectl: interrupted; nothing was changed\n", 143: b"", 129: b""}
"""What a run that has changed nothing says when it ends with each code."""


@pytest.fixture
def run(root: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Runner:
    return Runner(root, capfdbinary)


@pytest.fixture
def filled(run: Runner) -> Runner:
    run(
        "import",
        *(str(GOLDEN / f"{name}.tar") for name in ("multi-layer", "parent-and-tags", "untagged")),
    )
    return run


def start(
    root: Path, *arguments: str, stdout: IO[bytes] | int = subprocess.PIPE
) -> subprocess.Popen[bytes]:
    program = [sys.executable, "-m", "storectl", "--root", str(root)]
    return subprocess.Popen(
        [*program, *arguments], stdin=subprocess.PIPE, stdout=stdout, stderr=subprocess.PIPE
    )


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_in_the_middle_of_an_import_leaves_nothing(
    root: Path, number: signal.Signals, code: int
) -> None:
    process = start(root, "import", "-")
    assert process.stdin is not None
    process.stdin.write(image(A, layer("random", os.urandom(12 * 2**20))).bytes()[: 9 * 2**20])
    process.stdin.flush()
    staging = root / "staging"
    until(lambda: any(file.stat().st_size for file in staging.glob("*/*")))
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE_S)
    # The first line reports the new store.
    said = b"".join(err.splitlines(keepends=True)[1:])
    assert (process.returncode, out, said) == (code, b"", SAYS[code])
    assert list(staging.iterdir()) == []
    with Store.open(root) as store:
        assert store.images() == ()
        assert list(store.blobs.digests()) == []


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_in_the_middle_of_a_save_leaves_no_file(
    run: Runner, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    path = tmp_path / "big.tar"
    path.write_bytes(image(layer("random", os.urandom(3 * 2**20))).bytes())
    run("import", str(path))
    # A pipe that no process reads is soon full: the save stops in the middle.
    reader, writer = os.pipe()
    process = start(run.root, "save", "demo:1", stdout=writer)
    os.close(writer)
    assert os.read(reader, 512)
    process.send_signal(number)
    _, err = process.communicate(timeout=PATIENCE_S)
    os.close(reader)
    assert (process.returncode, err) == (code, SAYS[code])
    assert not list((run.root / "staging").iterdir())


def test_a_command_without_a_terminal_ignores_hangups(root: Path) -> None:
    script = (
        "import signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); import storectl.cli as"
        " c; c.main(['import', '-', '--root', sys.argv[1]])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    archive = image(A).bytes()
    # The store is created when the archive begins.
    process.stdin.write(archive[:512])
    process.stdin.flush()
    until((root / "staging").is_dir)
    process.send_signal(signal.SIGHUP)
    out, _ = process.communicate(archive[512:], timeout=PATIENCE_S)
    assert (process.returncode, out) == (0, b"Loaded image: demo:1\n")


def test_a_slow_reader_of_a_non_blocking_output_gets_everything(
    run: Runner, tmp_path: Path
) -> None:
    path, saved = tmp_path / "big.tar", tmp_path / "saved.tar"
    path.write_bytes(image(layer("random", os.urandom(3 * 2**20))).bytes())
    run("import", str(path))
    run("save", "-o", str(saved), "demo:1")
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    process = start(run.root, "save", "demo:1", stdout=writer)
    os.close(writer)
    time.sleep(0.5)
    got = b""
    while piece := os.read(reader, 50_000):
        got += piece
        time.sleep(0.002)
    os.close(reader)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, err) == (0, b"")
    assert got == saved.read_bytes()


def test_known_layers_of_a_file_on_standard_input_are_not_read_again(
    run: Runner, tmp_path: Path
) -> None:
    path = tmp_path / "big.tar"
    path.write_bytes(image(layer("random", os.urandom(16 * 2**20))).bytes())
    script = (
        "import sys, pathlib, storectl.cli as c\ncode = c.run(['--root', sys.argv[1], 'import',"
        " '-q'])\nprint(code, *(line.split()[1] for line in"
        " pathlib.Path('/proc/self/io').read_text().splitlines() if line.startswith('rchar')))"
    )
    run("import", str(path))

    def read_bytes(**stdin: Any) -> int:  # noqa: ANN401 - a file or bytes
        done = subprocess.run(
            [sys.executable, "-c", script, str(run.root)], capture_output=True, check=True, **stdin
        )
        code, count = done.stdout.splitlines()[-1].split()
        assert code == b"0"
        return int(count)

    with path.open("rb") as file:
        sought = read_bytes(stdin=file)
    assert read_bytes(input=path.read_bytes()) - sought > 15 * 2**20
    with path.open("rb") as file:
        file.seek(0, 2)
        assert (
            subprocess.run(
                [sys.executable, "-m", "storectl", "--root", str(run.root), "import"],
                stdin=file,
                capture_output=True,
                check=False,
            ).returncode
            == 4
        )


def test_a_reader_that_closes_the_pipe_is_not_reported(run: Runner, tmp_path: Path) -> None:
    path = tmp_path / "big.tar"
    path.write_bytes(image(layer("random", os.urandom(3 * 2**20))).bytes())
    run("import", str(path))
    for arguments in (("save", "demo:1"), ("images",), ("inspect", "demo:1"), ("--help",)):
        reader, writer = os.pipe()
        os.close(reader)
        process = start(run.root, *arguments, stdout=writer)
        os.close(writer)
        _, err = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, err) == (141, b""), arguments


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_full_disk_in_the_middle_of_an_import_leaves_nothing(run: Runner, tmp_path: Path) -> None:
    archive = tmp_path / "archive.tar"
    archive.write_bytes(
        image(layer("big", random.Random(1).randbytes(6_000_000)), tags=("big:1",)).bytes()
    )
    run.root.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", run.root], check=True
    )
    try:
        run("import", str(archive), code=7)
        assert "No space left on device" in run.err
        assert "nothing was changed" in run.err
        assert run("images", "-aq") == ""
        assert not list((run.root / "staging").iterdir())
        # The failed import has freed its space: a small archive fits.
        run("import", str(GOLDEN / "single-layer.tar"))
        run("fsck")
    finally:
        subprocess.run(["umount", run.root], check=True)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_output_on_a_full_disk_is_an_error(filled: Runner) -> None:
    for arguments in (("save", "spec-many"), ("images",)):
        with Path("/dev/full").open("wb") as full:
            process = start(filled.root, *arguments, stdout=full)
            _, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 7
        assert (
            err.decode().splitlines()[0]
            == "storectl: error: standard output: No space left on device"
        )


@pytest.mark.parametrize("busy_s", [0.0, 0.05], ids=["idle", "busy"])
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_during_garbage_collection_ends_the_run(
    number: signal.Signals, code: int, busy_s: float
) -> None:
    # Python prints and drops an exception that is raised in a weak reference's callback. It also
    # drops one that is raised while it prints, as may happen on a busy machine.
    script = """
import os, signal, sys, time, weakref
import storectl.cli as cli
from storectl.system import signals

set_timer, busy = signal.setitimer, [float(sys.argv[2])]

def setitimer(which, seconds):
    set_timer(which, seconds)
    until = time.monotonic() + (busy.pop() if busy else 0)
    while time.monotonic() < until: pass

def slowly(unraisable, hook=signals.raise_again):
    signal.setitimer = setitimer
    hook(unraisable)
    signal.setitimer = set_timer

signals.raise_again = slowly

class Thing: pass

def strike(_reference):
    os.kill(os.getpid(), int(sys.argv[1]))
    for _ in range(1000): pass

def dispatch(_arguments):
    thing = Thing()
    kept = weakref.ref(thing, strike)
    del thing
    time.sleep(600)

cli._dispatch = dispatch
cli.main([])
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(number.value), str(busy_s)],
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (code, SAYS[code])


def test_exit_does_not_search_for_cycles() -> None:
    script = """
import atexit, gc
import storectl.cli as cli

atexit.register(lambda: print("frozen:", gc.get_freeze_count() > 1000))
cli.main(["version", "--json"])
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "frozen: True"


def test_cleaning_up_after_a_signal_ends() -> None:
    script = """
import os, signal, time
import storectl.cli as cli
from storectl.system import signals

def dispatch(_arguments):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(600)
    finally:
        time.sleep(600)

signals.CLEANUP_LIMIT_S = 0.2
cli._dispatch = dispatch
cli.main([])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, timeout=PATIENCE_S, check=False
    )
    assert (done.returncode, done.stderr) == (143, b"")


def test_an_interruption_at_any_moment_of_the_start_leaves_no_traceback(root: Path) -> None:
    # Each run stops where the signal arrives: at the import of one of the program's modules.
    script = """
import os, signal, sys
wanted = sys.argv.pop(1)

class Strike:
    def find_spec(self, name, path=None, target=None):
        if name == wanted:
            os.kill(os.getpid(), signal.SIGINT)

from storectl import start
sys.meta_path.insert(0, Strike())
start.main()
"""
    modules = ("storectl.cli", "click", "click.core", "storectl.commands.images", "store.store")
    for module in (*modules, "sqlalchemy.engine"):
        done = subprocess.run(
            [sys.executable, "-c", script, module, "images", "--root", str(root)],
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert (module, done.returncode, done.stderr) == (module, 130, SAYS[130])
        assert not root.exists()


def test_an_interrupted_completion_says_nothing(root: Path) -> None:
    script = """
import os, signal
import storectl.cli as cli
cli.cli.main = lambda **_given: os.kill(os.getpid(), signal.SIGINT)
cli.main([])
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "_STORECTL_COMPLETE": "bash_complete", "STORECTL_ROOT": str(root)},
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_an_interruption_after_a_change_says_that_it_is_kept(run: Runner, tmp_path: Path) -> None:
    path = tmp_path / "in.tar"
    path.write_bytes(image(A).bytes())
    run("import", str(path))
    script = """
import os, signal, sys
import storectl.cli as cli
from store import Store

tag = Store.tag

def then_strike(self, *given):
    tag(self, *given)
    os.kill(os.getpid(), signal.SIGINT)

Store.tag = then_strike
cli.main(["tag", "demo:1", "kept:1", "--root", sys.argv[1]])
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(run.root)],
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    message = b"storectl: interrupted; changes that were already made are kept\n"
    assert (done.returncode, done.stderr) == (130, message)
    assert "kept" in run("images")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("images",), 0), (("save", "absent:1"), 3), (("bogus",), 2), (("fsck",), 0)],
)
def test_a_closed_standard_error_changes_no_exit_code(
    filled: Runner, arguments: tuple[str, ...], code: int
) -> None:
    program = [sys.executable, "-m", "storectl", "--root", str(filled.root), *arguments]
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" 2>&-', "sh", *program],
        stdout=subprocess.PIPE,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == code


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("images",), ExitCode.UNAVAILABLE),
        (("df",), ExitCode.UNAVAILABLE),
        (("--version",), ExitCode.UNAVAILABLE),
        (("images", "-q", "--filter", "reference=absent"), ExitCode.OK),
        (("tag", "spec-many", "app:2"), ExitCode.OK),
    ],
)
def test_what_cannot_be_written_to_a_closed_output_is_an_error(
    filled: Runner, arguments: tuple[str, ...], code: ExitCode
) -> None:
    program = [sys.executable, "-m", "storectl", "--root", str(filled.root), *arguments]
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *program],
        stderr=subprocess.PIPE,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == code
    said = "storectl: error: standard output: Bad file descriptor\n"
    assert done.stderr == (said if code else "")


def test_no_file_of_the_store_takes_the_place_of_a_closed_standard_file(
    root: Path, tmp_path: Path
) -> None:
    path = tmp_path / "in.tar"
    path.write_bytes(image(A).bytes())
    program = [sys.executable, "-m", "storectl", "--root", str(root), "import", str(path)]
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *program], timeout=PATIENCE_S, check=False
    )
    # The image is imported; its name could not be written.
    assert done.returncode == ExitCode.UNAVAILABLE
    with Store.open(root) as store:
        assert len(store.images()) == 1
        assert list(store.fsck()) == []
