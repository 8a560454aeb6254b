"""The option ``--platform`` of the commands that show one image of an index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from storectl.system.completion import platforms
from storectl.verb import checked_platform

if TYPE_CHECKING:
    from store.model.platforms import PlatformChoice
    from storectl.settings import Settings

platform_option: Final = click.option(
    "--platform",
    metavar="OS/ARCH",
    shell_complete=platforms,
    callback=checked_platform,
    help=(
        "Choose the image for this platform from an index. Without this option, it is the image for"
        " this machine, or else the first one."
    ),
)


def platform_choice(settings: Settings, platform: str | None) -> PlatformChoice:
    """Return the choice of the image that the name of an index stands for.

    Args:
        settings: The settings of the run, with the architecture of this machine.
        platform: The value of ``--platform``; None if it was not given.

    Raises:
        InvalidInput: The value is not a platform.
    """
    from store.model.platforms import (  # noqa: PLC0415 - `--help` does without
        Platform,
        PlatformChoice,
    )

    return PlatformChoice(
        () if platform is None else (Platform.parse(platform),),
        Platform.of("linux", settings.machine),
    )
