"""A number of requests to registries, or a part of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, final

import click

if TYPE_CHECKING:
    from remote.http.budgets import Reserve

_TEXT: Final = re.compile(r"(?P<count>[0-9]{1,9})(?P<percent>%?)")
_WHOLE: Final = 100


@final
class Requests(click.ParamType["Reserve"]):
    """A number of requests, such as ``20``, or a part of all that a registry takes: ``10%``."""

    name = "N|N%"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Reserve:
        """Return the requests that ``value`` means; an invalid value ends the command."""
        from remote.http.budgets import Reserve  # noqa: PLC0415 - `--help` does without

        if isinstance(value, Reserve):
            return value
        match = _TEXT.fullmatch(str(value))
        if match is None or (match["percent"] and int(match["count"]) > _WHOLE):
            self.fail(
                f"invalid number {str(value)!r}: expected a number of requests such as 20, or a"
                " part such as 10%",
                param,
                ctx,
            )
        return Reserve(int(match["count"]), bool(match["percent"]))
