"""The facts about a mirror, and the texts of its clients' files."""

from __future__ import annotations

import json
import tomllib

import pytest

from storectl.client_config.mirror import (
    Login,
    Mirror,
    authorities,
    document,
    joined,
    logins,
    quoted,
    quoted_list,
)

HARD = 'a "b" \\ \u00e9 \U0001f433 #:{}'


def test_host_and_scheme_come_from_the_url() -> None:
    assert Mirror("https://[::1]:5000").host == "[::1]:5000"
    assert not Mirror("https://a.example").is_insecure
    assert Mirror("http://a.example").is_insecure


@pytest.mark.parametrize(
    ("version", "wanted", "answer"),
    [(None, (0, 0), False), ((2, 2), (2, 2), True), ((2, 10), (2, 2), True), ((1, 7), (2,), False)],
)
def test_versions_are_compared_by_number(
    version: tuple[int, int] | None, wanted: tuple[int, ...], *, answer: bool
) -> None:
    assert Mirror("https://a.example", version=version).is_since(*wanted) is answer


def test_strings_are_quoted_for_toml_and_json() -> None:
    assert json.loads(quoted(HARD)) == HARD
    assert tomllib.loads(f"a = {quoted_list([HARD, 'x'])}") == {"a": [HARD, "x"]}


def test_texts_end_with_one_line_end() -> None:
    assert joined(["a", "b"]) == "a\nb\n"
    assert document({}) == "{}\n"


def test_login_is_a_secret_file_for_the_host_of_the_mirror() -> None:
    mirror = Mirror("https://a.example:5000", login=Login("al\u00efce", "a:b c"))
    (file,) = logins("/auth.json", mirror)
    assert file.is_secret
    assert not file.is_main
    # The base64 text of the UTF-8 bytes of "al\u00efce:a:b c".
    assert json.loads(file.text) == {"auths": {"a.example:5000": {"auth": "YWzDr2NlOmE6YiBj"}}}


def test_certificates_are_no_secret() -> None:
    (file,) = authorities("/ca.crt", Mirror("https://a.example", authority="PEM\n"))
    assert (file.text, file.is_secret, file.is_main) == ("PEM\n", False, False)


def test_anonymous_client_with_a_known_authority_needs_no_file() -> None:
    mirror = Mirror("https://a.example")
    assert logins("/auth.json", mirror) == authorities("/ca.crt", mirror) == ()
