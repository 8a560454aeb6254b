"""What flags, environment and defaults come to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

    from store import Store


@final
@dataclass(frozen=True, slots=True)
class Settings:
    """The resolved settings of one run."""

    root: Path
    debug: bool

    def open(self, *, create: bool = False) -> Store:
        """The store. Raises what `Store.open` raises."""
        from store import Store  # noqa: PLC0415 - `--help` does without

        return Store.open(self.root, create=create, on_wait=lambda owner: click.echo(f"storectl: waiting for {owner or 'another process'}…", err=True))


def default_root(given: str | None, environment: Mapping[str, str]) -> Path:
    """The store's folder: what was said, else the XDG data folder (XDG Base Directory Specification)."""
    if given:
        return Path(given)
    data = environment.get("XDG_DATA_HOME", "")
    base = Path(data) if data.startswith("/") else Path(environment.get("HOME", "~")).expanduser() / ".local" / "share"
    return base / "storectl"
