"""A real image: Debian from debootstrap, and on top of it what ``apt-get`` installs in a ``docker build``, step by step."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from typing import TYPE_CHECKING, Final

from tests.support.engine import EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.support.engine import Engine

SUITE: Final = "bookworm"
MIRROR: Final = os.environ.get("STORECTL_DEBIAN_MIRROR", "http://deb.debian.org/debian")
STEPS: Final = {"small": ("python3-minimal",), "full": ("python3", "gcc", "golang-go")}
"""What each layer installs: 260 MB in all, or more than a gigabyte."""

PROXIES: Final = ("http_proxy", "https_proxy", "no_proxy")
SETTINGS: Final = ("Acquire::http", "Acquire::https", "Acquire::Check-", "Acquire::Retries")
"""What of this machine's apt settings counts for its network and its clock: the build needs it as much."""


def build(engine: Engine, folder: Path, tag: str, packages: Sequence[str]) -> None:
    """Bootstrap Debian in ``folder`` and build an image of it with one layer for each of ``packages`` and more. Raises EngineError with what a step printed."""
    root, base, context = folder / "root", folder / "base.tar", folder / "context.tar"
    _run("debootstrap", "--variant=minbase", "--include=ca-certificates", SUITE, str(root), MIRROR)
    _run(
        "tar",
        "--directory",
        str(root),
        "--exclude",
        "./var/cache/apt/archives/*.deb",
        "--create",
        "--file",
        str(base),
        ".",
    )
    _run("rm", "-rf", str(root))
    with tarfile.open(context, "w") as tar:
        for name, text in (("Dockerfile", _dockerfile(packages)), ("apt.conf", _apt_settings())):
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
        tar.add(base, base.name)
    base.unlink()
    with context.open("rb") as file:
        engine.build(file, tag, {name: os.environ[name] for name in PROXIES if name in os.environ})
    context.unlink()


def _dockerfile(packages: Sequence[str]) -> str:
    install = "RUN DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends"
    steps = [
        "FROM scratch",
        "ADD base.tar /",
        "COPY apt.conf /etc/apt/apt.conf.d/90machine",
        "RUN apt-get update",
        *(f"{install} {one}" for one in packages),
        # Whiteouts, and the times and links that come with removing and replacing files.
        (
            "RUN rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb && ln -sf bash /bin/sh"
            " && chmod 0700 /root"
        ),
        'LABEL org.example.about="apt & <layers>"',
        'CMD ["bash"]',
    ]
    return "\n".join(steps) + "\n"


def _apt_settings() -> str:
    lines = _run("apt-config", "dump", "--no-empty").splitlines()
    return "".join(f"{line}\n" for line in lines if line.startswith(SETTINGS))


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise EngineError(
            f"{' '.join(command)}: exit code"
            f" {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    return done.stdout
