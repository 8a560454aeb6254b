"""Import SQLAlchemy without the parts of Python that only its asynchronous drivers need.

SQLAlchemy imports `asyncio` for drivers that this program does not use, and `importlib.metadata`
for plug-ins. With them come TLS, sockets and the parser of e-mails: a sixth of the time that a
short command takes to start. Import this module before anything that imports SQLAlchemy. A program
that has imported one of the modules before keeps it.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, final

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFERRED: Final = ("asyncio", "importlib.metadata", "sqlalchemy.dialects.sqlite.aiosqlite")
"""The modules that SQLAlchemy imports and does not use here."""


@final
class _Deferred(ModuleType):
    """A module that is imported when its first attribute is used."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - of any type
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


def _is_coroutine(value: object) -> bool:
    from asyncio import iscoroutine  # noqa: PLC0415 - only for an asynchronous driver

    return iscoroutine(value)


@contextmanager
def deferred(*names: str) -> Iterator[None]:
    """Let the modules that the block imports use some modules without importing them.

    Each of the modules is imported when one of its attributes is used, in the block or later.

    Args:
        names: Full names of modules. Modules that are imported already are left as they are.
    """
    stand_ins = {name: _Deferred(name) for name in names if name not in sys.modules}
    if "asyncio" in stand_ins:
        # SQLAlchemy assigns this function to a name of its own.
        stand_ins["asyncio"].iscoroutine = _is_coroutine  # type: ignore[attr-defined]
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name, stand_in in stand_ins.items():
            if sys.modules.get(name) is stand_in:
                del sys.modules[name]


with deferred(*DEFERRED):
    import sqlalchemy.dialects.sqlite  # noqa: F401 - later imports find it
