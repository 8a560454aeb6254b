"""What flags, environment and defaults come to.

The clock, the environment and the working directory enter here, and nowhere below.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, final

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from store import Store


def utc_now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


@final
@dataclass(frozen=True, slots=True)
class Settings:
    """The resolved settings of one run.

    ``now`` is the clock, ``sleep`` lets so many seconds pass.
    """

    root: Path
    debug: bool = False
    now: Callable[[], datetime] = utc_now
    sleep: Callable[[float], None] = time.sleep
    machine: str = field(default_factory=lambda: os.uname().machine)
    """The processor architecture of this machine, as the kernel calls it."""

    def open(self, *, create: bool = False, read_only: bool = False) -> Store:
        """The store. Raises what `Store.open` raises."""
        from store import Store  # noqa: PLC0415 - `--help` does without

        return Store.open(
            self.root, create=create, read_only=read_only, clock=self.now, on_wait=_waiting
        )


def resolve(root: str | None, environment: Mapping[str, str], *, debug: bool = False) -> Settings:
    """The settings of a run: ``root`` is what was given on the command line or in STORECTL_ROOT, if anything was."""
    return Settings(default_root(root, environment), debug)


def default_root(given: str | None, environment: Mapping[str, str]) -> Path:
    """The store's folder.

    What was said, else the XDG data folder (XDG Base Directory Specification: a relative one is
    ignored).

    Raises click.UsageError when nothing was said and there is no home folder.
    """
    if given:
        return Path(given)
    data = environment.get("XDG_DATA_HOME", "")
    if data.startswith("/"):
        return Path(data) / "storectl"
    home = environment.get("HOME", "")
    if not home.startswith("/"):
        raise click.UsageError(
            "there is no home folder to keep the store in: give --root DIR, or set STORECTL_ROOT"
        )
    return Path(home) / ".local" / "share" / "storectl"


def log_each_step() -> None:
    """Show on standard error what is logged, from the first step on."""
    import logging  # noqa: PLC0415 - only then
    import sys  # noqa: PLC0415

    logging.basicConfig(
        level=logging.DEBUG, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s"
    )


def _waiting(owner: str) -> None:
    from storectl.output import render  # noqa: PLC0415

    render.line(f"storectl: waiting for {owner or 'another process'}…", err=True)
