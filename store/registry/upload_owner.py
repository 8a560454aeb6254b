"""The owner of an upload: uploads are counted for each owner, and only the owner may continue one.

A client without a user is known by its network. A network does not identify a client, and it
may change during an upload. So clients without a user may continue each other's uploads if they
know the ID of the upload, which is random.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self, final

_USER: Final = "user:"
_NETWORK: Final = "network:"


@final
@dataclass(frozen=True, slots=True)
class UploadOwner:
    """A user, or the clients without a user in one network.

    Attributes:
        key: The text by which the database knows the owner.
    """

    key: str

    @classmethod
    def user(cls, name: str) -> Self:
        """Return the owner for an authenticated user."""
        return cls(_USER + name)

    @classmethod
    def network(cls, network: str) -> Self:
        """Return the owner for clients without a user.

        Args:
            network: The network of the clients; empty if it is unknown.
        """
        return cls(_NETWORK + network)

    def may_continue(self, owner: str | None) -> bool:
        """Return whether this owner may continue, finish or cancel an upload.

        Args:
            owner: The key of the owner of the upload; None if unknown. Versions before
                schema revision 0005 recorded no owner.
        """
        if owner is None or self.key.startswith(_USER):
            return owner in (None, self.key)
        return owner.startswith(_NETWORK)

    def __str__(self) -> str:
        """Return the name of the user or the network, for messages."""
        return self.key.partition(":")[2] or "unknown clients"
