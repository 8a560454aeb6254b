"""The files of ``storectl mirror-config`` below a folder of the test, instead of ``/``."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def configure(folder: Path, client: str, url: str, *options: str, stdin: str = "") -> Path:
    """Write the configuration of a client.

    Args:
        folder: The folder in the place of ``/``.
        client: The client, as ``mirror-config`` calls it.
        url: The address of the mirror.
        options: More options of ``mirror-config``.
        stdin: What the command reads from standard input.

    Returns:
        ``folder``.
    """
    command = [sys.executable, "-m", "storectl", "mirror-config", client, url]
    subprocess.run(
        [*command, *options, "--write", str(folder)],
        input=stdin,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return folder


def program_with(files: Path, place: str, program: str, folder: Path) -> str:
    """Return a program that sees ``files`` in the folder ``place``, with mounts of its own.

    Args:
        files: The folder that the program sees.
        place: Where the program looks, such as ``/etc/docker``.
        program: The path of the real program.
        folder: Where the new program is written.
    """
    script = folder / "started"
    script.write_text(
        f'#!/bin/sh\nmkdir -p "{place}"\nexec unshare --mount sh -c'
        f' \'mount --bind "{files}" "{place}" && exec "{program}" "$@"\' sh "$@"\n'
    )
    script.chmod(0o755)
    return str(script)
