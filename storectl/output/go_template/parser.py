"""Parse a template into nodes.

Source: Go's text/template/parse, parse.go.
"""

from __future__ import annotations

import math
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NoReturn, final

from storectl.output.go_template.functions import FUNCTIONS
from storectl.output.go_template.syntax import (
    MAX_DEPTH,
    Action,
    Block,
    Command,
    Dot,
    Fields,
    Function,
    Jump,
    Literal,
    Operand,
    Pipeline,
    TemplateError,
    Text,
    Variable,
)
from storectl.output.go_template.tokens import Token, parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storectl.output.go_template.syntax import Node

_BLOCKS: Final = ("if", "with", "range")
_UNSUPPORTED: Final = ("block", "define", "template")
_CONSTANTS: Final = {"true": True, "false": False, "nil": None}
_INTEGER: Final = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|[0-9]+)")
_MAX_VARIABLES: Final = 2
"""The most variables of a range: the key and the element."""


def parse(template: str) -> tuple[Node, ...]:
    """Return the nodes of a template.

    Raises:
        TemplateError: The template is too long or too deep, or is not valid.
    """
    return _Parser(template).run()


@final
class _Open:
    """A block whose end has not been found yet."""

    def __init__(self, kind: str, pipeline: Pipeline, token: Token, *, is_chained: bool) -> None:
        self.kind = kind
        self.pipeline = pipeline
        self.token = token
        self.is_chained = is_chained
        self.body: list[Node] = []
        self.otherwise: list[Node] | None = None

    @property
    def nodes(self) -> list[Node]:
        """The part of the block that is being filled."""
        return self.body if self.otherwise is None else self.otherwise

    def closed(self) -> Block:
        return Block(
            self.kind,
            self.pipeline,
            tuple(self.body),
            tuple(self.otherwise or ()),
            self.token.position,
        )


@final
class _Parser:
    def __init__(self, template: str) -> None:
        self._template = template
        self._top: list[Node] = []
        self._open: list[_Open] = []
        self._variables: list[set[str]] = [{"$"}]

    def run(self) -> tuple[Node, ...]:
        for part in parts(self._template):
            if part.tokens is None:
                self._add(Text(part.text, part.position))
            else:
                self._action(_Tokens(self._template, part.tokens))
        if self._open:
            opened = self._open[-1]
            self._refuse(f"{{{{{opened.kind}}}}} has no {{{{end}}}}", opened.token)
        return tuple(self._top)

    def _add(self, node: Node) -> None:
        (self._open[-1].nodes if self._open else self._top).append(node)

    def _refuse(self, fact: str, token: Token) -> NoReturn:
        raise TemplateError(fact, self._template, token.position)

    def _action(self, tokens: _Tokens) -> None:
        first = tokens.peek()
        word = first.text if first.kind == "name" else ""
        if word in _BLOCKS:
            tokens.take()
            self._begin(word, first, tokens)
        elif word == "else":
            self._else(tokens)
        elif word == "end":
            tokens.take()
            tokens.finish()
            self._end(first)
        elif word in ("break", "continue"):
            tokens.take()
            tokens.finish()
            if not any(opened.kind == "range" for opened in self._open):
                self._refuse(f"{{{{{word}}}}} is not inside {{{{range}}}}", first)
            self._add(Jump(word, first.position))
        elif word in _UNSUPPORTED:
            self._refuse(f"{{{{{word}}}}} is not supported", first)
        else:
            self._add(Action(self._pipeline(tokens, "action"), first.position))
            tokens.finish()

    def _begin(self, kind: str, token: Token, tokens: _Tokens, *, is_chained: bool = False) -> None:
        if len(self._open) >= MAX_DEPTH:
            self._refuse(f"more than {MAX_DEPTH} blocks inside each other", token)
        self._variables.append(set())
        pipeline = self._pipeline(tokens, kind)
        tokens.finish()
        self._open.append(_Open(kind, pipeline, token, is_chained=is_chained))

    def _else(self, tokens: _Tokens) -> None:
        token = tokens.take()
        if not self._open or self._open[-1].otherwise is not None:
            self._refuse("{{else}} does not belong to a block", token)
        opened = self._open[-1]
        opened.otherwise = []
        following = tokens.peek()
        if following.kind == "name" and following.text in ("if", "with"):
            if following.text != opened.kind:
                self._refuse(
                    f"{{{{else {following.text}}}}} does not belong to {{{{{opened.kind}}}}}", token
                )
            tokens.take()
            self._begin(following.text, following, tokens, is_chained=True)
        else:
            tokens.finish()

    def _end(self, token: Token) -> None:
        if not self._open:
            self._refuse("{{end}} does not belong to a block", token)
        is_chained = True
        while is_chained:
            # `{{else if}}` has no end of its own.
            opened = self._open.pop()
            self._variables.pop()
            self._add(opened.closed())
            is_chained = opened.is_chained

    # --- pipelines --------------------------------------------------------------------------------

    def _pipeline(self, tokens: _Tokens, context: str, depth: int = 0) -> Pipeline:
        start = tokens.peek()
        if depth > MAX_DEPTH:
            self._refuse(f"more than {MAX_DEPTH} parentheses inside each other", start)
        variables, is_new = self._assignment(tokens, context)
        commands = []
        while True:
            commands.append(self._command(tokens, context, depth))
            if not tokens.skip("|"):
                break
        for command in commands[1:]:
            if not isinstance(command.operands[0], Function):
                raise TemplateError("expected a function after |", self._template, command.position)
        # A variable is known behind its own pipeline.
        if is_new:
            self._variables[-1].update(variables)
        return Pipeline(variables, is_new, tuple(commands), start.position)

    def _assignment(self, tokens: _Tokens, context: str) -> tuple[tuple[str, ...], bool]:
        """Read ``$x :=``, ``$x =`` or, in a range, ``$i, $x :=``."""
        mark = tokens.mark()
        names: list[Token] = []
        while (token := tokens.peek()).kind == "variable":
            names.append(tokens.take())
            if not tokens.skip(","):
                break
        token = tokens.peek()
        if not names or token.text not in (":=", "=") or token.kind != "symbol":
            if len(names) > 1 and context == "range":
                self._refuse("expected := after the variables", token)
            tokens.reset(mark)
            return (), False
        tokens.take()
        if len(names) > (_MAX_VARIABLES if context == "range" else 1):
            self._refuse("too many variables", names[-1])
        if token.text == "=":
            for name in names:
                self._known(name)
        return tuple(name.text for name in names), token.text == ":="

    def _known(self, token: Token) -> None:
        if not any(token.text in scope for scope in self._variables):
            self._refuse(f"unknown variable {token.text}", token)

    def _command(self, tokens: _Tokens, context: str, depth: int) -> Command:
        start = tokens.peek()
        operands: list[Operand] = []
        while (operand := self._operand(tokens, depth)) is not None:
            operands.append(operand)
            following = tokens.peek(spaces=True)
            if following.kind not in ("space", "end") and following.text not in ("|", ")"):
                self._refuse(f"unexpected {following.text!r} after an operand", following)
        if not operands:
            what = "{{}}" if start.kind == "end" else repr(start.text)
            self._refuse(f"expected a field, a value or a function, got {what}", start)
        first = operands[0]
        if isinstance(first, Literal) and first.value is None:
            self._refuse("nil has no text", start)
        if len(operands) > 1 and not isinstance(first, Function):
            self._refuse("only a function has arguments: it stands in front of them", start)
        del context
        return Command(tuple(operands), start.position)

    def _operand(self, tokens: _Tokens, depth: int) -> Operand | None:
        term = self._term(tokens, depth)
        if term is None:
            return None
        names = []
        start = tokens.peek(spaces=True)
        while tokens.peek(spaces=True).kind == "field":
            names.append(tokens.take().text[1:])
        if not names:
            return term
        if isinstance(term, Literal | Function | Dot):
            self._refuse(f"unexpected {start.text!r} after an operand", start)
        if isinstance(term, Fields):
            return Fields(term.of, (*term.names, *names), term.position)
        return Fields(term, tuple(names), start.position)

    def _term(self, tokens: _Tokens, depth: int) -> Operand | None:  # noqa: PLR0911 - a table
        token = tokens.peek()
        if token.kind == "end" or (token.kind == "symbol" and token.text not in (".", "(")):
            return None
        tokens.take()
        if token.text == "(" and token.kind == "symbol":
            inner = self._pipeline(tokens, "parentheses", depth + 1)
            if not tokens.skip(")"):
                self._refuse("a parenthesis is not closed", token)
            return inner
        match token.kind:
            case "field":
                return Fields(Dot(token.position), (token.text[1:],), token.position)
            case "symbol":
                return Dot(token.position)
            case "variable":
                self._known(token)
                return Variable(token.text, token.position)
            case "name" if token.text not in _CONSTANTS:
                return self._function(token)
        return Literal(self._constant(token), token.position)

    def _function(self, token: Token) -> Function:
        if token.text not in FUNCTIONS:
            names = ", ".join(sorted(FUNCTIONS))
            self._refuse(f"unknown function {token.text}; the functions are {names}", token)
        return Function(token.text, token.position)

    def _constant(self, token: Token) -> Any:  # noqa: ANN401 - JSON
        match token.kind:
            case "name":
                return _CONSTANTS[token.text]
            case "number":
                return self._number(token)
            case "char":
                if len(token.text) != 1:
                    self._refuse("a character constant has exactly one character", token)
                return ord(token.text)
        return token.text

    def _number(self, token: Token) -> int | float:
        plain = token.text.replace("_", "")
        with suppress(ValueError):
            if not _INTEGER.fullmatch(plain):
                number = float(plain)
                if math.isfinite(number):
                    return number
            else:
                digits = plain.lstrip("+-")
                is_octal = len(digits) > 1 and digits[0] == "0" and digits[1:].isdigit()
                return int(plain, 8 if is_octal else 0)
        return self._refuse(f"invalid number {token.text!r}", token)


@final
class _Tokens:
    """The tokens of one action, read from left to right."""

    def __init__(self, template: str, tokens: Sequence[Token]) -> None:
        self._template = template
        self._tokens = tokens
        self._at = 0

    def peek(self, *, spaces: bool = False) -> Token:
        """Return the next token; spaces in front of it are skipped unless ``spaces`` is true."""
        if not spaces:
            while self._tokens[self._at].kind == "space":
                self._at += 1
        return self._tokens[self._at]

    def take(self) -> Token:
        """Return the next token that is not a space, and go on behind it."""
        token = self.peek()
        if token.kind != "end":
            self._at += 1
        return token

    def skip(self, symbol: str) -> bool:
        """Go on behind the next token if it is ``symbol``; return whether it was."""
        token = self.peek()
        if token.kind != "symbol" or token.text != symbol:
            return False
        self._at += 1
        return True

    def mark(self) -> int:
        """Return the present place, for `reset`."""
        return self._at

    def reset(self, mark: int) -> None:
        """Return to a place."""
        self._at = mark

    def finish(self) -> None:
        """Check that no token is left.

        Raises:
            TemplateError: A token is left.
        """
        token = self.peek()
        if token.kind != "end":
            raise TemplateError(f"unexpected {token.text!r}", self._template, token.position)
