"""The parts that all commands share: examples in ``--help``, common options, lists of names."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from storectl.system.parameters import FilePath, Seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from store.errors import StoreError
    from storectl.output.exit_codes import ExitCode

    Result = TypeVar("Result")

JSON: Final = "Print the result as one JSON document."


@contextmanager
def in_context(ctx: click.Context) -> Iterator[None]:
    """Tell an error about the command line to which command it belongs.

    Click's parser does not, and then the error could not point to the help of the command.

    Args:
        ctx: The context of the command.

    Raises:
        click.UsageError: The block raised it.
    """
    try:
        yield
    except click.UsageError as error:
        error.ctx = error.ctx or ctx
        if isinstance(error, click.NoSuchOption):
            from storectl.system.other_verbs import (  # noqa: PLC0415 - only after an error
                OPTIONS_INSTEAD,
            )

            instead = OPTIONS_INSTEAD.get(ctx.command.name or "", {}).get(error.option_name)
            if instead is not None:
                # Another name of this program would mislead.
                plain = click.NoSuchOption(error.option_name, ctx=ctx)
                plain.advice = instead  # type: ignore[attr-defined] # for `report_usage`
                raise plain from None
        raise


class SectionOption(click.Option):
    """An option that the help lists in a section of its own.

    Args:
        section: The title of the section.
    """

    def __init__(self, *args: Any, section: str, **kwargs: Any) -> None:  # noqa: ANN401 - click's signature
        super().__init__(*args, **kwargs)
        self.section = section


class OptionalValueOption(click.Option):
    """An option whose value may be left out: ``--name`` or ``--name=VALUE``.

    The next argument is never the value, so the option may stand before other arguments. Without a
    value, the value is the empty string.
    """

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the two columns of the help; the first column shows that the value is optional."""
        record = super().get_help_record(ctx)
        if record is None:
            return None
        names, _, value = record[0].rpartition(" ")
        return f"{names}[={value}]", record[1]


class Verb(click.Command):
    """A command whose help ends with examples."""

    def __init__(self, *args: Any, examples: Sequence[str], **kwargs: Any) -> None:  # noqa: ANN401 - click's signature
        super().__init__(*args, **kwargs)
        self.params += common_options()
        self.examples = tuple(examples)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments. As in docker, flags may have values: ``--human=false``."""
        with in_context(ctx):
            return super().parse_args(ctx, _without_values(self.get_params(ctx), args))

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Run the command with the run's settings as the context's object."""
        from storectl.output.log_messages import show_warnings  # noqa: PLC0415
        from storectl.settings import (  # noqa: PLC0415
            log_to_standard_error,
            resolve,
        )

        options = ctx.find_root().params
        if options["debug"]:
            log_to_standard_error()
        else:
            show_warnings()
        ctx.obj = resolve(
            options["root"],
            os.environ,
            debug=options["debug"],
            lock_timeout_s=options["lock_timeout"],
        )
        return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in their sections, and all other options after them.

        The sections stand in the order of their first options.
        """
        sections: dict[str, list[tuple[str, str]]] = {}
        others: list[tuple[str, str]] = []
        for param in self.get_params(ctx):
            if isinstance(param, click.Argument):
                # The line of usage names the arguments, and the text says what they are.
                continue
            record = param.get_help_record(ctx)
            if record is not None:
                listed = (
                    sections.setdefault(param.section, [])
                    if isinstance(param, SectionOption)
                    else others
                )
                listed.append(record)
        titles = {**sections, "Other options" if sections else "Options": others}
        # One width for the first column of all sections.
        width = max((len(first) for records in titles.values() for first, _ in records), default=0)
        for title, records in titles.items():
            with formatter.section(title):
                formatter.write_dl([(first.ljust(width), text) for first, text in records])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples unwrapped: click would wrap them like prose."""
        del ctx
        write_examples(formatter, self.examples)


def write_examples(formatter: click.HelpFormatter, examples: Sequence[str]) -> None:
    """Write a section with one line for each of ``examples``."""
    with formatter.section("Example"):
        for example in examples:
            formatter.write(f"{'':{formatter.current_indent}}{example}\n")


def common_options() -> list[click.Parameter]:
    """Return the options that may come before or after a command; the last value wins."""
    return [
        click.Option(
            ["--root"],
            metavar="DIR",
            type=FilePath(folder=True),
            expose_value=False,
            callback=_remember,
            help="Folder of the store.",
        ),
        click.Option(
            ["--lock-timeout"],
            metavar="SECONDS",
            type=Seconds(),
            expose_value=False,
            callback=_remember,
            help="How long to wait for a lock of another process.",
        ),
        click.Option(
            ["--debug"],
            is_flag=True,
            default=None,
            expose_value=False,
            callback=_remember,
            help="Log each step and print tracebacks.",
        ),
    ]


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:  # noqa: ANN401 - of either option
    # Store the value in the root context, where completion and error handling look for it.
    if value is not None:
        ctx.find_root().params[str(param.name)] = value


def _without_values(params: Sequence[click.Parameter], args: Sequence[str]) -> list[str]:
    """Return ``args`` with every ``--flag=VALUE`` replaced by a flag without a value.

    An option with an optional value (`OptionalValueOption`) gets the empty value, if it has none.

    ``--flag=true`` becomes ``--flag``. ``--flag=false`` becomes the opposite flag, or is dropped if
    there is none. The accepted values are those of Go's ``strconv.ParseBool``.
    """
    flags = {
        name: param
        for param in params
        if isinstance(param, click.Option) and param.is_flag
        for name in param.opts
    }
    optional = {
        name for param in params if isinstance(param, OptionalValueOption) for name in param.opts
    }
    plain: list[str] = []
    for position, arg in enumerate(args):
        if arg == "--":
            return plain + list(args[position:])
        name, equals, value = arg.partition("=")
        if arg in optional:
            plain.append(f"{arg}=")
            continue
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


def advised(error: click.UsageError, advice: str | None) -> click.UsageError:
    """Return an error of usage with a hint that takes the place of the usual one, if it has any."""
    if advice:
        error.advice = advice  # type: ignore[attr-defined] # for `report_usage`
    return error


def checked_by(parse: Callable[[str], object]) -> Callable[..., Any]:
    """Return a callback that reports an invalid value of an option as wrong usage.

    Args:
        parse: Parses one value; raises StoreError.
    """

    def check(ctx: click.Context, param: click.Parameter, value: Any) -> Any:  # noqa: ANN401 - the option's
        from store.errors import StoreError  # noqa: PLC0415 - `--help` does without

        given = value if isinstance(value, tuple) else () if value is None else (value,)
        for text in () if ctx.resilient_parsing else given:
            try:
                parse(text)
            except StoreError as error:
                raise advised(click.BadParameter(error.message, ctx, param), error.hint) from None
        return value

    return check


def _platform(text: str) -> object:
    from store import Platform  # noqa: PLC0415 - `--help` does without

    return Platform.parse(text)


checked_platform: Final = checked_by(_platform)


def _tag(text: str) -> object:
    from store import Reference  # noqa: PLC0415 - `--help` does without
    from store.errors import InvalidReference  # noqa: PLC0415

    name = Reference.parse(text)
    if name.digest is not None:
        raise InvalidReference(f"expected a name with a tag, not a digest: {text!r}", text=text)
    return name


checked_tag: Final = checked_by(_tag)


def for_each(
    names: Sequence[str], act: Callable[[str], Result], *, may_be_missing: bool = False
) -> tuple[list[Result], ExitCode]:
    """Call ``act`` for every name. As in docker, an error about one name does not stop the others.

    Errors with other causes, such as a full disk or a busy store, end the command.

    Args:
        names: The arguments of the command.
        act: Called with each name.
        may_be_missing: Whether to report an unknown name without failing.

    Returns:
        The results for the names without errors, and the exit code of the first error, else 0.

    Raises:
        StoreError: An error that is not about a name.
    """
    from store.errors import (  # noqa: PLC0415 - `--help` does without
        Conflict,
        InvalidInput,
        NotFound,
    )
    from storectl.output.exit_codes import ExitCode, exit_code  # noqa: PLC0415
    from storectl.output.failures import print_error  # noqa: PLC0415

    results: list[Result] = []
    first: StoreError | None = None
    for name in names:
        try:
            results.append(act(name))
        except (NotFound, Conflict, InvalidInput) as error:
            print_error(error)
            if not (may_be_missing and isinstance(error, NotFound)):
                first = first or error
    return results, ExitCode.OK if first is None else exit_code(first)
