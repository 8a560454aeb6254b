"""The errors of a program on another machine."""

from __future__ import annotations

import pytest

from remote.errors import RegistryFailed, Unreachable
from remote.http.far_program import FarProgram

PROGRAM = FarProgram("ssh://host", ("ssh", "host"))


@pytest.mark.parametrize(
    ("code", "kind", "text"),
    [
        (255, Unreachable, "could not connect"),
        (127, RegistryFailed, "no command storectl"),
        (126, RegistryFailed, "no command storectl"),
        (2, RegistryFailed, "too old"),
        (10, RegistryFailed, "exit code 10"),
        (-9, RegistryFailed, "exit code -9"),
    ],
)
def test_an_exit_code_is_explained(code: int, kind: type[Exception], text: str) -> None:
    error = PROGRAM.ended(code, b"")
    assert isinstance(error, kind)
    assert text in error.message
    assert "ssh://host" in error.message
    assert error.hint


def test_what_a_shell_writes_is_shown_without_control_characters() -> None:
    for error in (PROGRAM.noisy(b"Hi\x1b[31m\n"), PROGRAM.ended(1, b"Hi\x1b[31m\n")):
        assert "Hi" in error.message
        assert "\x1b" not in error.message
    assert "9.9" in PROGRAM.too_new("9.9").message
