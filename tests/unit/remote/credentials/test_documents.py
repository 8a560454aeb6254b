from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote.auth.credentials import Credentials
from remote.credentials.documents import AuthDocument, encoded
from remote.credentials.keys import Key
from remote.credentials.places import Kind
from store.errors import InvalidInput


def document(text: str, kind: Kind = Kind.DOCKER) -> AuthDocument:
    return AuthDocument.parse(text, "config.json", kind)


def auth(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def entry(**members: object) -> AuthDocument:
    return document(json.dumps({"auths": {"quay.io": members}}))


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ({"auth": auth("me:pass:word")}, Credentials("me", "pass:word")),
        ({"auth": auth("me:secret\0\0")}, Credentials("me", "secret")),
        (
            {"auth": auth("me:secret")[:4] + "\n" + auth("me:secret")[4:]},
            Credentials("me", "secret"),
        ),
        ({"username": "me", "password": "secret"}, Credentials("me", "secret")),
        ({"auth": auth("0000:"), "identitytoken": "t"}, Credentials("0000", "", "t")),
        ({"auth": auth("<token>:t")}, Credentials("", "", "t")),
        ({"registrytoken": "r"}, Credentials("", "", "", "r")),
        ({"email": "me@example"}, None),
        ({}, None),
    ],
)
def test_an_entry_of_every_form_is_read(
    members: dict[str, object], found: Credentials | None
) -> None:
    got = entry(**members).credentials("quay.io")
    if found is not None:
        assert got is not None
        assert got.source == "config.json"
        got = Credentials(got.username, got.password, got.identity_token, got.registry_token)
    assert got == found


@pytest.mark.parametrize(
    ("members", "fact"),
    [
        ({"auth": 1}, "auth is not text"),
        ({"auth": "%"}, "is not base64 of USER:PASSWORD"),
        ({"auth": auth("secret")}, "is not base64 of USER:PASSWORD"),
        ({"auth": base64.b64encode(b"\xff:\xff").decode()}, "is not base64 of USER:PASSWORD"),
    ],
)
def test_a_damaged_entry_is_refused_with_its_place_and_without_its_secret(
    members: dict[str, object], fact: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        entry(**members).credentials("quay.io")
    assert "config.json: auths['quay.io'].auth" in caught.value.message
    assert fact in caught.value.message
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("{", "at line 1, column 2"),
        ("[]", "the document is not an object"),
        ('{"auths": []}', "auths is not an object"),
        ('{"auths": 1}', "auths is not an object"),
        ('{"credHelpers": "x"}', "credHelpers is not an object"),
        ('{"credsStore": "../x"}', "credsStore is not the name of a credential helper"),
        ('{"credsStore": {"a": 1}}', "credsStore is not the name"),
        ('{"a": NaN}', "NaN is not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 200 + "1" + "}" * 200, "nested too deeply"),
        ('{"a": ' + "9" * 5000 + "}", "digits"),
    ],
    ids=lambda value: value[:30],
)
def test_a_document_that_is_not_valid_is_refused_with_the_place(text: str, fact: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        document(text)
    assert caught.value.message.startswith("invalid credentials in config.json: ")
    assert fact in caught.value.message


@pytest.mark.parametrize("text", ["", "{}", '{"auths": null, "credHelpers": null}', " \n"])
def test_an_empty_document_has_no_credentials(text: str) -> None:
    empty = document(text)
    assert (dict(empty.entries), empty.store, empty.named_helper(Key("quay.io"))) == ({}, "", None)


def test_helpers_are_found_by_every_spelling_of_a_registry() -> None:
    found = document(
        '{"credsStore": "desktop", "credHelpers": {"https://index.docker.io/v1/": "hub",'
        ' "quay.io": "", "ghcr.io": "a/b"}}'
    )
    assert found.helper_for(Key("docker.io")) == "hub"
    assert found.helper_for(Key("docker.io", "team")) == "hub"
    assert found.helper_for(Key("quay.io")) == ""
    assert found.helper_for(Key("gcr.io")) == "desktop"
    with pytest.raises(InvalidInput):
        found.helper_for(Key("ghcr.io"))


def test_the_spelling_of_the_owner_wins() -> None:
    text = json.dumps({"auths": {"docker.io": {}, "https://index.docker.io/v1/": {}}})
    key = Key("docker.io")
    assert document(text).spelling_of(key) == "https://index.docker.io/v1/"
    assert document(text, Kind.CONTAINERS).spelling_of(key) == "docker.io"
    assert document(text).spelling_of(Key("quay.io")) is None
    assert document('{"http://quay.io/v1/": {}}', Kind.DOCKERCFG).spelling_of(Key("quay.io"))


DOCKER_FILE = """{
\t"HttpHeaders": {
\t\t"X-Meta": "<1>"
\t},
\t"auths": {
\t\t"quay.io": {
\t\t\t"auth": "bWU6c2VjcmV0",
\t\t\t"email": "me@example"
\t\t},
\t\t"ghcr.io": {}
\t},
\t"detachKeys": "ctrl-e"
}"""


def test_a_change_keeps_all_other_members_their_order_and_the_indentation() -> None:
    changed = document(DOCKER_FILE).with_entry("quay.io", encoded("you", "other"))
    assert changed == DOCKER_FILE.replace(
        '\t\t\t"auth": "bWU6c2VjcmV0",\n\t\t\t"email": "me@example"',
        f'\t\t\t"email": "me@example",\n\t\t\t"auth": "{auth("you:other")}"',
    )
    without = document(DOCKER_FILE).without_entries(["ghcr.io", "quay.io"])
    assert list(json.loads(without)) == ["HttpHeaders", "auths", "detachKeys"]
    assert json.loads(without)["auths"] == {}


def test_the_indentation_of_a_person_stays() -> None:
    assert document('{\n  "a": 1\n}\n').with_entry("q.io", {}) == (
        '{\n  "a": 1,\n  "auths": {\n    "q.io": {}\n  }\n}\n'
    )
    assert document("").with_entry("q.io", {}) == '{\n\t"auths": {\n\t\t"q.io": {}\n\t}\n}'


def test_an_old_file_has_its_entries_without_a_member_around_them() -> None:
    old = document('{"q.io": {"auth": "bWU6c2VjcmV0"}}', Kind.DOCKERCFG)
    assert old.credentials("q.io")
    assert json.loads(old.with_entry("r.io", {})) == {"q.io": {"auth": "bWU6c2VjcmV0"}, "r.io": {}}


def test_text_that_only_escapes_can_write_survives() -> None:
    text = '{"a": "\\ud800"}'
    assert json.loads(document(text).with_entry("q.io", {}))["a"] == "\ud800"


@given(st.text(max_size=60), st.text(max_size=60))
def test_what_is_encoded_is_read_back(username: str, password: str) -> None:
    username = username.replace(":", "").replace("\0", "")
    changed = document("{}").with_entry("q.io", encoded(username + "x", password.strip("\0")))
    found = document(changed).credentials("q.io")
    assert found == Credentials(username + "x", password.strip("\0"), source="config.json")
