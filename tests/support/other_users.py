"""Commands that other users of the machine run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

_SCRIPT: Final = """
import importlib, io, os, pkgutil, sys, tempfile
from pathlib import Path

sys.path.insert(0, sys.argv[1])
# The user may not be able to read the modules, so all of them are loaded before.
for package in ("store", "exporter", "storectl"):
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
import _strptime, alembic.autogenerate, alembic.command, difflib, encodings.ascii, grp, json, pwd
import shutil, uuid
from store import Store
from storectl import cli
with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder), create=True) as store:
    with store.operation("import"), store.write(), store.read(), store.look():
        pass
user, group, umask, groups, *arguments = sys.argv[2:]
os.chdir("/")
os.setgroups([int(one) for one in groups.split(",") if one])
os.setgid(int(group))
os.setuid(int(user))
os.umask(int(umask))
sys.exit(cli.run(arguments))
"""


def run_as(
    user: int,
    *arguments: str | Path,
    group: int | None = None,
    groups: Sequence[int] = (),
    umask: int = 0o022,
) -> subprocess.CompletedProcess[bytes]:
    """Run ``storectl`` as a user.

    Args:
        user: ID of the user, who need not exist.
        arguments: The arguments of the program.
        group: ID of the primary group; None for the number of the user.
        groups: IDs of the other groups.
        umask: The umask.
    """
    settings = (user, user if group is None else group, umask, ",".join(map(str, groups)))
    with tempfile.TemporaryDirectory() as folder:
        # The user may not be able to read the shipped migrations, which Alembic reads.
        with as_file(files("migrations")) as shipped:
            copied = shutil.copytree(shipped, Path(folder) / "migrations")
        for path in (Path(folder), copied, *copied.rglob("*")):
            path.chmod(0o755)
        return subprocess.run(
            [sys.executable, "-c", _SCRIPT, folder, *map(str, settings), *arguments],
            capture_output=True,
            timeout=300,
            check=False,
        )
