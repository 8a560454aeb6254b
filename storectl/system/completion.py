"""Image names from the store for the shell's completion."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import click

_MAX_NAMES: Final = 1000
"""The most names that are offered, because a longer list is not useful."""


def image_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the tags that begin with the typed text, or none after any error.

    Args:
        ctx: The context of the command, whose root holds the option ``--root``.
        param: The argument to complete.
        incomplete: The typed text.
    """
    del param
    from storectl.settings import resolve  # noqa: PLC0415 - only when the shell asks

    try:
        settings = resolve(ctx.find_root().params.get("root"), os.environ)
        # Open read-only: pressing a key must neither create a store nor upgrade it.
        with settings.open(read_only=True) as store:
            return [name.familiar for name in store.names(incomplete, _MAX_NAMES)]
    except Exception:  # noqa: BLE001 - the shell cannot show an error
        return []
