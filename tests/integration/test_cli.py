"""The verbs of the command line, run in this process."""

from __future__ import annotations

import errno
import io
import json
import os
import pty
import shutil
import ssl
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest

from remote.errors import RegistryError
from store import Store, errors
from storectl import cli
from storectl.output.exit_codes import ExitCode, exit_code
from tests.support.command_line import Runner
from tests.support.images import A, Archive, config, image, layer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
from tests.support.command_files import GOLDEN


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


def test_import_prints_dockers_lines_on_stdout_and_remarks_on_stderr(run: Runner) -> None:
    assert (
        run("import", "-i", str(GOLDEN / "single-layer.tar")) == "Loaded image: spec-one:latest\n"
    )
    assert "1 new image(s), 1 new layer(s)" in run.err
    run("load", str(GOLDEN / "single-layer.tar"))
    assert "nothing new" in run.err
    run("import", "-q", str(GOLDEN / "single-layer.tar"))
    assert run.err == ""
    report = run.json("import", str(GOLDEN / "single-layer.tar"))
    assert report[0]["Changed"] is False
    assert report[0]["Tags"] == [
        {
            "Name": "spec-one:latest",
            "Id": report[0]["Images"][0],
            "Digest": None,
            "Replaced": None,
        }
    ]


def test_import_reads_standard_input(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    data = (GOLDEN / "single-layer.tar").read_bytes()
    for arguments in ((), ("-",)):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        assert run("import", *arguments) == "Loaded image: spec-one:latest\n"


def test_a_terminal_as_input_is_refused(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda _self: True})())
    run("import", code=2)
    assert "terminal" in run.err


def test_save_to_stdout_and_to_a_file_give_the_same_bytes(filled: Runner, tmp_path: Path) -> None:
    target = tmp_path / "out.tar"
    report = filled.json("save", "-o", str(target), "spec-many")
    assert report["Size"] == target.stat().st_size
    assert target.read_bytes() == (GOLDEN / "multi-layer.tar").read_bytes()
    filled("export", "-o", str(target), "spec-many")
    piped = subprocess.run(
        [sys.executable, "-m", "storectl", "--root", str(filled.root), "save", "spec-many"],
        capture_output=True,
        check=True,
    )
    assert piped.stdout == target.read_bytes()
    filled("save", "--json", "spec-many", code=2)
    filled("save", "-o", str(tmp_path), "spec-many", code=2)
    filled("save", "-o", str(tmp_path / "no" / "folder"), "spec-many", code=4)
    filled("save", "-o", "/dev/null", "spec-many")


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("save", "-o", "x.tar", "nothing"), 3, "No such image: nothing"),
        (("save", "-o", "x.tar", "spec-many:none"), 3, "reference does not exist"),
        (("inspect", "nothing"), 3, "No such image"),
        (("untag", "nothing"), 3, "No such tag"),
        (("tag", "spec-many", "Bad"), 2, "must be lowercase"),
        (("import", "missing.tar"), 4, "no such file"),
        (("import", "."), 4, "contains no images"),
        (("import", "--compression", "lzma", "x"), 2, "invalid compression"),
        (("import", "--max-layer-size", "much", "x"), 2, "invalid size 'much'"),
        (("images", "--filter", "color=red"), 2, "invalid filter"),
        (("images", "--filter", "dangling=maybe"), 2, "true or false"),
        (("events", "--filter", "x=y"), 2, "invalid filter"),
        (("events", "--since", "yesterday"), 2, "invalid time 'yesterday'"),
        (("nothing",), 2, "No such command"),
        (("save", "--format", "zip", "x"), 2, "zip"),
    ],
)
def test_errors_say_what_is_wrong_and_end_with_their_code(
    filled: Runner,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: tuple[str, ...],
    code: int,
    text: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    filled(*arguments, code=code)
    assert text in filled.err
    assert "Traceback" not in filled.err
    assert not list(tmp_path.glob("*x.tar*"))


def test_images_are_listed_in_dockers_columns(filled: Runner) -> None:
    lines = filled("images").splitlines()
    assert lines[0].split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]
    assert any(
        line.startswith("spec-many") and "e678c099804f" in line and "13.3kB" in line
        for line in lines
    )
    assert any(line.startswith("<none>") for line in lines)
    assert "sha256:e678c099804f839bb36132da1034370fe09927d2d19fc665ece86684524b1596" in filled(
        "ls", "-q", "--no-trunc"
    )
    assert "DIGEST" in filled("images", "--digests")
    assert len(filled("images", "spec-golden-parent").splitlines()) == 4
    assert len(filled("images", "-q", "--filter", "dangling=true").splitlines()) == 1
    assert {
        json.loads(line)["Repository"]
        for line in filled("images", "-a", "--format", "json").splitlines()
    } >= {"spec-many"}
    assert len(filled.json("images", "--filter", "before=spec-many")) >= 1


def test_inspect_has_dockers_shape_and_more(filled: Runner) -> None:
    (found,) = filled.json("inspect", "spec-many")
    assert found["RepoTags"] == ["spec-many:latest"]
    assert len(found["RootFS"]["Layers"]) == len(found["Layers"]) == 6
    assert found["Config"]["Healthcheck"]
    assert found["Manifests"][0]["Deterministic"]
    (child,) = filled.json("inspect", "spec-golden-parent:child")
    assert child["Parent"] == filled.json("inspect", "spec-golden-parent:base")[0]["Id"]


def test_history_lists_the_steps_of_an_image(filled: Runner) -> None:
    lines = filled("history", "spec-many").splitlines()
    assert lines[0].split() == ["IMAGE", "CREATED", "CREATED", "BY", "SIZE", "COMMENT"]
    assert lines[1].startswith("e678c099804f")
    assert filled("history", "-q", "spec-many").splitlines()[1] == "<missing>"
    assert "…" not in filled("history", "--no-trunc", "--no-human", "spec-many")
    assert filled.json("history", "spec-many")[0]["Id"].startswith("sha256:e678")


def test_names_are_set_and_removed(filled: Runner) -> None:
    filled("tag", "spec-many", "other:1")
    assert filled.json("tag", "spec-many", "other:2")["Name"] == "other:2"
    assert filled("untag", "other:1") == "Untagged: other:1\n"
    assert filled.json("untag", "other:2") == [{"Untagged": "other:2"}]
    assert filled("rm", "spec-many").splitlines()[0] == "Untagged: spec-many:latest"
    assert filled.json("rmi", "-f", "--no-prune", "spec-golden-parent:child")[0] == {
        "Untagged": "spec-golden-parent:child"
    }


def test_events_are_filtered_by_time_and_kind(filled: Runner) -> None:
    filled("tag", "spec-many", "other:1")
    assert " image import sha256:" in filled("events", "--since", "10m")
    assert [one["Action"] for one in filled.json("events", "--filter", "event=tag")] == ["tag"]
    assert filled("events", "--until", "2020-01-01T00:00:00Z") == ""
    assert filled("events", "--until", "2020-01-01", "--since", "1000000") == ""
    assert filled.json("events", "--filter", "image=other:1")[0]["Action"] == "import"


def test_collection_and_checks_report_what_they_did(
    filled: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "RECLAIMABLE" in filled("df", "-v")
    assert filled.json("df")["OnDisk"] > 0
    assert "Would delete: 1 image(s)" in filled("gc", "--dry-run", "--dangling")
    assert filled.json("gc")["ImagesDeleted"] == []
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    filled("prune", code=2)
    assert "standard input is not a terminal" in filled.err
    assert "Total reclaimed space" in filled("prune", "-f")
    assert filled.json("prune", "-f")["Layers"] == 0
    assert "clean" in filled("fsck")
    assert filled.json("verify")["Findings"] == []
    assert filled.json("verify")["Checked"]["Blobs"]["TotalCount"] > 0


def test_fsck_ends_with_5_when_something_is_wrong(filled: Runner) -> None:
    with Store.open(filled.root) as store:
        for digest in list(store.blobs.digests()):
            store.blobs.path(digest).write_bytes(b"rot")
    filled("fsck", code=5)
    assert "finding(s)" in filled.out
    assert "affects" in filled.out
    filled("save", "-o", "/dev/null", "spec-many", code=5)


def test_db_shows_upgrades_and_checks_the_schema(run: Runner) -> None:
    run("db", "current", code=10)
    assert "there is no store" in run.err
    run("import", str(GOLDEN / "single-layer.tar"))
    assert "up to date" in run("db", "current")
    assert run.json("db", "current")["Current"] == run.json("db", "current")["Head"]
    assert "already at" in run("db", "upgrade")
    assert run.json("db", "upgrade")["Backup"] is None
    assert "no difference" in run("db", "check")
    assert run.json("db", "check") == {"Differences": []}


def test_version_and_completion_scripts_are_printed(run: Runner) -> None:
    assert run("version").startswith("storectl")
    assert run.json("version")["Client"]["Components"]
    for shell in ("bash", "zsh", "fish"):
        if shell == "bash":
            # click asks bash for its version
            assert (
                subprocess.run(["bash", "--version"], capture_output=True, check=True).returncode
                == 0
            )
        assert "storectl" in run("completion", shell)


def test_completion_offers_names(filled: Runner) -> None:
    from storectl.system.completion import image_names

    context = click.Context(cli.cli)
    context.params["root"] = str(filled.root)
    parameter = click.Argument(["name"])
    assert image_names(context, parameter, "spec-m") == ["spec-many:latest"]
    context.params["root"] = "/nonexistent"
    assert image_names(context, parameter, "") == []


def test_every_verb_has_help_with_an_example(run: Runner) -> None:
    for verb in cli.VERBS:
        assert "Example:" in run(verb, "--help"), verb
    assert all(verb in run("--help") for verb in cli.VERBS)
    assert "storectl 0" in run("--version")


def test_names_from_archives_cannot_command_a_terminal(run: Runner, tmp_path: Path) -> None:
    archive = (
        Archive()
        .file("l", A)
        .file("c", config(A, author="x"))
        .manifest({"Config": "c\x1b[31m", "RepoTags": None, "Layers": ["l"]})
    )
    path = tmp_path / "evil.tar"
    path.write_bytes(archive.bytes())
    run("import", str(path), code=4)
    assert "\x1b" not in run.err
    path.write_bytes(image(A, history=[{"created_by": "\x1b]0;x\x07"}]).bytes())
    run("import", str(path))
    assert "\x1b" not in run("history", "demo:1")


def test_every_error_has_a_documented_code() -> None:
    def leaves(cls: type[errors.StoreError]) -> list[type[errors.StoreError]]:
        return [cls, *(leaf for child in cls.__subclasses__() for leaf in leaves(child))]

    # Only the subclasses of these two are raised.
    bases = {errors.StoreError, RegistryError}
    for cls in leaves(errors.StoreError):
        assert (exit_code(cls.__new__(cls)) is ExitCode.FAILURE) == (cls in bases), cls
    assert exit_code(errors.StoreError("?")) is ExitCode.FAILURE


@pytest.mark.parametrize(
    ("raised", "code", "text"),
    [
        (KeyboardInterrupt(), 130, "storectl: interrupted; nothing was changed\n"),
        (OSError(28, "No space left on device"), 7, "No space left"),
        (OSError(30, "Read-only file system"), 8, "Read-only"),
        (PermissionError(13, "Permission denied", "there"), 9, "there"),
        (OSError(18, "Invalid cross-device link"), 10, "cross-device"),
        (OSError(5, "Input/output error"), 10, "Input/output"),
        (RuntimeError("a fault"), 1, "internal error"),
        (BrokenPipeError(32, "Broken pipe"), 141, ""),
    ],
)
def test_unexpected_errors_end_with_a_code_and_a_text(
    run: Runner, monkeypatch: pytest.MonkeyPatch, raised: BaseException, code: int, text: str
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise raised

    monkeypatch.setattr(Store, "open", fail)
    monkeypatch.setattr("os.dup2", lambda *_: None)
    run("images", code=code)
    assert text in run.err
    run("--debug", "images", code=code)


@pytest.mark.usefixtures("own_process")
def test_help_and_version_do_not_load_the_database(root: Path) -> None:
    modules = "('sqlalchemy', 'alembic', 'store.store')"
    script = (
        f"import sys, storectl.cli as c\nassert c.run(['--help']) == 0\nprint([m for m in {modules}"
        " if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("[]\n")
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    del root


def _read(terminal: int) -> bytes:
    """Return the next bytes of a terminal, or nothing when no process has it open any more."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


def test_progress_is_drawn_on_a_terminal_only(root: Path) -> None:
    archive = image(A, layer("random", os.urandom(2**20))).bytes()
    half = len(archive) // 2
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "storectl", "--root", str(root), "import", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=follower,
    )
    os.close(follower)
    assert process.stdin is not None
    # A short import draws nothing, so the archive is sent to its end when the bars are seen.
    process.stdin.write(archive[:half])
    process.stdin.flush()
    drawn = b""
    while piece := _read(leader):
        drawn += piece
        if b"total" in drawn and not process.stdin.closed:
            process.stdin.write(archive[half:])
            process.stdin.close()
    assert process.stdout is not None
    with process.stdout:
        out = process.stdout.read()
    process.wait()
    os.close(leader)
    assert process.returncode == 0
    assert out == b"Loaded image: demo:1\n"
    assert b"total" in drawn


def test_a_terminal_without_unicode_gets_escaped_characters(run: Runner, tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(image(A, history=[{"created_by": "größe" * 20}]).bytes())
    run("import", str(path))
    done = subprocess.run(
        [sys.executable, "-m", "storectl", "--root", str(run.root), "history", "demo:1"],
        env=os.environ | {"PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        check=True,
    )
    assert "größegrößegr".encode("latin-1") in done.stdout
    assert rb"\u2026 " in done.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_forced_removal_of_an_unknown_name_succeeds(filled: Runner) -> None:
    """Like `docker rmi -f`, report the name and continue."""
    assert filled("rm", "-f", "nothing", "spec-many").startswith("Untagged: spec-many:latest\n")
    assert "No such image: nothing" in filled.err
    filled("rm", "nothing", code=3)


@pytest.fixture
def certified(tmp_path: Path) -> tuple[str, str]:
    cert, key = str(tmp_path / "cert"), str(tmp_path / "key")
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=x",
        "-keyout",
        key,
        "-out",
        cert,
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return cert, key


def _naming(file: str, certified: tuple[str, str]) -> list[tuple[str, ...]]:
    """Return the options of ``serve`` that name files, each set to ``file``."""
    cert, key = certified
    served = ("--tls-cert", cert, "--tls-key", key)
    return [
        ("--htpasswd", file),
        ("--rules", file),
        ("--tls-cert", file, "--tls-key", key),
        ("--tls-cert", cert, "--tls-key", file),
        (*served, "--tls-client-ca", file),
    ]


def test_serve_names_the_missing_file(
    run: Runner, tmp_path: Path, certified: tuple[str, str]
) -> None:
    dangling = tmp_path / "dangling"
    dangling.symlink_to("nowhere")
    for file in (dangling, tmp_path):
        for options in _naming(str(file), certified):
            run("serve", "--listen", "127.0.0.1:0", *options, code=4)
            assert not run.root.exists()
            assert f"{file}: " in run.err


def test_serve_names_the_unreadable_file(
    run: Runner, tmp_path: Path, certified: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("")

    # Raise the errors here, because root may read every file.
    def refusing(call: Callable[..., object]) -> Callable[..., object]:
        def called(*arguments: object, **options: object) -> object:
            if str(secret) in map(str, arguments):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return call(*arguments, **options)

        return called

    monkeypatch.setattr(io, "open", refusing(io.open))
    monkeypatch.setattr(os, "access", lambda path, _mode, **_options: str(path) != str(secret))
    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", refusing(ssl.SSLContext.load_cert_chain))
    monkeypatch.setattr(
        ssl.SSLContext, "load_verify_locations", refusing(ssl.SSLContext.load_verify_locations)
    )
    for options in _naming(str(secret), certified):
        run("serve", "--listen", "127.0.0.1:0", *options, code=9)
        assert f"{secret}: Permission denied" in run.err
