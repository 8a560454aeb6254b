"""The error for a program or file that a measurement needs and that is missing."""

from __future__ import annotations


class MissingError(Exception):
    """A contestant cannot take part, because a program or file is missing.

    The results show the message instead of the contestant's figures.
    """
