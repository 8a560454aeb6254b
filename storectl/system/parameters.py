"""Types of options and arguments whose errors say what was wrong with the value."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any, Final, final

import click

if TYPE_CHECKING:
    from pathlib import Path


LOCK_TIMEOUT_S: Final = 60.0
"""How long a run waits for a lock of another process, in seconds, unless the user says it."""

MAX_SECONDS: Final = 1_000_000
"""The longest time that an option accepts, in seconds; the system cannot wait for ever."""


@final
class FilePath(click.Path):
    """The path of a file or folder.

    An empty path is refused: it comes from a variable that is not set, and would mean the current
    folder. So is a path that begins with a tilde, which the shell did not replace.
    """

    def __init__(
        self,
        *,
        folder: bool = False,
        exists: bool = False,
        dash: bool = False,
        path_type: type[Path] | None = None,
    ) -> None:
        """Describe the paths.

        Args:
            folder: Whether only a folder is accepted.
            exists: Whether only an existing file is accepted.
            dash: Whether ``-`` stands for a standard file.
            path_type: The type of the value; None for text.
        """
        # Whether a file can be read is found out when it is read: an output need not be readable.
        super().__init__(
            file_okay=not folder,
            dir_okay=not exists,
            exists=exists,
            readable=False,
            allow_dash=dash,
            path_type=path_type,
        )

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:  # noqa: ANN401 - click's signature
        """Return the path; refuse one that cannot be meant."""
        text = os.fsdecode(value)
        if not text:
            self.fail("the path is empty. Is a variable not set?", param, ctx)
        if text == "~" or text.startswith("~/"):
            self.fail(
                f"the shell did not replace the tilde in {text!r}. Write the whole path", param, ctx
            )
        # Unlike `Path.exists`, both functions return False for a path that cannot be looked up.
        if not self.file_okay and os.path.exists(text) and not os.path.isdir(text):  # noqa: PTH110, PTH112
            self.fail(f"{text!r} is a file, not a folder", param, ctx)
        return super().convert(value, param, ctx)


class Seconds(click.ParamType[float]):
    """A time in seconds; a fraction is allowed."""

    name = "seconds"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> float:
        """Return the time; refuse text that is not a number of seconds in the range."""
        try:
            seconds = float(value)
        except ValueError:
            seconds = math.nan
        if not 0 <= seconds <= MAX_SECONDS:
            self.fail(f"{value!r} is not a number of seconds from 0 to {MAX_SECONDS}", param, ctx)
        return seconds


class WholeNumber(click.IntRange):
    """A whole number in a range."""

    name = "whole number"
