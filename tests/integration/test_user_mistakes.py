"""Mistakes of users: what is wrong is said, with what to do, and nothing is left half done."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from storectl.output.exit_codes import ExitCode
from tests.support.command_line import Runner
from tests.support.images import A, B, image, layer
from tests.support.other_users import as_root, run_as


@pytest.fixture
def run(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Runner:
    """Return a command line on a store with the images app:1 and app:2."""
    run = Runner(tmp_path / "store", capfdbinary)
    for name, one in (("one", A), ("two", B)):
        archive = tmp_path / f"{name}.tar"
        archive.write_bytes(image(one, tags=(f"app:{1 + (one is B)}",)).bytes())
        run("import", str(archive))
    return run


@pytest.mark.parametrize("name", ["store.db", "store.db-wal", "write.lock", "blobs/x", "staging/x"])
def test_a_save_does_not_replace_a_file_of_the_store(
    run: Runner, tmp_path: Path, name: str
) -> None:
    (tmp_path / "link").symlink_to("store")
    for folder in ("store", "link"):
        run("save", "-o", f"{tmp_path}/{folder}/{name}", "app:1", code=ExitCode.INVALID_INPUT)
        assert "it is a file of the store" in run.err
    assert "app" in run("images")
    run("save", "--format", "oci", "-o", f"{run.root}/blobs/", "app:1", code=ExitCode.INVALID_INPUT)
    run("save", "-o", f"{run.root}/app.tar", "app:1")


def test_a_terminal_gets_no_archive_by_its_name(run: Runner) -> None:
    ours, theirs = os.openpty()
    try:
        name = os.ttyname(theirs)
        run("save", "-o", name, "app:1", code=ExitCode.USAGE)
        assert f"Cowardly refusing to save to the terminal {name}." in run.err
    finally:
        os.close(ours)
        os.close(theirs)
    run("save", "-o", "/dev/null", "app:1")


@pytest.mark.parametrize(
    "arguments",
    [
        ("save", "--format", "oci", "-o", "", "app:1"),
        ("save", "-f", "", "-o", "x.tar"),
        ("import", ""),
        ("import", "-i", ""),
        ("--root", "", "images"),
        ("images", "--root", ""),
        ("serve", "--rules", ""),
        ("serve", "--htpasswd", ""),
        ("passwd", "alice", ""),
        ("mirror-config", "docker", "--write", ""),
    ],
)
def test_an_empty_path_does_not_mean_the_current_folder(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    run(*arguments, code=ExitCode.USAGE)
    assert "the path is empty" in run.err
    assert list(empty.iterdir()) == []


def test_a_list_without_names_writes_no_archive(run: Runner, tmp_path: Path) -> None:
    listed, output = tmp_path / "list", tmp_path / "x.tar"
    for text in ("", "\n# nothing\n"):
        listed.write_text(text)
        run("save", "-f", str(listed), "-o", str(output), code=ExitCode.INVALID_INPUT)
        assert f"the list of names {listed} is empty" in run.err
    listed.write_text("app:1\napp:2 # second\n")
    run("save", "-f", str(listed), "-o", str(output), code=ExitCode.INVALID_INPUT)
    assert f"invalid list of names {listed}: line 2: " in run.err
    run("save", "-f", str(tmp_path / "gone"), "-o", str(output), code=ExitCode.INVALID_INPUT)
    assert not output.exists()
    listed.write_text("app:1\napp:*\n")
    run("save", "-f", str(listed), "-o", str(output))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("one.tar/x.tar", "a part of this path is a file"),
        (f"{'x' * 300}.tar", "choose a shorter name"),
    ],
)
def test_an_output_that_cannot_be_a_file_is_the_users_mistake(
    run: Runner, tmp_path: Path, name: str, hint: str
) -> None:
    run("save", "-o", f"{tmp_path}/{name}", "app:1", code=ExitCode.INVALID_INPUT)
    assert hint in run.err


def test_a_file_that_the_file_system_cannot_hold(run: Runner, tmp_path: Path) -> None:
    archive = tmp_path / "big.tar"
    archive.write_bytes(image(layer("big", bytes(3_000_000)), tags=("big:1",)).bytes())
    run("import", str(archive))
    done = subprocess.run(
        [
            *("sh", "-c", 'ulimit -f 4000; exec "$@"', "sh", sys.executable, "-m", "storectl"),
            *("--root", str(run.root), "save", "-o", str(tmp_path / "x.tar"), "big:1"),
        ],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == ExitCode.STORAGE_FULL, done.stderr
    assert "File too large: the output has" in done.stderr
    assert "are free" not in done.stderr
    assert "FAT" in done.stderr
    assert not (tmp_path / "x.tar").exists()


@as_root
def test_an_output_need_not_be_readable() -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o755)
        output = place / "closed.tar"
        output.write_bytes(b"")
        output.chmod(0o600)
        done = run_as(12345, "--root", place / "gone", "save", "-o", output, "app:1")
    assert done.returncode == ExitCode.UNAVAILABLE, done.stderr
    assert b"there is no store" in done.stderr


@pytest.mark.parametrize("folder", ["/proc/store", "/proc/self/store"])
def test_a_store_cannot_be_created_everywhere(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], folder: str
) -> None:
    run = Runner(Path(folder), capfdbinary)
    archive = tmp_path / "one.tar"
    archive.write_bytes(image(A, tags=("app:1",)).bytes())
    run("import", str(archive), code=ExitCode.INVALID_INPUT)
    assert f"cannot create a store in {folder}" in run.err.replace(str(os.getpid()), "self")
    below = Runner(archive / "store", capfdbinary)
    below("import", str(archive), code=ExitCode.INVALID_INPUT)
    assert "a part of this path is a file" in below.err


def test_a_value_of_the_environment_is_called_by_its_variable(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORECTL_SAVE_FORMAT", "tar")
    run("save", "-o", str(tmp_path / "x.tar"), "app:1", code=ExitCode.USAGE)
    assert "Invalid value for STORECTL_SAVE_FORMAT: 'tar' is not one of" in run.err
    run("save", "--format", "zip", "app:1", code=ExitCode.USAGE)
    assert "Invalid value for '--format'" in run.err


@pytest.mark.parametrize("arguments", [("save", "app:1", "-o"), ("--root",)])
def test_a_missing_value_points_to_the_help(run: Runner, arguments: tuple[str, ...]) -> None:
    run(*arguments, code=ExitCode.USAGE)
    assert "requires an argument" in run.err
    assert "--help` for the usage" in run.err


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"<html><body>404</body></html>",
        b"FROM debian:12\n",
        image(A, tags=("app:1",)).bytes()[:700],
        bytes(1 << 20),
    ],
)
def test_an_import_that_is_refused_creates_no_store(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], content: bytes | None
) -> None:
    run = Runner(tmp_path / "new" / "store", capfdbinary)
    bad, good = tmp_path / "bad.tar", tmp_path / "good.tar"
    if content is not None:
        bad.write_bytes(content)
    run("import", str(bad), str(bad), code=ExitCode.INVALID_INPUT)
    assert run.err.startswith(f"storectl: error: cannot import {bad}: ")
    assert "created a store" not in run.err
    run("import", "--keep-going", str(bad), code=ExitCode.INVALID_INPUT)
    assert not (tmp_path / "new").exists()
    good.write_bytes(image(A, tags=("app:1",)).bytes())
    run("import", "--image", "none", str(good), code=ExitCode.INVALID_INPUT)
    run("import", "--dry-run", str(good))
    assert "created a store" not in run.err
    assert not (tmp_path / "new").exists()
    run("import", "--keep-going", str(bad), str(good), code=ExitCode.INVALID_INPUT)
    assert "created a store" in run.err
    assert "app" in run("images")


@pytest.mark.parametrize("source", [[], ["-"]])
def test_an_empty_pipe_creates_no_store(tmp_path: Path, source: list[str]) -> None:
    root = tmp_path / "store"
    command = [sys.executable, "-m", "storectl", "--root", str(root), "import", *source]
    done = subprocess.run(command, input=b"", capture_output=True, check=False)
    assert done.returncode == ExitCode.INVALID_INPUT
    assert b"cannot import standard input: the input is empty" in done.stderr
    assert not root.exists()
    archive = image(A, tags=("app:1",)).bytes()
    done = subprocess.run(command, input=archive, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"Loaded image: app:1" in done.stdout


def test_a_named_pipe_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    root = tmp_path / "store"
    with subprocess.Popen(
        [sys.executable, "-m", "storectl", "--root", str(root), "import", str(pipe)],
        stdout=subprocess.PIPE,
    ) as process:
        pipe.write_bytes(image(A, tags=("app:1",)).bytes())
        assert process.communicate()[0] == b"Loaded image: app:1\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("inspect", "app"),
        ("history", "app:3"),
        ("tag", "app", "new:1"),
        ("untag", "app:3"),
        ("rm", "app:3"),
        ("save", "-o", "/dev/null", "app:3"),
    ],
)
def test_an_unknown_tag_is_answered_with_the_known_ones(
    run: Runner, arguments: tuple[str, ...]
) -> None:
    run(*arguments, code=ExitCode.NOT_FOUND)
    assert "hint: app has the tags 1, 2" in run.err


@pytest.mark.parametrize("verb", ["inspect", "history", "images"])
def test_a_path_that_does_not_exist_is_no_name(run: Runner, verb: str) -> None:
    for path in ("./gone.tar", "/gone/app.tar", "../gone"):
        run(verb, path, code=ExitCode.INVALID_INPUT)
        assert "no such file" in run.err
        assert "reference format" not in run.err


def test_a_name_is_not_imported_from_a_registry(run: Runner) -> None:
    run("import", "debian:12", code=ExitCode.INVALID_INPUT)
    assert "cannot import debian:12: no such file" in run.err
    assert "run `storectl pull NAME`" in run.err
    run("import", "https://example.com//x.tar", code=ExitCode.INVALID_INPUT)
    assert "cannot import https://example.com//x.tar: no such file" in run.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("serve", "--port", "5000"), "give the address with --listen HOST:PORT"),
        (("serve", "-p", "5000"), "give the address with --listen HOST:PORT"),
        (("serve", "--listen", "5000"), "For this port on all addresses, write :5000"),
        (("serve", "--listen", "http://127.0.0.1:5000"), "expected HOST:PORT, without a scheme"),
        (("save", "-i", "x.tar", "app:1"), "only the output needs an option, -o FILE"),
        (("import", "-o", "x.tar"), "run `storectl save` to write an archive"),
    ],
)
def test_options_of_other_programs_have_an_answer(
    run: Runner, arguments: tuple[str, ...], says: str
) -> None:
    run(*arguments, code=ExitCode.USAGE)
    assert says in run.err
    assert "Did you mean" not in run.err


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("image", "containers", "overlay2"), "the data of Docker"),
        (("overlay", "overlay-images"), "the storage of podman"),
        (("docker",), "the storage of a registry"),
    ],
)
def test_the_folder_of_another_program_is_named(
    tmp_path: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
    names: tuple[str, ...],
    kind: str,
) -> None:
    run = Runner(tmp_path / "root", capfdbinary)
    for name in names:
        (run.root / name).mkdir(parents=True)
    run("images", code=ExitCode.UNAVAILABLE)
    assert f"there is no store at {run.root}: the folder holds {kind}\n" in run.err
    archive = tmp_path / "one.tar"
    archive.write_bytes(image(A, tags=("app:1",)).bytes())
    run("import", str(archive), code=ExitCode.CONFLICT)
    assert f"cannot create a store in {run.root}: the folder holds {kind}\n" in run.err


@pytest.mark.parametrize("arguments", [("inspect", "gone"), ("gone",), ("save", "gone", "--json")])
def test_the_exit_code_does_not_depend_on_standard_error(
    run: Runner, arguments: tuple[str, ...]
) -> None:
    command = [sys.executable, "-m", "storectl", "--root", str(run.root), *arguments]
    usual = subprocess.run(command, capture_output=True, check=False).returncode
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=full, check=False)
    assert done.returncode == usual != 0


def test_a_root_with_a_line_end_is_printed_on_one_line(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    run = Runner(tmp_path / "a\nb", capfdbinary)
    run("images", code=ExitCode.UNAVAILABLE)
    assert "a\\nb\n" in run.err


def test_a_folder_that_was_removed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    run = Runner(Path("relative"), capfdbinary)
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    run("images", code=ExitCode.UNAVAILABLE)
    assert "the current folder does not exist any more" in run.err


@pytest.mark.parametrize("verb", ["images", "events"])
@pytest.mark.parametrize("missing", ["", "="])
def test_a_filter_without_a_value_is_not_called_unknown(
    run: Runner, verb: str, missing: str
) -> None:
    key = {"images": "label", "events": "image"}[verb]
    run(verb, "--filter", f"{key}{missing}", code=ExitCode.USAGE)
    assert f"invalid filter '{key}{missing}': the value is missing" in run.err
