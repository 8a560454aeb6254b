"""Compiled SQL that survives a store: a process compiles a statement once, and not in each try.

SQLAlchemy keeps compiled statements by engine, and each opened store has an engine of its own. In
a try of a few hundred milliseconds, half of the time would be spent on compiling. The statements
are the same, and so are the calls that reach the disk.
"""

from __future__ import annotations

from typing import Any, final

from sqlalchemy import Engine


@final
class Statements(dict[Any, Any]):
    """Compiled statements by their key, without the dialect of an engine."""

    def get(self, key: Any, default: Any = None) -> Any:  # noqa: ANN401 - of SQLAlchemy
        """Return a compiled statement."""
        return super().get(key[1:], default)

    def __setitem__(self, key: Any, value: Any) -> None:  # noqa: ANN401 - of SQLAlchemy
        """Keep a compiled statement."""
        super().__setitem__(key[1:], value)


def share() -> None:
    """Let all engines of this process, and of the processes that it forks, share statements."""
    statements = Statements()
    # A property of the class takes the place of the attribute that each engine sets.
    Engine._compiled_cache = property(  # type: ignore[assignment]
        lambda _: statements, lambda _engine, _own: None
    )
