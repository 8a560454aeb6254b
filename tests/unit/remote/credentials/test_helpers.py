"""Helpers are real programs here: scripts in a folder of the test."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from remote.auth.credentials import Credentials
from remote.credentials.helpers import MAX_INPUT_BYTES, HelperFailed, Helpers
from store.errors import InvalidInput

if TYPE_CHECKING:
    from pathlib import Path


def script(folder: Path, body: str, name: str = "test") -> Path:
    path = folder / f"docker-credential-{name}"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def helpers(folder: Path, limit_s: float = 20.0, **environment: str) -> Helpers:
    return Helpers({"PATH": f"{folder}:/usr/bin:/bin", **environment}, limit_s)


def test_the_registry_is_input_and_the_answer_is_json(tmp_path: Path) -> None:
    script(
        tmp_path,
        f'[ "$*" = get ] && cat >{tmp_path}/asked\n'
        """echo '{"ServerURL": "quay.io", "Username": "me", "Secret": "s"}'""",
    )
    found = helpers(tmp_path).get("test", ("quay.io",))
    assert found == Credentials("me", "s", source="docker-credential-test")
    assert (tmp_path / "asked").read_text() == "quay.io"


def test_a_token_is_told_by_its_user(tmp_path: Path) -> None:
    script(tmp_path, """echo '{"Username": "<token>", "Secret": "t"}'""")
    found = helpers(tmp_path).get("test", ("quay.io",))
    assert found == Credentials("", "", "t", source="docker-credential-test")


def test_every_spelling_is_tried(tmp_path: Path) -> None:
    script(
        tmp_path,
        'read -r server; [ "$server" = b ] || { echo credentials not found in native keychain;'
        """ exit 1; }; echo '{"Username": "me", "Secret": "s"}'""",
    )
    assert helpers(tmp_path).get("test", ("a", "b"))
    assert helpers(tmp_path).get("test", ("a", "c")) is None


def test_an_answer_without_credentials_is_none(tmp_path: Path) -> None:
    script(tmp_path, "echo '{}'")
    assert helpers(tmp_path).get("test", ("quay.io",)) is None


@pytest.mark.parametrize(
    ("body", "fact"),
    [
        ("echo 'cannot open the store\nmore'; exit 1", "cannot get credentials: cannot open the"),
        ("echo oops >&2; exit 3", "oops"),
        ("exit 3", "it ended with status 3"),
        ("kill -9 $$", "it ended with status -9"),
        ("echo 'secret'", "its answer is not a JSON object"),
        ("echo '[\"secret\"]'", "its answer is not a JSON object"),
        ("""echo '{"Username": 1, "Secret": "secret"}'""", "no text as Username and Secret"),
        ("head -c 2000000 /dev/zero", "prints more than"),
        ("printf '\\033[2J'; exit 1", "\\x1b[2J"),
    ],
)
def test_a_helper_that_fails_is_named_and_its_secret_is_not(
    tmp_path: Path, body: str, fact: str
) -> None:
    script(tmp_path, body)
    with pytest.raises(HelperFailed) as caught:
        helpers(tmp_path).get("test", ("quay.io",))
    assert caught.value.helper == "docker-credential-test"
    assert fact in caught.value.message
    assert "secret" not in caught.value.message
    assert "\x1b" not in caught.value.message


def test_a_missing_helper_is_named_and_the_current_folder_is_not_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(tmp_path, "echo '{}'")
    monkeypatch.chdir(tmp_path)
    for path in ("", ".", ":/usr/bin", "/usr/bin:."):
        with pytest.raises(HelperFailed, match="there is no such program in PATH"):
            Helpers({"PATH": path}).get("test", ("quay.io",))


def test_a_helper_that_cannot_run_is_named(tmp_path: Path) -> None:
    script(tmp_path, "").write_text("#!/no/such/interpreter\n")
    with pytest.raises(HelperFailed, match="cannot run"):
        helpers(tmp_path).get("test", ("quay.io",))


@pytest.mark.parametrize("body", ["exec sleep 60", "sleep 3 & exit 0", "exec >&- 2>&-; sleep 60"])
def test_a_helper_that_gives_no_answer_is_ended(tmp_path: Path, body: str) -> None:
    script(tmp_path, body)
    began = time.monotonic()
    with pytest.raises(HelperFailed, match=r"no answer for 0\.3 s"):
        helpers(tmp_path, 0.3).get("test", ("quay.io",))
    assert time.monotonic() - began < 20


def test_a_helper_gets_no_other_credentials_and_no_settings_of_ours(tmp_path: Path) -> None:
    script(tmp_path, f"env >{tmp_path}/env; echo '{{}}'")
    helpers(
        tmp_path,
        HOME="/home/me",
        AWS_PROFILE="p",
        DOCKER_AUTH_CONFIG="{}",
        PYTHONPATH="/x",
        STORECTL_ROOT="/y",
        LD_PRELOAD="",
    ).get("test", ("quay.io",))
    names = {line.partition("=")[0] for line in (tmp_path / "env").read_text().splitlines()}
    assert {"PATH", "HOME", "AWS_PROFILE"} <= names
    assert not names & {"DOCKER_AUTH_CONFIG", "PYTHONPATH", "STORECTL_ROOT", "LD_PRELOAD"}


def test_secrets_are_stored_erased_and_listed_on_standard_input(tmp_path: Path) -> None:
    script(
        tmp_path,
        f'cat >{tmp_path}/$1; echo "$@" >>{tmp_path}/arguments\n'
        """[ $1 = list ] && echo '{"quay.io": "me"}' || true""",
    )
    runner = helpers(tmp_path)
    runner.store("test", "quay.io", "me", 's"\n')
    runner.erase("test", "quay.io")
    assert runner.servers("test") == ("quay.io",)
    assert json.loads((tmp_path / "store").read_text()) == {
        "ServerURL": "quay.io",
        "Username": "me",
        "Secret": 's"\n',
    }
    assert (tmp_path / "erase").read_text() == "quay.io"
    assert (tmp_path / "arguments").read_text().split() == ["store", "erase", "list"]


def test_input_that_a_pipe_cannot_hold_is_refused(tmp_path: Path) -> None:
    script(tmp_path, "true")
    with pytest.raises(InvalidInput, match="more than"):
        helpers(tmp_path).store("test", "quay.io", "me", "s" * MAX_INPUT_BYTES)


def test_a_helper_that_does_not_read_may_still_answer(tmp_path: Path) -> None:
    script(tmp_path, """exec <&-; echo '{"Username": "me", "Secret": "s"}'""")
    assert helpers(tmp_path).get("test", ("q" * 50_000,))


def test_an_answer_is_remembered_for_a_minute_or_until_it_changes(tmp_path: Path) -> None:
    script(
        tmp_path,
        f"""echo x >>{tmp_path}/runs; echo '{{"Username": "me", "Secret": "s"}}'""",
    )
    now = 1000.0
    runner = Helpers({"PATH": f"{tmp_path}:/usr/bin:/bin"}, 20.0, lambda: now)

    def runs() -> int:
        assert runner.get("test", ("quay.io",))
        return len((tmp_path / "runs").read_text().splitlines())

    assert [runs(), runs()] == [1, 1]
    now += 61
    assert [runs(), runs()] == [2, 2]
    runner.erase("test", "quay.io")
    assert runs() == 4
    assert runner.get("test", ("ghcr.io",))
    assert runs() == 5
