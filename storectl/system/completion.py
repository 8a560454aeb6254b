"""Names of images for the shell's completion, asked of the store; silent when there is none."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import click

_SHOWN: Final = 1000
"""Who types nothing of a name does not choose among a million."""


def image_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Every tag that begins with what was typed.

    An error is no answer, for there is nobody to read it.
    """
    del param
    from storectl.settings import resolve  # noqa: PLC0415 - only when the shell asks

    try:
        settings = resolve(ctx.find_root().params.get("root"), os.environ)
        # Read-only: pressing a key must neither make a store nor upgrade one.
        with settings.open(read_only=True) as store:
            return [name.familiar for name in store.names(incomplete, _SHOWN)]
    except Exception:  # noqa: BLE001 - see above
        return []
