from __future__ import annotations

from remote.auth.credentials import Credentials, NoCredentials


def test_secrets_are_not_printed() -> None:
    found = Credentials("me", "hunter2", "refresh", "token", "config.json")
    assert repr(found) == "Credentials(username='me', source='config.json')"


def test_a_name_or_a_token_is_something_to_send() -> None:
    assert not Credentials(source="config.json").has_secret
    assert Credentials("me").has_secret
    secret = "x"  # noqa: S105 - a test
    assert Credentials(identity_token=secret).has_secret
    assert Credentials(registry_token=secret).has_secret


def test_no_credentials_are_found_nowhere() -> None:
    assert NoCredentials().credentials_for("r.example", "app") is None
