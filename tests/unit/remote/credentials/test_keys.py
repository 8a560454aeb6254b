from __future__ import annotations

import pytest

from remote.credentials.keys import DOCKER_HUB_URL, Key, keys_for
from store.errors import InvalidReference


@pytest.mark.parametrize(
    ("spelled", "key"),
    [
        ("quay.io", Key("quay.io")),
        ("Quay.IO", Key("quay.io")),
        ("localhost:5000", Key("localhost:5000")),
        ("https://registry.example:5000/v2/", Key("registry.example:5000")),
        ("http://registry.example", Key("registry.example")),
        ("registry.example/v1/", Key("registry.example")),
        ("https://index.docker.io/v1/", Key("docker.io")),
        ("index.docker.io", Key("docker.io")),
        ("registry-1.docker.io", Key("docker.io")),
        ("docker.io/library", Key("docker.io", "library")),
        ("quay.io/team/app", Key("quay.io", "team/app")),
    ],
)
def test_every_spelling_of_an_entry_is_known(spelled: str, key: Key) -> None:
    assert Key.of_entry(spelled) == key
    assert Key.of_entry(key.docker_spelling) == key
    assert Key.of_entry(str(key)) == key


def test_docker_hub_has_its_url_as_a_key() -> None:
    assert Key("docker.io").docker_spelling == DOCKER_HUB_URL
    assert Key("docker.io").spellings[0] == DOCKER_HUB_URL
    assert Key("docker.io", "team").docker_spelling == "docker.io/team"
    assert Key("quay.io").spellings == ("quay.io", "https://quay.io")


def test_the_most_specific_key_comes_first() -> None:
    assert [str(key) for key in keys_for("quay.io", "team/app")] == [
        "quay.io/team/app",
        "quay.io/team",
        "quay.io",
    ]
    assert keys_for("registry-1.docker.io", "") == (Key("docker.io"),)


@pytest.mark.parametrize("text", ["quay.io", "https://quay.io/", "localhost:5000", "docker.io/me"])
def test_a_registry_to_log_in_to_is_parsed(text: str) -> None:
    assert Key.parse(text) == Key.of_entry(text)


@pytest.mark.parametrize(
    "text", ["", "quay", "a b", "quay.io/Team", "quay.io:x", "-a.b", "q.io/a:1"]
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidReference) as caught:
        Key.parse(text)
    assert caught.value.text == text
