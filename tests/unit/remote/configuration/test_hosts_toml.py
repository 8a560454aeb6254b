from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from remote.configuration import hosts_toml
from remote.configuration.hosts_toml import HostFacts, host_facts
from store.errors import InvalidInput

if TYPE_CHECKING:
    from pathlib import Path


def facts(folder: Path, text: str, registry: str = "q.io:5000") -> HostFacts:
    (folder / "hosts.toml").write_text(text)
    return host_facts(folder, registry)


def test_a_folder_without_the_file_says_nothing(tmp_path: Path) -> None:
    assert host_facts(tmp_path, "q.io") == HostFacts()
    assert host_facts(tmp_path / "none", "q.io") == HostFacts()


@pytest.mark.parametrize(
    "text",
    [
        "ca = 'ca.pem'\nskip_verify = true",
        "server = 'https://q.io:5000'\nca = ['ca.pem']\nskip_verify = true",
        "host = {'https://Q.io:5000/v2' = {ca = 'ca.pem', skip_verify = true}}\nserver = 'o.io'",
    ],
)
def test_tables_about_the_registry_itself_are_used(tmp_path: Path, text: str) -> None:
    assert facts(tmp_path, text) == HostFacts((tmp_path / "ca.pem",), (), skip_verify=True)


def test_tables_about_mirrors_are_not(tmp_path: Path) -> None:
    text = "[host.'https://mirror.io']\nca = 'ca.pem'\nskip_verify = true"
    assert facts(tmp_path, text) == HostFacts()
    assert facts(tmp_path, f"server = 'https://mirror.io'\nca = 'x'\n{text}") == HostFacts()


def test_docker_hub_has_a_server_of_another_name(tmp_path: Path) -> None:
    text = "server = 'https://registry-1.docker.io'\nca = '/etc/ca.pem'"
    assert [str(one) for one in facts(tmp_path, text, "docker.io").authorities] == ["/etc/ca.pem"]


@pytest.mark.parametrize(
    ("client", "pairs"),
    [
        ("'a.pem'", [("a.pem", "a.pem")]),
        ("['a.pem', 'b.pem']", [("a.pem", "a.pem"), ("b.pem", "b.pem")]),
        ("[['a.cert', 'a.key'], ['b.pem', '']]", [("a.cert", "a.key"), ("b.pem", "b.pem")]),
    ],
)
def test_certificates_of_the_machine_have_three_forms(
    tmp_path: Path, client: str, pairs: list[tuple[str, str]]
) -> None:
    assert facts(tmp_path, f"client = {client}").pairs == tuple(
        (tmp_path / certificate, tmp_path / key) for certificate, key in pairs
    )


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("a = 1 2", "at line 1"),
        ("server = 1", "server is not a string"),
        ("host = 1", "host is not a table"),
        ("host = {a = 1}", "host.'a' is not a table"),
        ("skip_verify = 1", "skip_verify is not true or false"),
        ("ca = 1", "ca is not a string"),
        ("ca = [1]", "ca is not a string"),
        ("client = 1", "client is not a string"),
        ("client = [['a']]", "client is not a file"),
        ("client = [[1, 2]]", "client is not a file"),
    ],
)
def test_a_file_that_is_not_valid_is_refused_with_its_name(
    tmp_path: Path, text: str, fact: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        facts(tmp_path, text)
    assert caught.value.message.startswith(f"invalid file {tmp_path}/hosts.toml: ")
    assert fact in caught.value.message


def test_the_number_of_files_has_a_ceiling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts_toml, "MAX_FILES", 1)
    with pytest.raises(InvalidInput, match="more than 1 files"):
        facts(tmp_path, "ca = ['a', 'b']")
