"""Only the registry client `remote` opens connections to other servers."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.imports import modules

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLIENT_MODULES: Final = frozenset(
    ("ftplib", "http.client", "imaplib", "poplib", "smtplib", "urllib.request", "xmlrpc.client")
)
_CLIENT_CALLS: Final = frozenset(
    ("ClientSession", "create_connection", "create_unix_connection", "open_connection", "urlopen")
)


def clients_in(source: str) -> Iterator[str]:
    """Yield every name by which a module's source can open connections."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names if alias.name in _CLIENT_MODULES)
            case ast.ImportFrom(module=str(module)):
                names = {module, *(f"{module}.{alias.name}" for alias in node.names)}
                yield from names & _CLIENT_MODULES
                yield from (alias.name for alias in node.names if alias.name in _CLIENT_CALLS)
            case ast.Attribute(attr=name) if name in _CLIENT_CALLS:
                yield name


@pytest.mark.parametrize(
    "source",
    [
        "import http.client",
        "from http import client",
        "from urllib.request import urlopen",
        "import aiohttp\naiohttp.ClientSession()",
        "from aiohttp import ClientSession",
        "import socket\nsocket.create_connection(('x', 1))",
        "async def dial(loop): await loop.create_connection(None, 'x', 1)",
    ],
)
def test_clients_are_found(source: str) -> None:
    assert list(clients_in(source))


def test_no_module_outside_of_remote_opens_connections() -> None:
    found = {
        name: clients
        for name, path in modules().items()
        if not name.startswith("remote.")
        and (clients := sorted(set(clients_in(path.read_text(encoding="utf-8")))))
    }
    assert found == {}
