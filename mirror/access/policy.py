"""Decide what a caller may do; this module reads no files and sends nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, final

from mirror.access.rules import Action, Rules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from store.model.references import Repository

__all__ = ["ANONYMOUS", "Access", "Action", "Caller"]


@final
@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of a request; ``user`` is None for an anonymous caller."""

    user: str | None = None


ANONYMOUS: Final = Caller()


@final
@dataclass(frozen=True, slots=True)
class Access:
    """The permissions of one registry.

    Without users and rules, every caller may read, and may write and delete if `anonymous_write`
    is set. With users but no rules, users may do everything and anonymous callers may read. With
    rules, callers may do what a rule allows.

    Args:
        users: The password hashes by user.
        anonymous_read: Whether anonymous callers may read.
        read_only: Whether every change is refused.
        rules: The rules of the file; None without a file of rules.
        has_users: Whether there is a file of users. An empty file admits no user; it does not open
            the registry to all callers.
        anonymous_write: Whether every caller may write and delete if there are neither users nor
            rules. Only the changes that clients request are refused: the server itself still writes
            to the store.
    """

    users: Mapping[str, bytes] = field(default_factory=dict)
    anonymous_read: bool = True
    read_only: bool = False
    rules: Rules | None = None
    has_users: bool = False
    anonymous_write: bool = True

    @property
    def has_logins(self) -> bool:
        """Whether there are users or rules, so that callers can log in."""
        return bool(self.users) or self.has_users or self.rules is not None

    @property
    def tokens(self) -> Mapping[str, str]:
        """The hashes of permanent tokens, by name."""
        return {} if self.rules is None else self.rules.tokens

    def credentials(self, user: str) -> tuple[bytes, ...]:
        """Return what proves the name of a user: hashes, and the names of certificates.

        Args:
            user: The name of the user.

        Returns:
            The credentials; empty if there is no such user. Different credentials are never equal.
        """
        password, token = self.users.get(user), self.tokens.get(user)
        certificates = {} if self.rules is None else self.rules.certificates
        return (
            *(() if password is None else (b"password", password)),
            *(() if token is None else (b"token", token.encode())),
            *(
                part
                for common_name, owner in certificates.items()
                if owner == user
                for part in (b"certificate", common_name.encode("utf-8", "surrogateescape"))
            ),
        )

    def of_certificate(self, common_name: str | None) -> Caller:
        """Return the caller that a client certificate proves.

        Args:
            common_name: The common name in the certificate; None without a certificate.

        Returns:
            The user that the rules name for the certificate; an anonymous caller if the rules
            name no user.
        """
        user = (
            None
            if self.rules is None or common_name is None
            else self.rules.certificates.get(common_name)
        )
        return ANONYMOUS if user is None else Caller(user)

    def allows(self, caller: Caller, action: Action, repository: Repository) -> bool:
        """Return whether a caller may do ``action`` in a repository."""
        if (self.read_only and action is not Action.READ) or self._needs_login(caller):
            return False
        if self.rules is not None:
            return self.rules.allow(caller.user, action, repository)
        return self._without_rules(caller, action)

    def allows_everywhere(self, caller: Caller, action: Action) -> bool:
        """Return whether a caller may do ``action`` in every repository."""
        if (self.read_only and action is not Action.READ) or self._needs_login(caller):
            return False
        return (
            self._without_rules(caller, action)
            if self.rules is None
            else self.rules.allow_everywhere(caller.user, action)
        )

    def may_read_somewhere(self, caller: Caller) -> bool:
        """Return whether a caller may read at least one repository."""
        if self._needs_login(caller):
            return False
        return (
            self._without_rules(caller, Action.READ)
            if self.rules is None
            else self.rules.allow_somewhere(caller.user, Action.READ)
        )

    def _needs_login(self, caller: Caller) -> bool:
        return caller.user is None and self.has_logins and not self.anonymous_read

    def _without_rules(self, caller: Caller, action: Action) -> bool:
        if action is Action.READ:
            return True
        return caller.user is not None if self.has_logins else self.anonymous_write
