"""`login` against a real registry, which runs in this process."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest

from tests.support.fake_shell import as_json
from tests.support.guarded_registry import clean_home, guarded_registry
from tests.support.json_schema import SCHEMA, faults
from tests.support.terminals import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.fake_shell import Shell


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with guarded_registry(tmp_path_factory.mktemp("registry") / "store") as host:
        yield host


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    return clean_home(monkeypatch, tmp_path)


def typed(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))


def config(home: Path) -> dict[str, dict[str, object]]:
    document: dict[str, dict[str, object]] = json.loads(
        (home / ".docker" / "config.json").read_text()
    )
    return document


def test_accepted_credentials_are_kept_for_the_user_alone(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, home: Path, registry: str
) -> None:
    typed(monkeypatch, b"secret\r\n")
    assert shell("login", "-u", "alice", "--password-stdin", registry) == "Login Succeeded\n"
    assert config(home) == {"auths": {registry: {"auth": "YWxpY2U6c2VjcmV0"}}}
    assert "stored unencrypted" in shell.err
    assert "secret" not in shell.err
    # The next login finds them.
    typed(monkeypatch, b"")
    assert shell("login", registry) == "Login Succeeded\n"
    assert "[Username: alice]" in shell.err
    assert as_json(shell("login", "--json", registry)) == {
        "Registry": registry,
        "Username": "alice",
        "Source": str(home / ".docker" / "config.json"),
    }


def test_credentials_for_a_part_of_the_repositories_have_a_key_of_their_own(
    shell: Shell, home: Path, registry: str
) -> None:
    shell("login", "-u", "alice", "-p", "secret", f"{registry}/team")
    assert list(config(home)["auths"]) == [f"{registry}/team"]
    assert "Use --password-stdin" in shell.err


def test_refused_credentials_are_not_kept(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, home: Path, registry: str
) -> None:
    typed(monkeypatch, b"wrong")
    shell("login", "-u", "alice", "--password-stdin", registry, code=11)
    assert f"cannot log in to {registry}" in shell.err
    assert not (home / ".docker").exists()


def test_a_registry_that_does_not_answer_keeps_nothing(shell: Shell, home: Path) -> None:
    shell("login", "-u", "a", "-p", "b", "--retry", "0", "localhost:1", code=12)
    assert "localhost:1" in shell.err
    assert not (home / ".docker").exists()


def test_a_helper_keeps_the_credentials(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, home: Path, registry: str, tmp_path: Path
) -> None:
    helper = tmp_path / "docker-credential-test"
    helper.write_text(f"#!/bin/sh\ncat >{tmp_path}/$1\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (home / ".docker").mkdir()
    (home / ".docker" / "config.json").write_text('{"credsStore": "test"}')
    typed(monkeypatch, b"secret")
    shell("login", "-u", "alice", "--password-stdin", registry)
    assert "unencrypted" not in shell.err
    assert '"Secret": "secret"' in (tmp_path / "store").read_text()
    shown = as_json(shell("login", "-u", "alice", "-p", "secret", "--json", registry))
    assert list(faults(shown, SCHEMA["properties"]["login"])) == []
    assert shown == {
        "Registry": registry,
        "Username": "alice",
        "Source": "docker-credential-test",
    }
    assert config(home)["auths"] == {registry: {}}


def test_the_variable_that_comes_first_is_named(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, registry: str
) -> None:
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", json.dumps({"auths": {registry: {"auth": "YTpi"}}}))
    shell("login", "-u", "alice", "-p", "secret", registry)
    assert "DOCKER_AUTH_CONFIG has other credentials" in shell.err
    # These are checked, and the registry does not accept them.
    typed(monkeypatch, b"")
    shell("login", registry, code=11)


def test_a_named_file_gets_the_credentials(shell: Shell, registry: str, tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    shell("login", "-u", "alice", "-p", "secret", "--authfile", str(path), registry)
    assert list(json.loads(path.read_text())["auths"]) == [registry]


def test_the_user_types_on_a_terminal(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, home: Path, registry: str
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal())
    asked = []
    answers = iter(["alice", "wrong", "alice", "secret"])

    def prompt(what: str, **options: object) -> str:
        asked.append((what, options["hide_input"]))
        return next(answers)

    monkeypatch.setattr("click.prompt", prompt)
    shell("login", registry, code=11)
    shell("login", registry)
    assert asked == [("Username", False), ("Password", True)] * 2
    # Credentials that the registry no longer accepts are asked for again.
    entry = {"auths": {registry: {"auth": "YWxpY2U6b2xk"}}}
    (home / ".docker" / "config.json").write_text(json.dumps(entry))
    answers = iter(["alice", "secret"])
    shell("login", registry)
    assert "log in again" in shell.err
    assert config(home)["auths"] == {registry: {"auth": "YWxpY2U6c2VjcmV0"}}


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        (("quay",), "invalid registry name"),
        (("--password-stdin", "q.io"), "--password-stdin needs --username"),
        (("-u", "a", "-p", "b", "--password-stdin", "q.io"), "exclude each other"),
        (("-u", "a", "q.io"), "Give --password-stdin"),
        (("q.io",), "Give --username and --password-stdin"),
        (("-u", "a", "-p", "", "q.io"), "it is empty"),
    ],
)
def test_wrong_usage_is_named(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], fact: str
) -> None:
    typed(monkeypatch, b"")
    shell("login", *arguments, code=2)
    assert fact in shell.err


@pytest.mark.parametrize(("data", "fact"), [(b"\xff", "expected UTF-8"), (b"x" * 40_000, "more")])
def test_a_password_that_cannot_be_one_is_refused(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, data: bytes, fact: str
) -> None:
    typed(monkeypatch, data)
    shell("login", "-u", "a", "--password-stdin", "q.io", code=2)
    assert fact in shell.err
