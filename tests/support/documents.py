"""Commands in fenced blocks of documents, run as a reader of the documents would type them.

In a ``console`` block, a line that begins with ``$ `` is a command, and a line that begins with ``>
`` continues it. The lines after a command are its output, in which ``...`` stands for any text. If
a block shows output, the command's output has to fit it. A comment such as ``# exits 3`` gives the
exit code of a command that has to fail. A block with the title ``needs PROGRAM`` uses a program
other than storectl.
"""

from __future__ import annotations

import contextlib
import difflib
import fnmatch
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self, final

from tests.support.peers.process import free_port

ROOT: Final = Path(__file__).parents[2]
FENCE: Final = re.compile(
    r"^```(?P<language>\w*)(?: title=\"needs (?P<needs>\w+)\")?[^\n]*\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
EXITS: Final = re.compile(r"#\s*exits (\d+)\s*$")


@dataclass
class Block:
    """A fenced block of a document; ``needs`` names a program that the block runs, or is empty."""

    language: str
    needs: str
    body: str


@dataclass
class Command:
    """A command of a ``console`` block and the output that the block shows."""

    text: str
    output: list[str] = field(default_factory=list)

    @property
    def exits(self) -> int:
        said = EXITS.search(self.text)
        return int(said[1]) if said else 0


def blocks(document: str, *languages: str) -> list[Block]:
    """Return a document's blocks in any of these languages, in the document's order."""
    text = (ROOT / document).read_text(encoding="utf-8")
    found = [
        Block(match["language"], match["needs"] or "", match["body"])
        for match in FENCE.finditer(text)
    ]
    return [block for block in found if block.language in languages]


def session(body: str) -> list[Command]:
    """Return the commands of a ``console`` block."""
    commands: list[Command] = []
    for line in body.splitlines():
        if line.startswith("$ "):
            commands.append(Command(line[2:]))
        elif line.startswith("> ") and commands and not commands[-1].output:
            commands[-1].text += "\n" + line[2:]
        else:
            commands[-1].output.append(line)
    return commands


def fits(shown: list[str], printed: list[str]) -> bool:
    """Return whether the lines that a command printed fit the lines that a document shows.

    A shown line ``...`` stands for any lines, and ``...`` inside a line for any text. A run of
    spaces counts as one space.
    """
    if not shown:
        return not printed
    if shown[0].strip() == "...":
        return any(fits(shown[1:], printed[start:]) for start in range(len(printed) + 1))
    return bool(printed) and _line_fits(shown[0], printed[0]) and fits(shown[1:], printed[1:])


def _line_fits(shown: str, printed: str) -> bool:
    pattern = "*".join(
        re.sub(r"([*?[])", r"[\1]", part) for part in " ".join(shown.split()).split("...")
    )
    return fnmatch.fnmatchcase(" ".join(printed.split()), pattern)


@final
class Reader:
    """A reader who types the blocks of one document into a shell.

    All blocks share a folder, a store and an environment. The paths in documents are relative to
    the folder, and no file outside it changes. Port 5000, which the documents give to servers, is
    replaced with a free port. On exit, the server whose process ID the document wrote to
    ``serve.pid`` is killed.
    """

    def __init__(self, folder: Path, **environment: str) -> None:
        (folder / "tests").mkdir()
        (folder / "tests" / "golden").symlink_to(ROOT / "tests" / "golden")
        self.folder = folder
        path = environment.pop("PATH", os.environ["PATH"])
        self._environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{path}",
            "STORECTL_ROOT": str(folder / "store"),
            "COLUMNS": "160",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            **environment,
        }
        self._port = str(free_port())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        number = self.folder / "serve.pid"
        if number.exists():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(number.read_text()), signal.SIGKILL)

    def run(self, block: Block) -> None:
        """Run a ``console`` or ``python`` block, and assert that its output fits the block."""
        body = block.body.replace("127.0.0.1:5000", f"127.0.0.1:{self._port}")
        if block.language == "python":
            self._run([sys.executable, "-W", "error", "-c", body], body, 0)
            return
        for command in session(body):
            shell = ["bash", "-o", "pipefail", "-c", command.text]
            printed = self._run(shell, command.text, command.exits)
            if command.output:
                assert fits(command.output, printed), "\n".join(
                    [f"$ {command.text}", *difflib.ndiff(command.output, printed)]
                )

    def _run(self, program: list[str], text: str, exits: int) -> list[str]:
        done = subprocess.run(
            program,
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert done.returncode == exits, (
            f"{text}\nexited with {done.returncode}, not {exits}:\n{done.stdout}{done.stderr}"
        )
        # A terminal shows both streams. Of a command that fails, compare the error stream only.
        return (done.stdout or done.stderr).splitlines()
