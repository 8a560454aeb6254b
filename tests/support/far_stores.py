"""A program in the place of ``ssh`` that runs the command on this machine, as sshd would."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

_SCRIPT = """#!/bin/sh
# Options of ssh, then the host, then the command, which the login shell splits.
printf '%s\\n' "$*" >>{log}
while [ $# -gt 0 ]; do
    case $1 in
        -T) shift ;;
        -p) shift 2 ;;
        *) break ;;
    esac
done
shift
PATH={folder}:$PATH
{before}
exec sh -c "$*"
"""
_PROGRAM = """#!/bin/sh
PYTHONPATH={tree} exec {python} -m storectl "$@"
"""
_TREE = Path(__file__).parents[2]


def fake_ssh(folder: Path, before: str = "") -> tuple[str, Path]:
    """Write the program, and a storectl that it finds.

    Args:
        folder: Where to write them.
        before: Lines of the shell's start file on the other machine.

    Returns:
        The value of ``STORECTL_SSH``, and a file that gets a line with the arguments of each call.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log"
    log.touch()
    quoted = {"folder": shlex.quote(str(folder)), "log": shlex.quote(str(log)), "before": before}
    ssh, storectl = folder / "fake-ssh", folder / "storectl"
    ssh.write_text(_SCRIPT.format(**quoted))
    storectl.write_text(_PROGRAM.format(tree=shlex.quote(str(_TREE)), python=sys.executable))
    for path in (ssh, storectl):
        path.chmod(0o755)
    return shlex.quote(str(ssh)), log
