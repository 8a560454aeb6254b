"""The user on whose behalf the store is changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

MAX_CHARACTERS: Final = 255
"""The longest name or address in an event; longer ones are cut off."""


@final
@dataclass(frozen=True, slots=True)
class Actor:
    """The user on whose behalf a write unit changes the store, for the events in the unit.

    Attributes:
        user: The name of the user; None if unknown.
        address: The network address of the user's client; None for a user of this machine.
    """

    user: str | None = None
    address: str | None = None

    @property
    def facts(self) -> dict[str, str]:
        """The known facts, as attributes of an event."""
        known = {"user": self.user, "address": self.address}
        return {key: text[:MAX_CHARACTERS] for key, text in known.items() if text is not None}


NOBODY: Final = Actor()
"""The actor of changes that nobody has asked for."""
