"""The file system of a base image with Python, as a replacement for python:3.13-slim.

The base image is a minimal Debian. It reaches package indexes through the same settings as pip on
this machine.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.support import debian

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGES: Final = ("ca-certificates", "python3-venv")
LEFT_OUT: Final = ("usr/share/doc", "usr/share/locale", "usr/share/man", "var/lib/apt/lists")
PIP_SETTINGS: Final = re.compile(
    r"^(?:global|:env:|install)\.((?:extra-)?index-url|cert|proxy|trusted-host|timeout)='(.*)'$",
    re.MULTILINE,
)
"""A pattern for pip's network settings; the build copies these settings of this machine."""


def write(target: Path) -> None:
    """Write the base image's file system as a tar.

    Raises:
        EngineError: debootstrap failed.
    """
    debian.bootstrap(target, PACKAGES, files=_network_settings(), without=LEFT_OUT)


def _network_settings() -> Mapping[str, bytes]:
    """Return the files that give pip this machine's settings, by path."""
    shown = [sys.executable, "-m", "pip", "config", "list"]
    told = subprocess.run(shown, capture_output=True, text=True, check=True).stdout
    settings: dict[str, str] = dict(PIP_SETTINGS.findall(told))
    lines = ["[global]", *(f"{name} = {value}" for name, value in settings.items())]
    files = {"/etc/pip.conf": "\n".join((*lines, "")).encode()}
    if "cert" in settings:
        files[settings["cert"]] = Path(settings["cert"]).read_bytes()
    return files
