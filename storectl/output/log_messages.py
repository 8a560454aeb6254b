"""Warnings of the library on standard error: lines of text, or lines of JSON with ``--json``."""

from __future__ import annotations

import logging
from typing import final

from storectl.output import messages
from storectl.output.json_flag import is_json


def show_warnings() -> None:
    """Print the warnings of this run as `messages.warning` does, unless a log is configured.

    Python would print their bare text, in the midst of the JSON of other messages.
    """
    logging.lastResort = _Warnings(as_json=is_json())


@final
class _Warnings(logging.Handler):
    def __init__(self, *, as_json: bool) -> None:
        super().__init__(logging.WARNING)
        # Another thread may warn, which does not know the run's flags.
        self._as_json = as_json

    def emit(self, record: logging.LogRecord) -> None:
        messages.warning(record.getMessage(), as_json=self._as_json)
