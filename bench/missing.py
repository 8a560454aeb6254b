"""The error of a program or file that a measurement needs and the machine lacks."""

from __future__ import annotations


class MissingError(Exception):
    """A contestant cannot take part, because a program or file is missing.

    Results show the message in place of the contestant's figures.
    """
