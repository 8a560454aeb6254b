from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from remote.auth.credentials import Credentials
from remote.credentials.helpers import HelperFailed, Helpers
from remote.credentials.places import AuthFile, Kind
from remote.credentials.search import GivenCredentials, StoredCredentials
from store.errors import InvalidInput

if TYPE_CHECKING:
    from pathlib import Path


def entries(**users: str) -> dict[str, object]:
    """Return entries; ``__`` in a name stands for ``/``."""
    return {
        "auths": {
            key.replace("__", "/").replace("_", "."): {
                "auth": base64.b64encode(f"{user}:secret".encode()).decode()
            }
            for key, user in users.items()
        }
    }


def source(
    folder: Path, *documents: dict[str, object], variable: dict[str, object] | None = None
) -> StoredCredentials:
    files = []
    for number, document in enumerate(documents):
        path = folder / f"{number}.json"
        path.write_text(json.dumps(document))
        files.append(AuthFile(path, Kind.DOCKER))
    helpers = Helpers({"PATH": f"{folder}:/usr/bin:/bin"})
    return StoredCredentials(tuple(files), helpers, json.dumps(variable) if variable else "")


def helper(folder: Path, name: str, user: str) -> None:
    path = folder / f"docker-credential-{name}"
    answer = f"""echo '{{"Username": "{user}", "Secret": "s"}}'"""
    missing = "echo credentials not found in native keychain; exit 1"
    path.write_text(f"#!/bin/sh\n{answer if user else missing}\n")
    path.chmod(0o755)


def user(found: Credentials | None) -> str | None:
    return None if found is None else found.username


@pytest.mark.parametrize(
    ("registry", "repository", "name"),
    [
        ("quay.io", "team/app", "app"),
        ("quay.io", "team/app/sub", "app"),
        ("quay.io", "team/apple", "team"),
        ("quay.io", "teams/app", "all"),
        ("quay.io", "", "all"),
        ("quay.io:443", "team/app", None),
        ("docker.io", "library/debian", "hub"),
    ],
)
def test_the_most_specific_entry_wins(
    tmp_path: Path, registry: str, repository: str, name: str | None
) -> None:
    found = source(
        tmp_path,
        entries(quay_io="all", quay_io__team="team", quay_io__team__app="app", docker_io="hub"),
    ).credentials_for(registry, repository)
    assert user(found) == name


def test_the_first_place_wins_and_the_variable_is_the_first(tmp_path: Path) -> None:
    stored = source(tmp_path, entries(quay_io="one"), entries(quay_io__team="two", ghcr_io="three"))
    assert user(stored.credentials_for("quay.io", "team/app")) == "one"
    assert user(stored.credentials_for("ghcr.io", "team/app")) == "three"
    stored = source(tmp_path, entries(quay_io="one"), variable=entries(quay_io="zero"))
    found = stored.credentials_for("quay.io", "")
    assert found is not None
    assert (found.username, found.source) == ("zero", "DOCKER_AUTH_CONFIG")
    assert "secret" not in repr(stored)


def test_the_helper_of_a_registry_decides_alone(tmp_path: Path) -> None:
    helper(tmp_path, "empty", "")
    document = {
        **entries(quay_io="file", quay_io__team="file"),
        "credHelpers": {"quay.io": "empty"},
    }
    assert source(tmp_path, document).credentials_for("quay.io", "team/app") is None
    # Another file may still have credentials.
    stored = source(tmp_path, document, entries(quay_io="other"))
    assert user(stored.credentials_for("quay.io", "team/app")) == "other"


def test_the_helper_of_all_registries_comes_before_the_entries(tmp_path: Path) -> None:
    helper(tmp_path, "all", "helper")
    helper(tmp_path, "empty", "")
    document = {**entries(quay_io="file"), "credsStore": "all"}
    assert user(source(tmp_path, document).credentials_for("quay.io", "a")) == "helper"
    document["credHelpers"] = {"quay.io": ""}
    assert user(source(tmp_path, document).credentials_for("quay.io", "a")) == "file"
    document = {**entries(quay_io="file"), "credsStore": "empty"}
    assert user(source(tmp_path, document).credentials_for("quay.io", "a")) == "file"


def test_a_fault_is_an_error_and_not_a_request_without_credentials(tmp_path: Path) -> None:
    with pytest.raises(HelperFailed):
        source(tmp_path, {"credsStore": "missing"}).credentials_for("quay.io", "a")
    with pytest.raises(InvalidInput):
        source(tmp_path, {"auths": {"quay.io": {"auth": 1}}}).credentials_for("quay.io", "a")
    # A damaged entry of another registry has no effect.
    assert source(tmp_path, {"auths": {"a.io": {"auth": 1}}}).credentials_for("q.io", "") is None


def test_given_credentials_go_to_their_registry_only(tmp_path: Path) -> None:
    me, stored = Credentials("me", "s"), source(tmp_path, entries(quay_io="file"))
    given = GivenCredentials(me, ("index.docker.io",), stored)
    assert user(given.credentials_for("docker.io", "library/debian")) == "me"
    assert user(given.credentials_for("quay.io", "library/debian")) == "file"
    everywhere = GivenCredentials(me, (), stored)
    assert user(everywhere.credentials_for("quay.io", "library/debian")) == "me"
