"""Verbs of other programs, and what to run in storectl instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

_ABOUT_CONTAINERS: Final = [
    "attach",
    "commit",
    "container",
    "cp",
    "create",
    "diff",
    "exec",
    "kill",
    "pause",
    "port",
    "ps",
    "restart",
    "run",
    "start",
    "stats",
    "stop",
    "top",
    "unpause",
    "wait",
]
_NO_CONTAINERS: Final = (
    "storectl runs no containers: load the image into an engine with `storectl save NAME | docker"
    " load`"
)
_NO_BUILDS: Final = (
    "storectl builds no images: import the image that another program has built, as in `docker save"
    " NAME | storectl import -`"
)
PULL: Final = "run `storectl pull NAME` to download an image from a registry"
"""What to do instead of an import from a registry."""
_CLOSE: Final = 0.15
"""How much less similar than the best suggestion another one may be."""

_NO_GROUP: Final = "leave out this word: storectl has the commands {} without it"

INSTEAD: Final = {
    **dict.fromkeys(_ABOUT_CONTAINERS, _NO_CONTAINERS),
    **dict.fromkeys(("build", "buildx", "bake", "bud", "from"), _NO_BUILDS),
    **dict.fromkeys(("fetch", "download"), PULL),
    "upload": "run `storectl push NAME [DEST]`",
    **dict.fromkeys(("add", "put"), "run `storectl import FILE`"),
    "init": "the first `storectl import` creates the store",
    **dict.fromkeys(("list", "search", "catalog"), "run `storectl images`"),
    **dict.fromkeys(("image", "i"), _NO_GROUP.format("images, import, save, rm and inspect")),
    "system": _NO_GROUP.format("df, events and prune"),
    **dict.fromkeys(("show", "config", "describe"), "run `storectl inspect NAME`"),
    **dict.fromkeys(("remove", "delete", "del", "erase"), "run `storectl rm NAME`"),
    **dict.fromkeys(("rename", "mv"), "run `storectl tag OLD NEW`, then `storectl untag OLD`"),
    **dict.fromkeys(
        ("clean", "cleanup", "purge", "garbage-collect"),
        "run `storectl prune` to remove untagged images and free their space",
    ),
    **dict.fromkeys(("du", "usage", "size"), "run `storectl df`"),
    "info": "run `storectl df` for the store, or `storectl version` for the program",
    **dict.fromkeys(("check", "validate", "repair"), "run `storectl fsck`"),
    "logs": "run `storectl events`",
    **dict.fromkeys(("server", "registry", "mirror", "daemon", "listen"), "run `storectl serve`"),
    **dict.fromkeys(("migrate", "upgrade"), "run `storectl db upgrade`"),
    **dict.fromkeys(("autocomplete", "completions"), "run `storectl completion SHELL`"),
    **dict.fromkeys(("man", "docs"), "run `storectl help`"),
}
"""For each verb of another program: what to do instead, as a hint without a final period."""

_LISTEN: Final = "give the address with --listen HOST:PORT, or --listen :PORT for all addresses"

OPTIONS_INSTEAD: Final[dict[str, dict[str, str]]] = {
    "serve": dict.fromkeys(("--port", "-p", "--addr", "--address", "--bind", "--host"), _LISTEN),
    "save": dict.fromkeys(
        ("-i", "--input"), "name the images as arguments: only the output needs an option, -o FILE"
    ),
    "import": dict.fromkeys(("-o", "--output"), "run `storectl save` to write an archive"),
}
"""For options of other programs, by command: what to give instead, as a hint."""

_MAX_SHOWN: Final = 40


class UnknownVerbError(click.UsageError):
    """A verb that is not a command of this program.

    Attributes:
        advice: The hint for the user; None for the usual one.
    """

    def __init__(self, message: str, ctx: click.Context, advice: str | None) -> None:
        super().__init__(message, ctx)
        self.advice = advice


def no_such_command(
    name: str, *, possibilities: Sequence[str], ctx: click.Context
) -> UnknownVerbError:
    """Return the error for an unknown command.

    Args:
        name: What the user wrote.
        possibilities: The names of all commands and aliases.
        ctx: The context of the group.
    """
    shown = name if len(name) <= _MAX_SHOWN else f"{name[:_MAX_SHOWN]}…"
    message = f"No such command {shown!r}."
    advice = INSTEAD.get(name.lower())
    if advice is None:
        from difflib import SequenceMatcher, get_close_matches  # noqa: PLC0415 - only for an error

        close = get_close_matches(name.lower(), possibilities, n=3)
        if close:
            # Only what is nearly as similar as the best one: "imges" is not "digest".
            best = SequenceMatcher(None, close[0], name.lower()).ratio()
            close = get_close_matches(name.lower(), possibilities, n=3, cutoff=best - _CLOSE)
        if close:
            choices = " or ".join(repr(one) for one in close)
            message += f" Did you mean {choices}?"
    return UnknownVerbError(message, ctx, advice)
