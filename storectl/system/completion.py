"""Image names and values of options for the shell's completion."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import click

    Complete = Callable[[click.Context, click.Parameter, str], list[str]]

COMPLETE: Final = "_STORECTL_COMPLETE"
"""The environment variable in which a shell asks for completions (click's convention)."""

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


PLATFORMS: Final = (
    "linux/amd64",
    "linux/arm64",
    "linux/arm/v7",
    "linux/arm/v6",
    "linux/386",
    "linux/ppc64le",
    "linux/s390x",
    "linux/riscv64",
    "windows/amd64",
)
"""The platforms of most images."""


def values(*choices: str) -> Complete:
    """Return a function that offers fixed values of an option.

    Args:
        choices: The values, in the order in which they are offered.
    """

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        del ctx, param
        return _beginning(choices, incomplete)

    return complete


platforms: Final = values(*PLATFORMS)


def filters(**keys: tuple[str, ...]) -> Complete:
    """Return a function that offers the keys of a filter, and then the values of a key.

    Args:
        keys: The known values of each key; the value ``IMAGE`` stands for the names of images.
    """

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        key, equals, typed = incomplete.partition("=")
        if not equals:
            return _beginning([f"{one}=" for one in keys], incomplete)
        known = keys.get(key, ())
        offered = image_names(ctx, param, typed) if IMAGE in known else _beginning(known, typed)
        return [f"{key}={value}" for value in offered]

    return complete


IMAGE: Final = "IMAGE"
"""Stands for the names of images in `filters`."""


def _beginning(choices: Iterable[str], incomplete: str) -> list[str]:
    return [one for one in choices if one.startswith(incomplete)]
