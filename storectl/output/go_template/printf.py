"""Go's fmt: ``print``, ``println`` and ``printf`` for strings, numbers, booleans and lists."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, final

from storectl.output.go_template.syntax import MAX_OUTPUT_CHARACTERS
from storectl.output.go_template.values import Missing, ValueFault, text

if TYPE_CHECKING:
    from collections.abc import Sequence

_VERB: Final = re.compile(
    r"%(?P<flags>[-+# 0]*)(?P<width>[1-9][0-9]*|\*)?(?P<dot>\.(?P<precision>[0-9]+|\*)?)?"
    r"(?:\[(?P<index>[0-9]+)\])?(?P<verb>.)?",
    re.DOTALL,
)
_MAX_WIDTH: Final = 1_000_000
"""The largest width and precision, as in Go."""


def sprint(values: Sequence[Any]) -> str:
    """Return the values in a row, with a space between two values that are not strings."""
    shown = ""
    for position, value in enumerate(values):
        if position and not isinstance(value, str) and not isinstance(values[position - 1], str):
            shown += " "
        shown += text(value)
    return shown


def sprintln(values: Sequence[Any]) -> str:
    """Return the values with spaces between them and a line end."""
    return " ".join(map(text, values)) + "\n"


def sprintf(form: str, values: Sequence[Any]) -> str:
    """Return ``form`` with its verbs replaced by the values.

    As in Go, a verb that does not fit its value prints a note such as ``%!d(string=a)``.

    Raises:
        ValueFault: A value is an object.
    """
    left = _Arguments(values)
    shown = _VERB.sub(lambda found: _replaced(found, left), form)
    extra = left.rest()
    if extra:
        shown += f"%!(EXTRA {', '.join(f'{_type(one)}={text(one)}' for one in extra)})"
    return shown


@final
class _Arguments:
    def __init__(self, values: Sequence[Any]) -> None:
        self._values = values
        self._at = 0
        self._characters = 0
        self._is_reordered = False

    def charge(self, characters: int) -> None:
        """Count the characters of a field that is wider than its value."""
        self._characters += characters
        if self._characters > MAX_OUTPUT_CHARACTERS:
            raise ValueFault(f"the text would have more than {MAX_OUTPUT_CHARACTERS:,} characters")

    def go_to(self, number: int) -> None:
        """Go to an argument, counted from 1; then all arguments count as used."""
        self._at = min(max(number - 1, 0), len(self._values))
        self._is_reordered = True

    def has_next(self) -> bool:
        return self._at < len(self._values)

    def take(self) -> Any:  # noqa: ANN401 - JSON
        self._at += 1
        return self._values[self._at - 1]

    def rest(self) -> Sequence[Any]:
        return () if self._is_reordered else self._values[self._at :]


def _replaced(found: re.Match[str], left: _Arguments) -> str:
    verb = found["verb"]
    if verb is None:
        return "%!(NOVERB)"
    flags = set(found["flags"])
    width, bad_width = _number(found["width"], left, "WIDTH")
    precision, bad_precision = _number(found["precision"], left, "PREC")
    if precision is None and not bad_precision and found["dot"]:
        precision = 0
    notes = bad_width + bad_precision
    if width is not None and width < 0:
        flags.add("-")
        width = -width
    if verb == "%":
        return notes + "%"
    if found["index"]:
        left.go_to(int(found["index"][:9]))
    if not left.has_next():
        return f"{notes}%!{verb}(MISSING)"
    left.charge((width or 0) + (precision or 0))
    shown = _shown(verb, left.take(), flags, precision, width or 0)
    filler = "0" if "0" in flags and "-" not in flags and verb not in "vdT" else " "
    return notes + _padded(shown, flags, width or 0, filler)


def _number(given: str | None, left: _Arguments, name: str) -> tuple[int | None, str]:
    if given is None:
        return None, ""
    value = (left.take() if left.has_next() else None) if given == "*" else int(given[:9])
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _MAX_WIDTH:
        return None, f"%!(BAD{name})"
    return value, ""


def _padded(shown: str, flags: set[str], width: int, filler: str) -> str:
    return shown.ljust(width) if "-" in flags else shown.rjust(width, filler)


def _shown(  # noqa: PLR0911 - a table
    verb: str,
    value: Any,  # noqa: ANN401 - JSON
    flags: set[str],
    precision: int | None,
    width: int,
) -> str:
    if isinstance(value, list) and verb != "T":
        return f"[{' '.join(_shown(verb, one, flags, precision, 0) for one in value)}]"
    if verb == "T":
        return _type(value)
    match value:
        case str() if verb in "vsqxX":
            return _letters(verb, value, flags, precision)
        case bool() if verb in "vt":
            return text(value)
        case bool():
            pass
        case int() if verb in "vbcdoOqxXU":
            is_plain = verb == "v"
            shown_as = "d" if is_plain else verb
            return _integer(shown_as, value, flags - {"+"} if is_plain else flags, precision, width)
        case float() if verb in "eEfFgG":
            return _real(verb, value, flags, precision, width)
        case _ if verb == "v":
            return text(value)
    if value is None or isinstance(value, Missing):
        return f"%!{verb}(<nil>)"
    return f"%!{verb}({_type(value)}={text(value)})"


def _letters(verb: str, value: str, flags: set[str], precision: int | None) -> str:
    if verb in "xX":
        digits = value.encode().hex(" ") if " " in flags else value.encode().hex()
        digits = "0x" + digits if "#" in flags else digits
        return digits.upper() if verb == "X" else digits
    cut = value if precision is None else value[:precision]
    return _quoted(cut) if verb == "q" or (verb == "v" and "#" in flags) else cut


def _integer(verb: str, value: int, flags: set[str], precision: int | None, width: int) -> str:
    if verb in "cqU":
        try:
            letter = chr(value)
        except (ValueError, OverflowError):
            letter = "\N{REPLACEMENT CHARACTER}"
        if verb == "U":
            return f"U+{value:04X}"
        return letter if verb == "c" else f"'{letter}'"
    base = "o" if verb == "O" else verb
    prefix = {"x": "0x", "X": "0X", "o": "0", "b": "0b"}.get(verb, "") if "#" in flags else ""
    prefix = "0o" if verb == "O" else prefix
    sign = "-" if value < 0 else "+" if "+" in flags else " " if " " in flags else ""
    digits = f"{abs(value):{base}}"
    if precision is not None:
        digits = "" if precision == 0 and value == 0 else digits.zfill(precision)
    elif "0" in flags and "-" not in flags:
        digits = digits.zfill(width - len(sign) - len(prefix))
    return sign + prefix + digits


def _real(verb: str, value: float, flags: set[str], precision: int | None, width: int) -> str:
    if verb in "gG" and precision is None:
        shown = text(abs(value)).upper() if verb == "G" else text(abs(value))
    else:
        places = 6 if precision is None else min(precision, _MAX_PLACES)
        shown = f"{abs(value):.{places}{verb}}"
    sign = "-" if value < 0 else "+" if "+" in flags else " " if " " in flags else ""
    if "0" in flags and "-" not in flags:
        shown = shown.zfill(width - len(sign))
    return sign + shown


_MAX_PLACES: Final = 1000
_CONTROL: Final = re.compile(r"\\u00([01][0-9a-f])")
_GO_CONTROL: Final = {"\\u0007": "\\a", "\\u000b": "\\v"}


def _quoted(value: str) -> str:
    """Return a string as a Go string constant, on one line."""
    shown = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\x7f")
    return _CONTROL.sub(lambda found: _GO_CONTROL.get(found[0], f"\\x{found[1]}"), shown)


def _type(value: Any) -> str:  # noqa: ANN401 - JSON
    """Return the name of Go's type."""
    match value:
        case None | Missing():
            return "<nil>"
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "float64"
        case str():
            return "string"
        case list():
            return "[]string" if all(isinstance(one, str) for one in value) else "[]interface {}"
    raise ValueFault("an object has no single text: use json")
