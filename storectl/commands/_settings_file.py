"""The settings file of a command: TOML with the names of the command's options."""

from __future__ import annotations

import os
import tomllib
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

import click

from storectl.system.parameters import FilePath

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

MAX_BYTES: Final = 256 * 1024
"""The size of the largest settings file."""

_MAX_TABLES: Final = 256
_NOT_IN_FILES: Final = frozenset({"config", "root", "lock-timeout", "debug", "help", "json"})
_ARGUMENTS: Final = "storectl.arguments"
_FALSE: Final = frozenset({"0", "f", "F", "false", "FALSE", "False"})


class TableError(ValueError):
    """A table of a settings file that is not valid.

    Attributes:
        key: The key that is wrong; empty for the whole table.
        message: The fact.
    """

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key
        self.message = message


class TableValue(Protocol):
    """The type of an option that the file can also give as tables, ``[[NAME]]``."""

    def from_table(self, table: Mapping[str, object], folder: Path) -> object:
        """Return the value of a table.

        Args:
            table: The table.
            folder: The folder of the file.

        Raises:
            TableError: A key or a value is not valid.
        """
        ...


def note_arguments(ctx: click.Context, args: list[str]) -> None:
    """Remember the arguments of a command, to read its settings file again.

    Args:
        ctx: The context of the command.
        args: The arguments of the command.
    """
    ctx.meta[_ARGUMENTS] = tuple(args)


def read_again(ctx: click.Context) -> dict[str, Any]:
    """Return the values of a command's options as they would be if it started now.

    Args:
        ctx: The context of the command, with its arguments.

    Raises:
        click.UsageError: The settings file is invalid.
        Unavailable: The settings file does not exist, or cannot be read.
    """
    again = ctx.command.make_context(ctx.info_name, list(ctx.meta[_ARGUMENTS]), parent=ctx.parent)
    values = dict(again.params)
    del values["config"]
    return values


def use_settings(ctx: click.Context, _param: click.Parameter, path: Path | None) -> Path | None:
    """Take the values of a settings file as the defaults of a command; options take precedence.

    Args:
        ctx: The context of the command.
        path: The file; None for no file.

    Raises:
        click.UsageError: The file is invalid, names an unknown setting, or has an invalid value.
        Unavailable: The file does not exist, or cannot be read.
    """
    if path is None or ctx.resilient_parsing:
        return path
    options = _options(ctx.command)
    # The parser drops `--open=false`, which takes precedence over the file as well.
    denied = {
        name
        for name, _, value in (arg.partition("=") for arg in ctx.meta[_ARGUMENTS])
        if value in _FALSE
    }
    defaults: dict[str, Any] = {}
    text = _text(path)
    for key, value in _parsed(path, text).items():
        option = options.get(key)
        if option is None:
            raise _wrong(path, text, key, f"unknown setting {_shown(key)}")
        if hasattr(option.type, "from_table") and _has_tables(value):
            defaults[str(option.name)] = _from_tables(option, key, value, path, text)
            continue
        try:
            given = _fitting(option, value)
            found = _placed(option, given, path)
            option.type_cast_value(ctx, found)
        except click.BadParameter as error:
            raise _wrong(path, text, key, f"invalid {key}: {error.message}") from None
        except ValueError as error:
            raise _wrong(path, text, key, f"invalid {key}: {error}") from None
        if not (option.is_flag and f"--{key}" in denied):
            defaults[str(option.name)] = found
    ctx.default_map = defaults
    return path


def _options(command: click.Command) -> dict[str, click.Option]:
    return {
        name.removeprefix("--"): param
        for param in command.params
        if isinstance(param, click.Option)
        for name in param.opts
        if name.startswith("--") and name.removeprefix("--") not in _NOT_IN_FILES
    }


def _text(path: Path) -> str:
    from store.files.os_errors import Whose, translated  # noqa: PLC0415 - only with a file

    with translated(path, whose=Whose.INPUT), path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise click.UsageError(f"invalid settings {str(path)!r}: more than {MAX_BYTES} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise click.UsageError(f"invalid settings {str(path)!r}: expected UTF-8") from None


def _parsed(path: Path, text: str) -> Mapping[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise click.UsageError(f"invalid settings {str(path)!r}: {error}") from None
    except RecursionError:
        raise click.UsageError(f"invalid settings {str(path)!r}: nested too deep") from None


def _has_tables(value: object) -> bool:
    return isinstance(value, list) and any(isinstance(one, dict) for one in value)


def _from_tables(
    option: click.Option, key: str, tables: list[object], path: Path, text: str
) -> tuple[object, ...]:
    if len(tables) > _MAX_TABLES:
        raise _wrong(path, text, key, f"{len(tables)} tables {key} given, at most {_MAX_TABLES}")
    made = cast("TableValue", option.type)
    values = []
    for number, table in enumerate(tables):
        if not isinstance(table, dict):
            raise _wrong(path, text, key, f"invalid {key}: expected strings or tables, not both")
        try:
            values.append(made.from_table(table, path.parent))
        except TableError as error:
            line = _line(text, partial(_has_key, key, number, error.key))
            raise click.UsageError(f"{path}, line {line}: {error.message}") from None
    return tuple(values)


def _has_key(name: str, number: int, key: str, found: Mapping[str, Any]) -> bool:
    """Return whether a part of the file has a key of a table, or the table if the key is empty."""
    tables = found.get(name, ())
    return len(tables) > number and (not key or key in tables[number])


def _fitting(option: click.Option, value: object) -> Any:  # noqa: ANN401 - the option's
    """Return the value as the command line would give it.

    Raises:
        ValueError: The value has the wrong type.
    """
    if option.is_flag:
        if not isinstance(value, bool):
            raise ValueError(f"expected true or false, found {_kind(value)}")
        return value
    if option.multiple:
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise ValueError(f"expected a list of strings, found {_kind(value)}")
        return tuple(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(  # noqa: TRY004 - of one kind with the errors of the values
            f"expected a string or a whole number, found {_kind(value)}"
        )
    return str(value)


def _placed(option: click.Option, value: Any, path: Path) -> Any:  # noqa: ANN401 - the option's
    """Return a path relative to the folder of the settings file; other values as they are."""
    if isinstance(value, tuple):
        return tuple(_placed(option, one, path) for one in value)
    is_path = isinstance(option.type, FilePath) or getattr(option.type, "is_path", False)
    if is_path and value and not value.startswith("~"):
        return os.path.join(path.parent, value)  # noqa: PTH118 - an empty path stays empty
    return value


def _wrong(path: Path, text: str, key: str, message: str) -> click.UsageError:
    line = _line(text, lambda found: key in found)
    return click.UsageError(f"{path}, line {line}: {message}")


def _line(text: str, is_there: Callable[[Mapping[str, Any]], bool]) -> int:
    """Return the number of the line on which a value begins.

    Args:
        text: The text of the file.
        is_there: Returns whether a part of the file, parsed, has the value.
    """
    lines = text.splitlines()
    whole = 0
    # The first lines of a file are a file, unless they end within a value.
    for number in range(1, len(lines) + 1):
        try:
            found = tomllib.loads("\n".join(lines[:number]))
        except tomllib.TOMLDecodeError:
            continue
        if is_there(found):
            break
        whole = number
    return whole + 1


def _shown(key: str) -> str:
    return repr(key if len(key) <= 80 else f"{key[:80]}…")  # noqa: PLR2004 - a line


def _kind(value: object) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", str: "a string"}
    return names.get(type(value), "a list" if isinstance(value, list) else "a table or a time")
