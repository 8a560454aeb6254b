"""Credentials for a registry, and the protocol of the places where people keep them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, final


@final
@dataclass(frozen=True, slots=True)
class Credentials:
    """A name and a password, or a token, for one registry.

    The secrets are not in the ``repr``, so that no log or traceback shows them.

    Args:
        username: The name of the user; empty with a token.
        password: The password, or the access token that a registry takes in its place.
        identity_token: A refresh token (OAuth 2), which the token service changes into tokens for
            requests; empty for none.
        registry_token: A token that is sent with each request as it is; empty for none.
        source: Where the credentials were found, for messages: ``/home/me/.docker/config.json``.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)
    source: str = ""

    @property
    def has_secret(self) -> bool:
        """Whether there is anything to send."""
        return bool(self.username or self.identity_token or self.registry_token)


class CredentialSource(Protocol):
    """The places where credentials are kept."""

    def credentials_for(self, registry: str, repository: str) -> Credentials | None:
        """Return the credentials for a repository.

        The client calls this in a thread, at most once for each repository, because it may run a
        helper program. It asks only if the registry demands authentication.

        Args:
            registry: The registry as references name it: ``docker.io``, ``registry.example:5000``.
            repository: The path of the repository, for example ``library/debian``; empty if the
                request is about the whole registry.

        Returns:
            The credentials; None to send requests without credentials.

        Raises:
            StoreError: The place cannot be read, or the helper failed.
        """
        ...


@final
class NoCredentials:
    """A source without credentials."""

    def credentials_for(self, registry: str, repository: str) -> Credentials | None:  # noqa: ARG002
        """Return None."""
        return None
