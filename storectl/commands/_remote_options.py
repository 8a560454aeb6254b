"""The options of all commands that ask registries."""

from __future__ import annotations

from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, final

import click

from storectl.commands._remote import RETRIES, RemoteOptions, SidedOptions
from storectl.output.units import parse_size
from storectl.system.parameters import FilePath, WholeNumber
from storectl.verb import SectionOption

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Result = TypeVar("Result")

__all__ = [
    "RemoteOptions",
    "SidedOptions",
    "reaching_options",
    "remote_options",
    "sided_remote_options",
]

_MAX_RETRIES: Final = 100
_SECTION: Final = "Registries"


@final
class Rate(click.ParamType[int]):
    """A number of bytes per second, such as ``10MB``."""

    name = "size"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> int:
        """Return the bytes per second; refuse text that is not a size, and zero."""
        if isinstance(value, int):
            return value
        try:
            size = parse_size(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if size <= 0:
            self.fail(f"invalid rate {value!r}: it must be more than zero", param, ctx)
        return size


def remote_options(function: Callable[..., Result]) -> Callable[..., Result]:
    """Add the options of a command that asks one kind of registries.

    The command gets them as one argument, ``remote`` (`RemoteOptions`).
    """
    return _with_options(function, (*_side("", ""), *_shared()))


def reaching_options(function: Callable[..., Result]) -> Callable[..., Result]:
    """Add the options of a command that only asks whether a registry accepts credentials.

    The command gets them as one argument, ``remote`` (`RemoteOptions`).
    """
    return _with_options(function, (*_places("", ""), _shared()[0]))


def _with_options(
    function: Callable[..., Result], options: Sequence[Callable[[Any], Any]]
) -> Callable[..., Result]:
    for option in reversed(options):
        function = option(function)

    @wraps(function)
    def with_options(*args: Any, **given: Any) -> Result:  # noqa: ANN401 - the command's
        names: tuple[str, ...] = (*_OF_SIDE, *_SHARED)
        values = {name: given.pop(name) for name in names if name in given}
        return function(*args, remote=_options_of(values), **given)

    return with_options


def sided_remote_options(function: Callable[..., Result]) -> Callable[..., Result]:
    """Add the options of a command that asks the registries of a source and of a destination.

    The command gets them as one argument, ``remote`` (`SidedOptions`).
    """
    options = (
        *_places("", ""),
        *_side("src-", " of the source"),
        *_side("dest-", " of the destination"),
        *_shared(),
    )
    for option in reversed(options):
        function = option(function)

    @wraps(function)
    def with_options(*args: Any, **given: Any) -> Result:  # noqa: ANN401 - the command's
        shared = {name: given.pop(name) for name in (*_PLACES, *_SHARED)}
        sides = []
        for prefix in ("src_", "dest_"):
            own = {name: given.pop(f"{prefix}{name}") for name in _OF_SIDE}
            # What is said of one side wins.
            said = {name: value for name, value in own.items() if value is not None}
            sides.append(_options_of({**shared, **said}))
        return function(*args, remote=SidedOptions(*sides), **given)

    return with_options


_PLACES: Final = ("tls_verify", "plain_http", "authfile", "cert_dir")
_OF_SIDE: Final = ("creds", *_PLACES)
_SHARED: Final = ("retries", "rate_bytes_s")


def _options_of(values: dict[str, Any]) -> RemoteOptions:
    return RemoteOptions(**{**values, "plain_http": bool(values["plain_http"])})


def _option(*names: str, **facts: Any) -> Callable[[Any], Any]:  # noqa: ANN401 - click's signature
    return click.option(*names, cls=SectionOption, section=_SECTION, **facts)


def _places(prefix: str, whose: str) -> tuple[Callable[[Any], Any], ...]:
    """Return the options that have a variant for each side."""
    return (
        _option(
            f"--{prefix}tls-verify/--no-{prefix}tls-verify",
            default=None,
            help=f"Require a trusted certificate{whose}.  [default: as registries.conf says]",
        ),
        _option(
            f"--{prefix}plain-http",
            is_flag=True,
            default=None,
            help=f"Use HTTP without TLS{' for the registry' + whose if whose else ''}.",
        ),
        _option(
            f"--{prefix}authfile",
            type=FilePath(path_type=Path),
            metavar="FILE",
            help=f"Use only this file for credentials{whose}.",
        ),
        _option(
            f"--{prefix}cert-dir",
            type=FilePath(folder=True, path_type=Path),
            metavar="DIR",
            help=f"Use only the certificates{whose} in this folder (*.crt, *.cert, *.key).",
        ),
    )


def _side(prefix: str, whose: str) -> tuple[Callable[[Any], Any], ...]:
    return (
        _option(
            f"--{prefix}creds",
            metavar="USER[:PASSWORD]",
            help=(
                f"Log in to the registry{whose} as this user. Other users of this machine can see a"
                " password here."
            ),
        ),
        *_places(prefix, whose),
    )


def _shared() -> tuple[Callable[[Any], Any], ...]:
    return (
        _option(
            "--retry",
            "retries",
            type=WholeNumber(min=0, max=_MAX_RETRIES),
            default=RETRIES,
            show_default=True,
            metavar="N",
            help="How often to repeat a request after a fault that may pass.",
        ),
        _option(
            "--limit-rate",
            "rate_bytes_s",
            type=Rate(),
            metavar="SIZE",
            help="Transfer at most this much in a second, such as 10MB.",
        ),
    )
