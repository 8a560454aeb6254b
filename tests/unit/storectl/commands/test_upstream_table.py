"""The tables `[[upstream]]` of a settings file."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from remote.through.upstreams import Upstream
from storectl.commands._settings_file import TableError
from storectl.commands._upstream_table import UpstreamTable, UpstreamValue
from storectl.settings import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path("/etc/storectl")


def test_paths_are_relative_to_the_folder_of_the_file() -> None:
    found = UpstreamTable.parse(
        {
            "name": "docker.io",
            "url": "https://proxy.example/hub",
            "username": "alice",
            "password-file": "secret",
            "ca": "/etc/ca.pem",
            "max-age": "2h",
            "allow": ["library/*", "team/**"],
            "immutable-tags": ["v*"],
        },
        FOLDER,
    )
    assert found == UpstreamTable(
        "docker.io",
        "https://proxy.example/hub",
        username="alice",
        password_file=FOLDER / "secret",
        ca=Path("/etc/ca.pem"),
        max_age=timedelta(hours=2),
        allow=("library/*", "team/**"),
        immutable_tags=("v*",),
    )


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({}, ""),
        ({"name": "docker.io", "nope": 1}, "nope"),
        ({"name": 1}, "name"),
        ({"name": "docker"}, "name"),
        ({"name": "docker.io", "url": "ftp://x"}, "url"),
        ({"name": "docker.io", "plain-http": "yes"}, "plain-http"),
        ({"name": "docker.io", "allow": "team/*"}, "allow"),
        ({"name": "docker.io", "allow": ["["]}, "allow"),
        ({"name": "docker.io", "deny": ["x"] * 1001}, "deny"),
        ({"name": "docker.io", "max-age": "soon"}, "max-age"),
        ({"name": "docker.io", "max-age": 5}, "max-age"),
        ({"name": "docker.io", "username": "alice"}, "username"),
        ({"name": "docker.io", "password-file": "x"}, "password-file"),
        (
            {"name": "docker.io", "username": "a", "password-file": "x", "authfile": "y"},
            "authfile",
        ),
        ({"name": "docker.io", "ca": "x", "cert-dir": "y"}, "ca"),
    ],
)
def test_a_mistake_names_its_key(table: Mapping[str, object], key: str) -> None:
    with pytest.raises(TableError) as caught:
        UpstreamValue().from_table(table, FOLDER)
    assert caught.value.key == key


def test_an_upstream_has_the_values_of_its_table(tmp_path: Path) -> None:
    settings = resolve(str(tmp_path / "store"), {"HOME": str(tmp_path)})
    (tmp_path / "password").write_text("secret\r\n")
    (tmp_path / "ca.crt").write_text("")
    upstream = UpstreamTable(
        "docker.io",
        "https://proxy.example/hub",
        username="alice",
        password_file=tmp_path / "password",
        cert_dir=tmp_path,
        allow=("app", "team/*"),
        deny=("team/private",),
        immutable_tags=("v*",),
        plain_http=True,
    ).upstream(settings)
    assert (upstream.registry, upstream.prefix, upstream.has_url) == ("proxy.example", "hub", True)
    assert upstream.settings is not None
    assert upstream.settings.ca_files == (tmp_path / "ca.crt",)
    assert upstream.settings.plain_http
    assert upstream.plain_http
    assert upstream.is_immutable("v1")
    matches = {
        name: any(one.matches(name) for one in upstream.allow)
        for name in ("docker.io/library/app", "docker.io/team/app", "docker.io/other/app")
    }
    assert list(matches.values()) == [True, True, False]
    assert upstream.credentials is not None
    found = upstream.credentials.credentials_for("proxy.example", "hub/team/app")
    assert found is not None
    assert (found.username, found.password) == ("alice", "secret")
    assert "secret" not in repr(upstream)
    plain = UpstreamTable("quay.io", ca=tmp_path / "ca.crt").upstream(settings)
    assert plain.settings is not None
    assert plain.settings.ca_files == (tmp_path / "ca.crt",)
    assert UpstreamTable("quay.io").upstream(settings) == Upstream("quay.io", "quay.io")
