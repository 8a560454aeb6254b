from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import click
import pytest

from storectl import cli
from storectl.commands import serve
from storectl.commands._upstream_options import UpstreamOptions, given_flags, is_shared
from storectl.commands._upstream_table import UpstreamTable
from storectl.settings import Settings, resolve

if TYPE_CHECKING:
    from pathlib import Path

NAME = "registry.example"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    auths = {"auths": {NAME: {"auth": "dXNlcjpzZWNyZXQ="}}}
    (tmp_path / "config.json").write_text(json.dumps(auths))
    return resolve(str(tmp_path / "store"), {"HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path)})


@pytest.mark.parametrize(
    ("address", "url", "has_proxies", "has_logins", "shared"),
    [
        ("127.0.0.1", None, False, False, False),
        ("::1", None, False, False, False),
        ("localhost", None, False, False, False),
        ("localhost", "https://mirror.example", False, False, True),
        ("127.0.0.1", None, True, False, True),
        ("", None, False, False, True),
        ("0.0.0.0", None, False, False, True),  # noqa: S104 - the test does not listen
        ("mirror.example", None, False, False, True),
        ("", None, False, True, False),
    ],
)
def test_a_server_that_clients_reach_without_logging_in(
    address: str, url: str | None, *, has_proxies: bool, has_logins: bool, shared: bool
) -> None:
    assert is_shared(address, url=url, has_proxies=has_proxies, has_logins=has_logins) == shared


def test_credentials_need_users_where_other_machines_are(
    settings: Settings, tmp_path: Path
) -> None:
    options = UpstreamOptions((NAME,))
    assert options.configuration(settings, is_shared=False) is not None
    with pytest.raises(click.UsageError, match=r"credentials for registry\.example"):
        options.configuration(settings, is_shared=True)
    mapped = UpstreamOptions((f"docker.io=https://{NAME}/cache",))
    with pytest.raises(click.UsageError, match=r"credentials for registry\.example"):
        mapped.configuration(settings, is_shared=True)
    chosen = UpstreamOptions(("quay.io",), authfile=tmp_path / "other.json")
    with pytest.raises(click.UsageError, match=r"credentials for quay\.io"):
        chosen.configuration(settings, is_shared=True)
    assert UpstreamOptions(("quay.io",)).configuration(settings, is_shared=True) is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (UpstreamOptions(is_offline=True), "--offline needs --upstream"),
        (UpstreamOptions((NAME,)), "--upstream and --read-only exclude each other"),
    ],
)
def test_options_that_need_or_exclude_each_other(options: UpstreamOptions, message: str) -> None:
    with pytest.raises(click.UsageError, match=message):
        options.check(read_only=True)


@pytest.mark.parametrize("names", [("a/b",), (NAME, NAME), (f"{NAME}=ftp://x",)])
def test_a_wrong_upstream_is_wrong_usage(settings: Settings, names: tuple[str, ...]) -> None:
    with pytest.raises(click.UsageError, match="--upstream: invalid"):
        UpstreamOptions(names).configuration(settings, is_shared=False)


def test_without_upstreams_nothing_is_opened(settings: Settings) -> None:
    assert UpstreamOptions().configuration(settings, is_shared=True) is None


def test_a_flag_wins_over_the_value_of_a_table(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret\n")
    table = UpstreamTable(
        NAME,
        username="alice",
        password_file=tmp_path / "password",
        max_age=timedelta(hours=1),
        cert_dir=tmp_path,
    )
    found = UpstreamOptions((table,)).configuration(settings, is_shared=False)
    assert found is not None
    (upstream,) = found.upstreams
    assert upstream.max_age == timedelta(hours=1)
    credentials = found.credentials.credentials_for(NAME, "")
    assert credentials is not None
    assert (credentials.username, credentials.password) == ("alice", "secret")
    flags = frozenset({"upstream_max_age", "upstream_authfile", "upstream_cert_dir"})
    options = UpstreamOptions((table,), authfile=tmp_path / "config.json", flags=flags)
    found = options.configuration(settings, is_shared=False)
    assert found is not None
    (upstream,) = found.upstreams
    assert (upstream.max_age, upstream.settings) == (None, None)
    credentials = found.credentials.credentials_for(NAME, "")
    assert credentials is not None
    assert credentials.username == "user"


def test_credentials_of_a_table_need_users_where_other_machines_are(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("secret")
    table = UpstreamTable("quay.io", username="alice", password_file=tmp_path / "password")
    with pytest.raises(click.UsageError, match=r"credentials for quay\.io") as caught:
        UpstreamOptions((table,)).configuration(settings, is_shared=True)
    assert "secret" not in caught.value.message


def test_the_names_of_options_on_the_command_line() -> None:
    root = click.Context(cli.cli, info_name="storectl")
    root.params = {"root": None, "lock_timeout": 1.0, "debug": False}
    context = serve.command.make_context("serve", ["--upstream-max-age", "5m"], parent=root)
    assert given_flags(context) == {"upstream_max_age"}
