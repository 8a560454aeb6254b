"""A terminal at which a user types an answer."""

from __future__ import annotations

import io


class Terminal(io.StringIO):
    """Standard input that claims to be a terminal."""

    def isatty(self) -> bool:
        return True
