"""The error that is raised if a measurement needs a program or file that is missing."""

from __future__ import annotations


class MissingError(Exception):
    """A contestant cannot take part, because a program or file is missing.

    The results show the message instead of the contestant's figures.
    """
