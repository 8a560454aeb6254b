from __future__ import annotations

import json
from pathlib import Path

import pytest

from remote.credentials.changes import forget, keep, place_for
from remote.credentials.helpers import Helpers
from remote.credentials.keys import DOCKER_HUB_URL, Key
from remote.credentials.places import AuthFile, Kind, auth_files
from remote.credentials.search import StoredCredentials
from store.errors import InvalidInput

KEEPER = """#!/usr/bin/env python3
import json, pathlib, sys
state = pathlib.Path(__file__).with_name("state.json")
kept = json.loads(state.read_text()) if state.exists() else {}
given = sys.stdin.read()
match sys.argv[1]:
    case "store":
        entry = json.loads(given)
        kept[entry["ServerURL"]] = entry
    case "erase":
        kept.pop(given, None)
    case "get" if given in kept:
        print(json.dumps(kept[given]))
    case "list":
        print(json.dumps({one: entry["Username"] for one, entry in kept.items()}))
    case _:
        print("credentials not found in native keychain")
        sys.exit(1)
state.write_text(json.dumps(kept))
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[AuthFile, ...]:
    environment = {"HOME": str(tmp_path / "home"), "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    return auth_files(environment, 0)


@pytest.fixture
def helpers(tmp_path: Path) -> Helpers:
    program = tmp_path / "bin" / "docker-credential-keeper"
    program.parent.mkdir()
    program.write_text(KEEPER)
    program.chmod(0o755)
    return Helpers({"PATH": f"{program.parent}:/usr/local/bin:/usr/bin:/bin"})


def write(file: AuthFile, document: dict[str, object]) -> None:
    file.path.parent.mkdir(parents=True, exist_ok=True)
    file.path.write_text(json.dumps(document))


def read(file: AuthFile) -> dict[str, object]:
    document: dict[str, object] = json.loads(file.path.read_text())
    return document


def log_in(key: Key, files: tuple[AuthFile, ...], helpers: Helpers, user: str = "me") -> AuthFile:
    file = place_for(key, files)
    keep(key, user, "secret", file, helpers, limit_s=5)
    found = StoredCredentials(files, helpers).credentials_for(key.registry, key.prefix)
    assert found is not None
    assert (found.username, found.password) == (user, "secret")
    return file


def test_a_new_login_goes_into_the_file_of_docker(
    files: tuple[AuthFile, ...], helpers: Helpers
) -> None:
    file = log_in(Key("docker.io"), files, helpers)
    log_in(Key("quay.io", "team"), files, helpers)
    assert file.kind is Kind.DOCKER
    assert read(file) == {
        "auths": {
            DOCKER_HUB_URL: {"auth": "bWU6c2VjcmV0"},
            "quay.io/team": {"auth": "bWU6c2VjcmV0"},
        }
    }


def test_a_login_replaces_the_entry_that_would_be_found_first(
    files: tuple[AuthFile, ...], helpers: Helpers
) -> None:
    podman = files[0]
    write(podman, {"auths": {"quay.io": {"auth": "b2xkOm9sZA=="}}})
    assert log_in(Key("quay.io"), files, helpers) == podman
    assert not files[2].path.exists()


def test_a_file_that_was_named_gets_the_login(tmp_path: Path, helpers: Helpers) -> None:
    named = auth_files({}, 0, tmp_path / "auth.json")
    assert log_in(Key("docker.io"), named, helpers) == named[0]
    assert list(read(named[0])["auths"]) == ["docker.io"]  # type: ignore[call-overload]


def test_without_a_home_folder_there_is_no_place() -> None:
    with pytest.raises(InvalidInput, match="there is no home folder"):
        place_for(Key("quay.io"), auth_files({}, 0))


@pytest.mark.parametrize(
    "setting", [{"credsStore": "keeper"}, {"credHelpers": {"quay.io": "keeper"}}]
)
def test_a_helper_keeps_the_login_and_the_file_lists_it(
    files: tuple[AuthFile, ...], helpers: Helpers, tmp_path: Path, setting: dict[str, object]
) -> None:
    write(files[2], {**setting, "psFormat": "x"})
    file = log_in(Key("quay.io"), files, helpers)
    assert read(file) == {**setting, "psFormat": "x", "auths": {"quay.io": {}}}
    assert list(json.loads((tmp_path / "bin" / "state.json").read_text())) == ["quay.io"]
    (forgotten,) = forget(Key("quay.io"), files, helpers, limit_s=5)
    assert forgotten.registries == ("quay.io",)
    assert read(file) == {**setting, "psFormat": "x", "auths": {}}
    assert json.loads((tmp_path / "bin" / "state.json").read_text()) == {}


def test_a_helper_keeps_no_prefixes(files: tuple[AuthFile, ...], helpers: Helpers) -> None:
    write(files[2], {"credHelpers": {"quay.io": "keeper"}})
    with pytest.raises(InvalidInput, match="whole registries only"):
        keep(Key("quay.io", "team"), "me", "s", files[2], helpers, limit_s=5)
    write(files[2], {"credsStore": "keeper"})
    log_in(Key("quay.io", "team"), files, helpers)
    assert read(files[2])["auths"] == {"quay.io/team": {"auth": "bWU6c2VjcmV0"}}


def test_a_user_name_with_a_colon_is_refused(files: tuple[AuthFile, ...], helpers: Helpers) -> None:
    with pytest.raises(InvalidInput, match="it has a colon"):
        keep(Key("quay.io"), "a:b", "s", files[2], helpers, limit_s=5)
    assert not files[2].path.exists()


def test_a_logout_removes_the_entries_of_every_file(
    files: tuple[AuthFile, ...], helpers: Helpers
) -> None:
    entry = {"auth": "bWU6c2VjcmV0"}
    write(files[0], {"auths": {"quay.io": entry, "quay.io/team": entry}})
    write(files[2], {"auths": {"https://quay.io/v1/": entry, "ghcr.io": entry}})
    forgotten = forget(Key("quay.io"), files, helpers, limit_s=5)
    assert [(one.path, one.registries) for one in forgotten] == [
        (files[0].path, ("quay.io",)),
        (files[2].path, ("https://quay.io/v1/",)),
    ]
    assert read(files[0])["auths"] == {"quay.io/team": entry}
    assert read(files[2])["auths"] == {"ghcr.io": entry}
    assert forget(Key("quay.io"), files, helpers, limit_s=5) == ()
    assert not files[1].path.exists()


def test_a_logout_of_all_registries_empties_files_and_helpers(
    files: tuple[AuthFile, ...], helpers: Helpers, tmp_path: Path
) -> None:
    write(files[2], {"credHelpers": {"quay.io": "keeper"}})
    log_in(Key("quay.io"), files, helpers)
    log_in(Key("docker.io"), files, helpers)
    (forgotten,) = forget(None, files, helpers, limit_s=5)
    assert set(forgotten.registries) == {"quay.io", DOCKER_HUB_URL}
    assert read(files[2])["auths"] == {}
    assert json.loads((tmp_path / "bin" / "state.json").read_text()) == {}


def test_a_helper_that_cannot_list_still_forgets(
    files: tuple[AuthFile, ...], helpers: Helpers, tmp_path: Path
) -> None:
    program = tmp_path / "bin" / "docker-credential-plain"
    program.write_text(f"#!/bin/sh\n[ $1 = list ] && exit 1; cat >>{tmp_path}/erased\n")
    program.chmod(0o755)
    write(files[2], {"credHelpers": {"quay.io": "plain"}})
    (forgotten,) = forget(Key("quay.io"), files, helpers, limit_s=5)
    assert forgotten.registries == ("quay.io",)
    assert Path(tmp_path / "erased").read_text() == "quay.io"
