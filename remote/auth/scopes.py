"""Scopes: what a request asks a registry's permission for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self, final

PULL: Final = ("pull",)
PUSH: Final = ("pull", "push")


@final
@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """Actions on a resource of a registry (distribution/spec, "Token Scope Documentation").

    Args:
        text: The scope as token services read it: ``repository:team/app:pull,push``.
    """

    text: str

    @classmethod
    def of(cls, repository: str, actions: tuple[str, ...]) -> Self:
        """Return the scope of actions on a repository.

        Args:
            repository: The path of the repository.
            actions: `PULL` or `PUSH`.
        """
        return cls(f"repository:{repository}:{','.join(actions)}")


Scopes = tuple[Scope, ...]
"""All that one request needs: a mount needs scopes of two repositories."""
