"""What all verbs share: an example in ``--help``, ``--json``, and arguments that name images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from store.errors import StoreError
    from storectl.exit_codes import ExitCode

    Result = TypeVar("Result")

JSON: Final = "Print one JSON document."


class Verb(click.Command):
    """A command whose help ends with examples: lines that can be typed as they stand."""

    def __init__(self, *args: Any, examples: Sequence[str], **kwargs: Any) -> None:  # noqa: ANN401 - click's signature
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples. click would wrap them like prose."""
        del ctx
        write_examples(formatter, self.examples)


def write_examples(formatter: click.HelpFormatter, examples: Sequence[str]) -> None:
    """A section of ``examples``, each on its line."""
    with formatter.section("Example"):
        for example in examples:
            formatter.write(f"{'':{formatter.current_indent}}{example}\n")


json_option: Final = click.option("--json", "as_json", is_flag=True, help=JSON)


def for_each(names: Sequence[str], act: Callable[[str], Result]) -> tuple[list[Result], ExitCode]:
    """Do ``act`` for every name as docker does: an error about one name is reported, the others are done nevertheless.

    Returns the results and the code of the first error. What is no fault of the name (no space, a busy store) ends it at once.
    """
    from store.errors import Conflict, InvalidInput, NotFound  # noqa: PLC0415 - `--help` does without
    from storectl.exit_codes import ExitCode, exit_code  # noqa: PLC0415
    from storectl.failures import explain  # noqa: PLC0415

    results: list[Result] = []
    first: StoreError | None = None
    for name in names:
        try:
            results.append(act(name))
        except (NotFound, Conflict, InvalidInput) as error:
            explain(error)
            first = first or error
    return results, ExitCode.OK if first is None else exit_code(first)
