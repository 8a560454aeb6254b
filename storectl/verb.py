"""What all verbs share: an example in ``--help``, ``--json``, and arguments that name images."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from store.errors import StoreError
    from storectl.output.exit_codes import ExitCode

    Result = TypeVar("Result")

JSON: Final = "Print one JSON document."


class Verb(click.Command):
    """A command whose help ends with examples: lines that can be typed as they stand."""

    def __init__(self, *args: Any, examples: Sequence[str], **kwargs: Any) -> None:  # noqa: ANN401 - click's signature
        super().__init__(*args, **kwargs)
        self.params += everywhere()
        self.examples = tuple(examples)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take flags also as docker does: ``--human=false``."""
        return super().parse_args(ctx, _plain_flags(self.get_params(ctx), args))

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Run it, with the settings of the run as the context's object."""
        from storectl.settings import (  # noqa: PLC0415
            log_each_step,
            resolve,
        )

        said = ctx.find_root().params
        if said["debug"]:
            log_each_step()
        ctx.obj = resolve(said["root"], os.environ, debug=said["debug"])
        return super().invoke(ctx)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples. click would wrap them like prose."""
        del ctx
        write_examples(formatter, self.examples)


def write_examples(formatter: click.HelpFormatter, examples: Sequence[str]) -> None:
    """A section of ``examples``, each on its line."""
    with formatter.section("Example"):
        for example in examples:
            formatter.write(f"{'':{formatter.current_indent}}{example}\n")


def everywhere() -> list[click.Parameter]:
    """The options that may be said before a verb as well as after it. What is said last counts."""
    return [
        click.Option(
            ["--root"],
            metavar="DIR",
            type=click.Path(file_okay=False, readable=False),
            expose_value=False,
            callback=_remember,
            help="The store's folder.",
        ),
        click.Option(
            ["--debug"],
            is_flag=True,
            default=None,
            expose_value=False,
            callback=_remember,
            help="Log each step, and show tracebacks.",
        ),
    ]


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:  # noqa: ANN401 - of either option
    # In the context of the run: completion and the last resort look there.
    if value is not None:
        ctx.find_root().params[str(param.name)] = value


def _plain_flags(params: Sequence[click.Parameter], args: Sequence[str]) -> list[str]:
    """``args`` with every ``--flag=true`` as ``--flag``, and ``--flag=false`` as its opposite, or left out when it has none (Go's ``strconv.ParseBool``)."""
    flags = {
        name: param
        for param in params
        if isinstance(param, click.Option) and param.is_flag
        for name in param.opts
    }
    plain: list[str] = []
    for position, arg in enumerate(args):
        if arg == "--":
            return plain + list(args[position:])
        name, equals, value = arg.partition("=")
        if not equals or name not in flags or value not in _TRUE | _FALSE:
            plain.append(arg)
        elif value in _TRUE:
            plain.append(name)
        else:
            plain.extend(flags[name].secondary_opts[:1])
    return plain


_TRUE: Final = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "false", "FALSE", "False"})

json_option: Final = click.option("--json", "as_json", is_flag=True, help=JSON)


def for_each(
    names: Sequence[str], act: Callable[[str], Result], *, may_be_missing: bool = False
) -> tuple[list[Result], ExitCode]:
    """Do ``act`` for every name as docker does.

    An error about one name is reported, the others are done nevertheless.

    Returns the results and the code of the first error; with ``may_be_missing`` an unknown name is
    only reported. What is no fault of the name (no space, a busy store) ends it at once.
    """
    from store.errors import (  # noqa: PLC0415 - `--help` does without
        Conflict,
        InvalidInput,
        NotFound,
    )
    from storectl.output.exit_codes import ExitCode, exit_code  # noqa: PLC0415
    from storectl.output.failures import explain  # noqa: PLC0415

    results: list[Result] = []
    first: StoreError | None = None
    for name in names:
        try:
            results.append(act(name))
        except (NotFound, Conflict, InvalidInput) as error:
            explain(error)
            if not (may_be_missing and isinstance(error, NotFound)):
                first = first or error
    return results, ExitCode.OK if first is None else exit_code(first)
