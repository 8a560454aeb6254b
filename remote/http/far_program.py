"""The program on another machine that answers requests over standard input and output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

from remote.errors import RegistryFailed, Unreachable
from store.errors import printable

_SSH_FAILED: Final = 255
_NOT_FOUND: Final = 127
_NOT_EXECUTABLE: Final = 126
_USAGE: Final = 2
_MAX_SHOWN: Final = 200


@final
@dataclass(frozen=True, slots=True)
class FarProgram:
    """A program on another machine.

    Attributes:
        host: The machine, as messages name it.
        command: The command that runs the program, and the arguments of this command.
    """

    host: str
    command: tuple[str, ...]

    def ended(self, code: int, output: bytes) -> RegistryFailed | Unreachable:
        """Return the error for a program that ended, or wrote something else, before HTTP began.

        Args:
            code: The exit code; negative for a signal.
            output: What was written to standard output.
        """
        said = printable(output[:_MAX_SHOWN].decode("utf-8", "replace").strip())
        about = f"cannot reach the store on {self.host}"
        if code == _SSH_FAILED:
            return Unreachable(
                f"{about}: {self.command[0]} could not connect",
                registry=self.host,
                hint=f"check that you can log in to {self.host}; the message of SSH is above",
            )
        if code in (_NOT_FOUND, _NOT_EXECUTABLE):
            return RegistryFailed(
                f"{about}: there is no command storectl on that machine",
                registry=self.host,
                hint="install storectl there, in a folder that the PATH names without a terminal",
            )
        if code == _USAGE:
            return RegistryFailed(
                f"{about}: the version of storectl on that machine is too old",
                registry=self.host,
                hint="install the same version of storectl there",
            )
        return RegistryFailed(
            f"{about}: storectl ended there with the exit code {code}"
            + (f" and wrote {said!r}" if said else ""),
            registry=self.host,
            hint="its message is above",
        )

    def noisy(self, output: bytes) -> RegistryFailed:
        """Return the error for a shell that wrote to standard output.

        Args:
            output: What it wrote.
        """
        said = printable(output[:_MAX_SHOWN].decode("utf-8", "replace").strip())
        return RegistryFailed(
            f"cannot reach the store on {self.host}: the shell there writes to standard output"
            f" before storectl does: {said!r}",
            registry=self.host,
            hint="let the start files of the shell there print nothing if there is no terminal",
        )

    def too_new(self, version: str) -> RegistryFailed:
        """Return the error for a program with another version of the protocol.

        Args:
            version: The version of the program.
        """
        return RegistryFailed(
            f"cannot reach the store on {self.host}: storectl {printable(version)} there speaks"
            " another version of the protocol",
            registry=self.host,
            hint="install the same version of storectl here and there",
        )
