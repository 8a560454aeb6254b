"""The options that say what of images `pull` and `sync` download, and how much at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from storectl.system.completion import platforms
from storectl.system.parameters import WholeNumber
from storectl.verb import checked_platform

if TYPE_CHECKING:
    from collections.abc import Callable

    Command = TypeVar("Command", bound=Callable[..., Any])

JOBS: Final = 6
_MAX_JOBS: Final = 64


def part_options(
    *, unless: str = "", also: str = "", elsewhere: str = ""
) -> Callable[[Command], Command]:
    """Return a decorator that adds the options of which images, and how, to download.

    The command gets ``wanted``, ``all_platforms``, ``referrers``, ``jobs`` and ``verifies``.

    Args:
        unless: When the options do not count, after a comma.
        also: What --jobs limits besides downloads, after a comma.
        elsewhere: Which images are stored by default from other places, after a semicolon.
    """
    options = (
        click.option(
            "--platform",
            "wanted",
            multiple=True,
            metavar="OS/ARCH",
            shell_complete=platforms,
            callback=checked_platform,
            help=(
                f"Pull the image for this platform{unless} (repeatable).  [default: that of this"
                f" machine{elsewhere}]"
            ),
        ),
        click.option(
            "--all-platforms",
            is_flag=True,
            help=f"Pull the images for all platforms, with attestations{unless}.",
        ),
        click.option(
            "--referrers",
            is_flag=True,
            help=(
                "Also pull signatures, attestations and SBOMs of the images, with their cosign"
                f" tags{unless}."
            ),
        ),
        click.option(
            "-j",
            "--jobs",
            type=WholeNumber(min=1, max=_MAX_JOBS),
            default=JOBS,
            show_default=True,
            metavar="N",
            help=f"How many blobs to download at once{also}.",
        ),
        click.option(
            "--verify",
            "verifies",
            is_flag=True,
            help="Decode each layer at once, and refuse an image whose config lists other layers.",
        ),
    )

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def require_one_choice(wanted: tuple[str, ...], *, all_platforms: bool) -> None:
    """Check that not both all platforms and some were asked for.

    Args:
        wanted: The platforms that were named.
        all_platforms: Whether all were asked for.

    Raises:
        click.UsageError: Both were.
    """
    if all_platforms and wanted:
        raise click.UsageError("--all-platforms excludes --platform")
