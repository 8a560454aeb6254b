"""`passwd`: lines of an htpasswd file."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import TYPE_CHECKING

import bcrypt
import pytest

from mirror.access import passwords
from mirror.access.passwords import read_htpasswd
from tests.support.fake_shell import as_json
from tests.support.terminals import Terminal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fake_shell import Shell


def typed(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_without_a_file_the_line_is_printed(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, b"secret\r\n")
    (user, hashed), *others = read_htpasswd(shell("passwd", "--password-stdin", "alice")).items()
    assert (user, others) == ("alice", [])
    assert bcrypt.checkpw(b"secret", hashed)
    typed(monkeypatch, b"secret")
    shown = as_json(shell("passwd", "--password-stdin", "--json", "alice"))
    assert read_htpasswd(shown["Line"]).keys() == {"alice"}


def test_a_line_is_added_or_replaced_and_the_others_stay(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path, link = tmp_path / "users", tmp_path / "link"
    link.symlink_to(path)
    typed(monkeypatch, b"one")
    shell("passwd", "--password-stdin", "alice", str(path))
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(b"\xef\xbb\xbf# people\r\n" + path.read_bytes())
    path.chmod(0o640)
    for user, password in (("bob", b"two"), ("alice", b"three")):
        typed(monkeypatch, password)
        shell("passwd", "--password-stdin", user, str(link))
    users = read_htpasswd(path.read_text())
    assert list(users) == ["alice", "bob"]
    assert bcrypt.checkpw(b"three", users["alice"])
    assert path.read_text().startswith("# people\nalice:")
    assert path.stat().st_mode & 0o777 == 0o640
    assert link.is_symlink()
    typed(monkeypatch, b"four")
    shown = as_json(shell("passwd", "--password-stdin", "--json", "alice", str(path)))
    assert shown == {"User": "alice", "File": str(path)}
    assert sorted(one.name for one in tmp_path.iterdir()) == ["link", "users"]


@pytest.mark.parametrize(
    ("data", "fact"),
    [(b"", "it is empty"), (b"x" * 73, "longer than 72 bytes"), (b"a\0b", "zero byte")],
)
def test_a_password_that_cannot_work_is_refused(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, data: bytes, fact: str
) -> None:
    typed(monkeypatch, data)
    shell("passwd", "--password-stdin", "alice", code=4)
    assert fact in shell.err


def test_an_invalid_name_or_file_changes_nothing(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_text("no colon\n")
    shell("passwd", "--password-stdin", "alice", str(path), code=4)
    assert path.read_text() == "no colon\n"
    shell("passwd", "--password-stdin", "@all", code=2)


def test_without_a_terminal_the_option_is_named(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("secret\n"))
    shell("passwd", "alice", code=2)
    assert "Give --password-stdin" in shell.err


def test_the_password_is_typed_twice(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal())
    entries = iter(["secret", "secret", "secret", "other"])
    monkeypatch.setattr("click.prompt", lambda *_args, **_options: next(entries))
    (hashed,) = read_htpasswd(shell("passwd", "alice")).values()
    assert bcrypt.checkpw(b"secret", hashed)
    shell("passwd", "alice", code=2)
    assert "the two entries differ" in shell.err


def test_a_line_that_another_run_added_meanwhile_stays(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "users"
    typed(monkeypatch, b"one")
    line = shell("passwd", "--password-stdin", "bob")
    hashing = passwords.hash_password

    def while_another_writes(password: bytes) -> str:
        path.write_text(line)
        return hashing(password)

    monkeypatch.setattr(passwords, "hash_password", while_another_writes)
    typed(monkeypatch, b"two")
    shell("passwd", "--password-stdin", "alice", str(path))
    assert list(read_htpasswd(path.read_text())) == ["bob", "alice"]


def test_runs_at_the_same_time_lose_no_line(tmp_path: Path) -> None:
    path = tmp_path / "users"
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "storectl", "passwd", "--password-stdin", f"user{n}", path],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        for n in range(6)
    ]
    for one in running:
        one.communicate(b"secret")
    assert {one.returncode for one in running} == {0}
    assert sorted(read_htpasswd(path.read_text())) == [f"user{n}" for n in range(6)]
