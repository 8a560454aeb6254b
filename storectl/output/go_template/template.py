"""Go's text/template with docker's functions, for ``--format``.

Missing are named templates (``define``, ``template``, ``block``) and methods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, final

from storectl.output.go_template.functions import FUNCTIONS, as_headers
from storectl.output.go_template.parser import parse
from storectl.output.go_template.syntax import (
    MAX_OUTPUT_CHARACTERS,
    MAX_STEPS,
    Action,
    Block,
    Dot,
    Fields,
    Function,
    Jump,
    Literal,
    Pipeline,
    TemplateError,
    Text,
    Variable,
)
from storectl.output.go_template.values import Map, Missing, ValueFault, field, is_true, kind, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from storectl.output.go_template.syntax import Command, Node, Operand


@final
class Template:
    """A parsed template.

    Args:
        source: Text with actions such as ``{{.Config.Env}}``.

    Raises:
        TemplateError: The template cannot be parsed.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._nodes = parse(source)

    def apply(self, value: Any) -> str:  # noqa: ANN401 - JSON
        """Return the template with its actions applied to an object.

        Args:
            value: The object whose fields the actions name.

        Raises:
            TemplateError: An action names an unknown field, or does not fit its value.
        """
        return _Run(self._source, value, FUNCTIONS).text(self._nodes)

    def header(self, heads: dict[str, str]) -> str:
        """Return the template with the headers of a table in place of the fields.

        Args:
            heads: The header of every field.

        Raises:
            TemplateError: An action names an unknown field.
        """
        return _Run(self._source, heads, as_headers()).text(self._nodes)


@final
class _Break(Exception):
    """Leave the innermost range."""


@final
class _Continue(Exception):
    """Go on with the next element of the innermost range."""


@final
class _Run:
    """One application of a template to an object."""

    def __init__(self, source: str, value: Any, functions: Any) -> None:  # noqa: ANN401 - JSON
        self._source = source
        self._functions = functions
        self._out: list[str] = []
        self._variables: list[tuple[str, Any]] = [("$", value)]
        self._steps = 0
        self._characters = 0
        self._value = value

    def text(self, nodes: Sequence[Node]) -> str:
        self._walk(nodes, self._value)
        return "".join(self._out)

    # --- nodes ------------------------------------------------------------------------------------

    def _walk(self, nodes: Sequence[Node], dot: Any) -> None:  # noqa: ANN401 - JSON
        for node in nodes:
            self._step(node.position)
            match node:
                case Text():
                    self._print(node.text, node.position)
                case Action():
                    value = self._pipeline(node.pipeline, dot)
                    if not node.pipeline.variables:
                        self._print(self._shown(value, node.position), node.position)
                case Jump():
                    raise _Break if node.kind == "break" else _Continue
                case Block():
                    self._block(node, dot)

    def _block(self, block: Block, dot: Any) -> None:  # noqa: ANN401 - JSON
        mark = len(self._variables)
        try:
            if block.kind == "range":
                self._range(block, dot)
                return
            value = self._pipeline(block.pipeline, dot)
            if is_true(value):
                self._walk(block.body, value if block.kind == "with" else dot)
            else:
                self._walk(block.otherwise, dot)
        finally:
            del self._variables[mark:]

    def _range(self, block: Block, dot: Any) -> None:  # noqa: ANN401 - JSON
        # The variables of a range get an element each round, not the list.
        pipeline = block.pipeline
        value = self._commands(pipeline, dot)
        rounds = self._rounds(value, pipeline.position)
        if not rounds:
            self._walk(block.otherwise, dot)
            return
        mark = len(self._variables)
        for key, element in rounds:
            self._step(block.position)
            # One variable gets the element, two get the key and the element.
            values = (key, element) if len(pipeline.variables) > 1 else (element,)
            for name, one in zip(pipeline.variables, values, strict=False):
                self._set(name, one, is_new=pipeline.is_new)
            try:
                self._walk(block.body, element)
            except _Continue:
                pass
            except _Break:
                break
            finally:
                del self._variables[mark:]

    def _rounds(self, value: Any, position: int) -> Sequence[tuple[Any, Any]]:  # noqa: ANN401 - JSON
        match value:
            case None | Missing():
                return ()
            case list():
                return list(enumerate(value))
            case Map():
                return sorted(value.items())
            case int() if not isinstance(value, bool):
                if value > MAX_STEPS:
                    self._refuse(f"more than {MAX_STEPS:,} rounds", position)
                return [(number, number) for number in range(value)]
        return self._refuse(f"{{{{range}}}} cannot go through {kind(value)}", position)

    # --- values -----------------------------------------------------------------------------------

    def _pipeline(self, pipeline: Pipeline, dot: Any) -> Any:  # noqa: ANN401 - JSON
        value = self._commands(pipeline, dot)
        for name in pipeline.variables:
            self._set(name, value, is_new=pipeline.is_new)
        return value

    def _commands(self, pipeline: Pipeline, dot: Any) -> Any:  # noqa: ANN401 - JSON
        self._step(pipeline.position)
        value = self._command(pipeline.commands[0], dot, ())
        for command in pipeline.commands[1:]:
            value = self._command(command, dot, (value,))
        return value

    def _command(self, command: Command, dot: Any, last: Iterable[Any]) -> Any:  # noqa: ANN401 - JSON
        first = command.operands[0]
        if isinstance(first, Function):
            return self._call(first, command.operands[1:], dot, tuple(last))
        return self._operand(first, dot)

    def _call(
        self,
        function: Function,
        operands: Sequence[Operand],
        dot: Any,  # noqa: ANN401 - JSON
        last: tuple[Any, ...],
    ) -> Any:  # noqa: ANN401 - JSON
        fewest, most, run = self._functions[function.name]
        count = len(operands) + len(last)
        if not fewest <= count <= most:
            wanted = str(fewest) if most == fewest else f"{fewest} or more"
            self._refuse(
                f"{function.name} needs {wanted} argument(s), got {count}", function.position
            )
        if function.name in ("and", "or"):
            return self._shortest(function.name, operands, dot, last)
        values = [self._operand(operand, dot) for operand in operands]
        values += last
        # What a function makes is in proportion to its arguments.
        self._charge(
            sum(len(value) for value in values if isinstance(value, str)), function.position
        )
        try:
            result = run(values)
        except ValueFault as fault:
            self._refuse(f"{function.name}: {fault}", function.position)
        if isinstance(result, str):
            self._charge(len(result), function.position)
        return result

    def _shortest(
        self,
        name: str,
        operands: Sequence[Operand],
        dot: Any,  # noqa: ANN401 - JSON
        last: tuple[Any, ...],
    ) -> Any:  # noqa: ANN401 - JSON
        """Return the value of ``and`` or ``or``; operands behind the deciding one do not run."""
        value: Any = None
        for operand in operands:
            value = self._operand(operand, dot)
            if is_true(value) == (name == "or"):
                return value
        return last[0] if last else value

    def _operand(self, operand: Operand, dot: Any) -> Any:  # noqa: ANN401 - JSON
        match operand:
            case Literal():
                return operand.value
            case Dot():
                return dot
            case Variable():
                return self._variable(operand.name)
            case Pipeline():
                return self._pipeline(operand, dot)
            case Function():
                return self._call(operand, (), dot, ())
            case Fields():
                value = self._operand(operand.of, dot)
                for name in operand.names:
                    try:
                        value = field(value, name)
                    except ValueFault as fault:
                        self._refuse(str(fault), operand.position)
                return value

    def _variable(self, name: str) -> Any:  # noqa: ANN401 - JSON
        return next(value for known, value in reversed(self._variables) if known == name)

    def _set(self, name: str, value: Any, *, is_new: bool) -> None:  # noqa: ANN401 - JSON
        if is_new:
            self._variables.append((name, value))
            return
        for position in range(len(self._variables) - 1, -1, -1):
            if self._variables[position][0] == name:
                self._variables[position] = (name, value)
                return

    # --- ceilings and errors ----------------------------------------------------------------------

    def _shown(self, value: Any, position: int) -> str:  # noqa: ANN401 - JSON
        try:
            return text(value)
        except ValueFault as fault:
            return self._refuse(str(fault), position)

    def _print(self, shown: str, position: int) -> None:
        self._charge(len(shown), position)
        self._out.append(shown)

    def _charge(self, characters: int, position: int) -> None:
        self._characters += characters
        if self._characters > MAX_OUTPUT_CHARACTERS:
            self._refuse(f"more than {MAX_OUTPUT_CHARACTERS:,} characters of output", position)

    def _step(self, position: int) -> None:
        self._steps += 1
        if self._steps > MAX_STEPS:
            self._refuse(f"more than {MAX_STEPS:,} steps", position)

    def _refuse(self, fact: str, position: int) -> NoReturn:
        raise TemplateError(fact, self._source, position)
