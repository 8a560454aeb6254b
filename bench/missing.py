"""The error of a program or file that a measurement needs and the machine lacks."""

from __future__ import annotations


class MissingError(Exception):
    """A contestant cannot take part; the text says what is not there.

    It is shown, never passed over.
    """
