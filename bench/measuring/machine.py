"""Describe the machine for readers of the figures, without the name of the machine or its owner."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
from pathlib import Path

from bench import workshop
from bench.measuring import pacing


def describe() -> dict[str, str]:
    """Return the machine's cores, memory, kernel, file system and program versions, by name."""
    return {
        "cores": str(os.cpu_count()),
        "processor": (
            _field("/proc/cpuinfo", "model name")
            + (", SHA instructions" if "sha_ni" in Path("/proc/cpuinfo").read_text() else "")
        ),
        "memory": f"{int(_field('/proc/meminfo', 'MemTotal').split()[0]) / 1024**2:.0f} GiB",
        "kernel": platform.release().split("-")[0],
        "file system": _file_system(),
        "TCP": pacing.current(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "storectl": workshop.version(workshop.storectl(), "--version"),
    }


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown 0"


def _file_system() -> str:
    return subprocess.run(
        ["findmnt", "-n", "-o", "FSTYPE", "-T", str(workshop.CACHE)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
