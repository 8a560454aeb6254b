"""A registry that lets only the user ``alice`` in, and a home folder without credentials."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvloop

from mirror.access import Access
from mirror.service import MirrorSettings
from store import Store
from tests.support.logins import USERS
from tests.support.mirror_in_process import InProcessMirror

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

VARIABLES = (
    "CONTAINERS_REGISTRIES_CONF",
    "DOCKER_AUTH_CONFIG",
    "DOCKER_CONFIG",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "REGISTRY_AUTH_FILE",
    "SSL_CERT_FILE",
    "XDG_CONFIG_HOME",
)
"""Variables of the user that would change where credentials and settings are read."""


@contextmanager
def guarded_registry(root: Path) -> Iterator[str]:
    """Serve a new store to the user ``alice`` with the password ``secret``.

    Args:
        root: The folder of the store.

    Yields:
        The registry as references name it.
    """
    access = Access(USERS, anonymous_read=False)
    with (
        Store.open(root, create=True) as store,
        InProcessMirror(store, MirrorSettings(access=access), uvloop.new_event_loop) as mirror,
    ):
        yield f"localhost:{mirror.port}"


def clean_home(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """Give the process a home folder without credentials, and return its folder."""
    home = folder / "home"
    home.mkdir()
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder / "run"))
    return home
