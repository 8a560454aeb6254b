"""Peers that `scripts/build_peers.sh` builds from their source, for Debian does not have them."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path
from typing import Final

CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path(pwd.getpwuid(os.getuid()).pw_dir) / ".cache") / "storectl-peers"
"""Not below HOME: tests have one of their own."""


def built(name: str) -> str:
    """The path of such a program: what the variable of its name says, on PATH, or where the script puts it. It need not be there."""
    return os.environ.get(name.upper()) or shutil.which(name) or str(CACHE / name)
