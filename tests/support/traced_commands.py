"""Commands that run under observation: their peak memory, or the paths that they wrote to."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

WRITING: Final = re.compile(r"\bO_(?:WRONLY|RDWR|CREAT|TRUNC|APPEND|TMPFILE)\b")
CALLS: Final = (
    "open,openat,openat2,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,mknod,mknodat,"
    "truncate,unlink,unlinkat,rmdir,chmod,fchmodat,utimensat,setxattr,lsetxattr"
)
_CALL: Final = re.compile(r"^(?P<name>\w+)\((?P<arguments>.*)\) += (?:\d+(?:<(?P<opened>[^>]*)>)?)")
_PATH: Final = re.compile(r'(?:(?:AT_FDCWD|\d+)<(?P<folder>[^>]*)>, )?"(?P<path>(?:[^"\\]|\\.)*)"')

_LAUNCHER: Final = """
import json, os, sys
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
status, usage = os.wait4(pid, 0)[1:]
with open(sys.argv[1], "w") as file:
    json.dump({"code": os.waitstatus_to_exitcode(status), "peak_kib": usage.ru_maxrss}, file)
"""
# Start the command from a small program, because the kernel adds the parent's memory at the start
# to the command's peak.


@final
@dataclass(frozen=True, slots=True)
class Run:
    """A command that succeeded; ``peak_kib`` is its VmHWM in KiB."""

    seconds: float
    peak_kib: int


def environment() -> dict[str, str]:
    """Return this process's environment without coverage, which costs memory and writes files."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}


def measured(
    folder: Path,
    *command: str | Path,
    stdin: IO[bytes] | None = None,
    stdout: IO[bytes] | None = None,
) -> Run:
    """Run a command and measure its time and peak memory.

    Raises:
        CalledProcessError: The command failed; the error has its output.
    """
    report = folder / "measured.json"
    words = [sys.executable, "-S", "-c", _LAUNCHER, str(report), *map(str, command)]
    start = time.monotonic()
    done = subprocess.run(
        words,
        stdin=stdin or subprocess.DEVNULL,
        stdout=stdout or subprocess.PIPE,
        stderr=subprocess.PIPE,
        check=True,
        env=environment(),
    )
    seconds = time.monotonic() - start
    found = json.loads(report.read_text())
    if found["code"] != 0:
        raise subprocess.CalledProcessError(found["code"], words[5:], done.stdout, done.stderr)
    return Run(seconds, found["peak_kib"])


def written_paths(folder: Path, *command: str | Path) -> list[str]:
    """Run a command under strace; return every path that it or its children wrote to.

    A path counts if it is opened for writing, created, renamed or removed.

    Raises:
        CalledProcessError: The command failed.
    """
    folder.mkdir()
    # Each thread has its own log, because strace splits calls in a common log.
    words = [
        "strace",
        "-ff",
        "--seccomp-bpf",
        "-y",
        "-qq",
        "-s",
        "4096",
        "-e",
        "signal=none",
        "-e",
        f"trace={CALLS}",
        "-o",
        str(folder / "log"),
        *map(str, command),
    ]
    subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, check=True, env=environment()
    )
    return sorted(
        paths_of(
            line
            for log in folder.iterdir()
            for line in log.read_text(errors="replace").splitlines()
        )
    )


def paths_of(lines: Iterable[str]) -> set[str]:
    """Return the paths that the calls in strace's log wrote to; failed calls do not count."""
    found: set[str] = set()
    for line in lines:
        call = _CALL.match(line)
        if call is None:
            continue
        if call["name"].startswith("open"):
            if WRITING.search(call["arguments"]):
                found.add(call["opened"])
            continue
        named = [
            os.path.normpath(os.path.join(path["folder"] or "", path["path"]))  # noqa: PTH118
            for path in _PATH.finditer(call["arguments"])
        ]
        # The command does not write to the target of a symbolic link.
        found.update(named[1:] if call["name"].startswith("symlink") else named)
    return found


def outside(paths: Iterable[str], allowed: Sequence[Path]) -> list[str]:
    """Return the paths that are neither in ``allowed`` nor below one of its folders."""
    return [
        path
        for path in paths
        if not any(path == str(folder) or path.startswith(f"{folder}/") for folder in allowed)
    ]
