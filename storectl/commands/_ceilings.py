"""The options for the ceilings of decoded data, which `import` and `serve` share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

import click

from storectl.output.units import parse_size

if TYPE_CHECKING:
    from store import Limits


@final
class Size(click.ParamType[int]):
    """A number of bytes, such as ``10GB``."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401 - click's signature
        """Return the number of bytes that ``value`` means; an invalid value ends the command."""
        try:
            return value if isinstance(value, int) else parse_size(value)
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


def limits(max_layer_size: int | None, max_ratio: int | None) -> Limits:
    """Return the ceilings with those that the user has given.

    Args:
        max_layer_size: The most bytes of a layer, uncompressed; None for the default.
        max_ratio: The most bytes that one byte may decode to; None for the default.
    """
    from dataclasses import replace  # noqa: PLC0415 - `--help` does without

    from store import Limits  # noqa: PLC0415

    return replace(
        Limits(),
        **({} if max_layer_size is None else {"layer_bytes": max_layer_size}),
        **({} if max_ratio is None else {"ratio": max_ratio}),
    )
