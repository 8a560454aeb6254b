"""The client that the options of a command describe."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from remote.auth.credentials import Credentials
from remote.configuration.pull_sources import RegistryBlocked
from store import Reference
from storectl.commands._remote import RemoteOptions, SidedOptions, given_credentials
from storectl.settings import Settings
from tests.support.guarded_registry import guarded_registry
from tests.support.terminals import Terminal


def settings(tmp_path: Path, **environment: str) -> Settings:
    return Settings(tmp_path, environment={"HOME": str(tmp_path), **environment})


def test_credentials_of_the_command_line_may_lack_the_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert given_credentials("me:a:b") == Credentials("me", "a:b", source="--creds")
    with pytest.raises(click.UsageError, match="expected USER:PASSWORD"):
        given_credentials(":secret")
    with pytest.raises(click.UsageError, match="standard input is not a terminal"):
        given_credentials("me")
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("click.prompt", lambda *_args, **_options: "typed")
    assert given_credentials("me") == Credentials("me", "typed", source="--creds")


def test_the_files_and_the_environment_become_settings(tmp_path: Path) -> None:
    (tmp_path / ".config/containers").mkdir(parents=True)
    (tmp_path / ".config/containers/registries.conf").write_text(
        "[[registry]]\nlocation = 'a.io'\ninsecure = true"
    )
    run = settings(
        tmp_path, HTTPS_PROXY="http://proxy:3128", NO_PROXY="b.io", SSL_CERT_FILE="/ca.pem"
    )
    options = RemoteOptions(retries=1, rate_bytes_s=5)
    assert not options.registries(run).settings_for("a.io").tls_verify
    got = options.client_settings(run, jobs=20)
    assert (got.retries, got.rate_bytes_s, got.connections_per_host) == (1, 5, 20)
    assert got.ca_files == (Path("/ca.pem"),)
    assert got.user_agent.startswith("storectl/")
    assert (got.proxies.https, got.proxies.exceptions) == ("http://proxy:3128", "b.io")


def test_credentials_come_from_the_command_line_the_variable_and_the_files(tmp_path: Path) -> None:
    def entry(auth: str) -> str:
        return json.dumps({"auths": {"a.io": {"auth": auth}}})

    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text(entry("ZmlsZTpz"))
    (tmp_path / "own.json").write_text(entry("b3duOnM="))
    with_variable = settings(tmp_path, DOCKER_AUTH_CONFIG=entry("dmFyOnM="))

    def user(options: RemoteOptions, run: Settings, *registries: str) -> str | None:
        found = options.credentials(run, registries).credentials_for("a.io", "app")
        return None if found is None else found.username

    assert user(RemoteOptions(), settings(tmp_path)) == "file"
    assert user(RemoteOptions(), with_variable) == "var"
    assert user(RemoteOptions(authfile=tmp_path / "own.json"), with_variable) == "own"
    assert user(RemoteOptions(creds="me:s"), with_variable) == "me"
    assert user(RemoteOptions(creds="me:s"), with_variable, "b.io") == "var"


def test_the_client_reaches_a_registry_with_the_given_credentials(tmp_path: Path) -> None:
    with guarded_registry(tmp_path / "store") as registry:
        options = RemoteOptions(creds="alice:secret")
        with options.connected(settings(tmp_path)) as connection:
            connection.loop.run(connection.client.ping(registry))
            assert connection.repository(registry, "app").name == "app"
        sides = SidedOptions(options, options)
        with sides.connected(settings(tmp_path), jobs=2) as (source, destination):
            assert source.loop is destination.loop
            source.loop.run(source.client.ping(registry))
            destination.loop.run(destination.client.ping(registry))


def test_an_image_has_its_repositories_by_registries_conf(tmp_path: Path) -> None:
    (tmp_path / "registries.conf").write_text(
        "unqualified-search-registries = ['a.io']\n"
        "[[registry]]\nlocation = 'a.io'\n[[registry.mirror]]\nlocation = 'localhost:1/a'\n"
        "[[registry]]\nlocation = 'b.io'\nblocked = true\n"
    )
    run = settings(tmp_path, CONTAINERS_REGISTRIES_CONF=str(tmp_path / "registries.conf"))
    with RemoteOptions().connected(run) as connection:
        (reference,) = connection.named_references("app:1")
        found = connection.pull_repositories(reference)
        assert [(one.registry, one.name) for one in found] == [
            ("localhost:1", "a/app"),
            ("a.io", "app"),
        ]
        with pytest.raises(RegistryBlocked):
            connection.pull_repositories(Reference.parse("b.io/app:1"))
