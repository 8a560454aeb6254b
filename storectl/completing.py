"""Names of images for the shell's completion, asked of the store; silent when there is none."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from storectl.settings import Settings, default_root

if TYPE_CHECKING:
    import click


def image_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Every tag that begins with what was typed."""
    del param
    from store.errors import StoreError  # noqa: PLC0415

    settings = Settings(default_root(ctx.find_root().params.get("root"), os.environ), debug=False)
    try:
        with settings.open() as store:
            return [tagged.reference.familiar for image in store.images() for tagged in image.references if tagged.reference.familiar.startswith(incomplete)]
    except (StoreError, OSError):
        return []
