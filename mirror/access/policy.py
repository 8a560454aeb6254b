"""Who may do what: a pure decision."""

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
    """Who is asking; ``user`` is None for anybody."""

    user: str | None = None


ANONYMOUS: Final = Caller()


@final
@dataclass(frozen=True, slots=True)
class Access:
    """What one registry allows.

    Without ``users`` and ``rules`` there is nobody to tell apart: everybody may do everything. With
    ``users`` and no ``rules``, users may do everything and anybody may read; that they have gone,
    or are still to come, is what ``has_users`` says: a file without users lets nobody in, not
    everybody. With ``rules``, what they allow. Without ``anonymous_read``, only those who prove who
    they are; with ``read_only``, nothing is changed.
    """

    users: Mapping[str, bytes] = field(default_factory=dict)
    anonymous_read: bool = True
    read_only: bool = False
    rules: Rules | None = None
    has_users: bool = False

    @property
    def is_open(self) -> bool:
        """Whether nobody has to be told apart."""
        return not self.users and not self.has_users and self.rules is None

    @property
    def tokens(self) -> Mapping[str, str]:
        """The hashes of the tokens that do not expire, by their names."""
        return {} if self.rules is None else self.rules.tokens

    def of_certificate(self, common_name: str | None) -> Caller:
        """Whom a certificate stands for.

        Without a word on it in the rules, for nobody in particular: it opens the connection and
        proves no user.
        """
        user = (
            None
            if self.rules is None or common_name is None
            else self.rules.certificates.get(common_name)
        )
        return ANONYMOUS if user is None else Caller(user)

    def allows(self, caller: Caller, action: Action, repository: Repository) -> bool:
        """Whether the caller may do this there."""
        if (self.read_only and action is not Action.READ) or self._needs_login(caller):
            return False
        if self.rules is not None:
            return self.rules.allow(caller.user, action, repository)
        return self._without_rules(caller, action)

    def allows_everywhere(self, caller: Caller, action: Action) -> bool:
        """Whether the caller may do this in all repositories."""
        if (self.read_only and action is not Action.READ) or self._needs_login(caller):
            return False
        return (
            self._without_rules(caller, action)
            if self.rules is None
            else self.rules.allow_everywhere(caller.user, action)
        )

    def may_read_somewhere(self, caller: Caller) -> bool:
        """Whether the caller may read something at all."""
        if self._needs_login(caller):
            return False
        return (
            self._without_rules(caller, Action.READ)
            if self.rules is None
            else self.rules.allow_somewhere(caller.user, Action.READ)
        )

    def _needs_login(self, caller: Caller) -> bool:
        return caller.user is None and not self.is_open and not self.anonymous_read

    def _without_rules(self, caller: Caller, action: Action) -> bool:
        return self.is_open or caller.user is not None or action is Action.READ
