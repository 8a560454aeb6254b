"""The options of a scrub, which `scrub`, `fsck` and `serve` share: a rate and an age."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, final

import click

from storectl.output.units import parse_age, parse_size

if TYPE_CHECKING:
    from collections.abc import Callable

MIN_RATE: Final = 10_000
MAX_RATE: Final = 1_000_000_000_000
"""`store.maintenance.pace` has the same limits, in bytes per second."""

MAX_AGE: Final = timedelta(days=3650)
"""`store.maintenance.scrub.MAX_AGE`."""

_MEGABYTE: Final = 1_000_000


@final
class Rate(click.ParamType[int]):
    """A number of bytes per second: ``50`` and ``50MB`` are 50 megabytes."""

    name = "MB/s"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401 - click's signature
        """Return the bytes per second that ``value`` means; an invalid value ends the command."""
        if isinstance(value, int):
            return value
        text = str(value).strip().removesuffix("/s")
        try:
            rate = (
                int(text) * _MEGABYTE
                if text.isascii() and text.isdigit() and len(text) < len(str(MAX_RATE))
                else parse_size(text)
            )
        except (ValueError, OverflowError):
            rate = 0
        if not MIN_RATE <= rate <= MAX_RATE:
            self.fail(
                f"invalid rate {value!r}: expected megabytes per second, or a size, from 10kB to"
                " 1TB, such as 50 or 500kB",
                param,
                ctx,
            )
        return rate


@final
class Age(click.ParamType[timedelta]):
    """An age, such as ``720h``, with a least and a most.

    Args:
        least: The shortest age. Zero is accepted as well.
    """

    name = "AGE"

    def __init__(self, least: timedelta = timedelta(0)) -> None:
        self._least = least

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> timedelta:
        """Return the age that ``value`` means; an invalid value ends the command."""
        if isinstance(value, timedelta):
            return value
        text = str(value)
        try:
            age = timedelta(0) if text == "0" else parse_age(text)
        except ValueError as exc:
            self.fail(str(exc), param, ctx)
        if age > MAX_AGE or timedelta(0) < age < self._least:
            least = f"at least {int(self._least.total_seconds())}s and " if self._least else ""
            self.fail(f"invalid age {text!r}: expected {least}at most 87600h", param, ctx)
        return age


rate_option: Final[Callable[[Any], Any]] = click.option(
    "--rate",
    type=Rate(),
    metavar="MB/s",
    help="With --scrub: read at most this many megabytes per second, such as 50 or 500kB.",
)
max_age_option: Final[Callable[[Any], Any]] = click.option(
    "--max-age",
    type=Age(),
    metavar="AGE",
    help="With --scrub: skip content that was checked within this time, such as 720h.",
)
