"""A real image: Debian from debootstrap, and packages added with apt-get in a ``docker build``."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from typing import TYPE_CHECKING, Final

from tests.support.engine import EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.support.engine import Engine

SUITE: Final = "bookworm"
MIRROR: Final = os.environ.get("STORECTL_DEBIAN_MIRROR", "http://deb.debian.org/debian")
STEPS: Final = {"small": ("python3-minimal",), "full": ("python3", "gcc", "golang-go")}
"""The packages of each layer, by size of the image: 260 MB for small, over a gigabyte for full."""

PROXIES: Final = ("http_proxy", "https_proxy", "no_proxy")
SETTINGS: Final = ("Acquire::http", "Acquire::https", "Acquire::Check-", "Acquire::Retries")
"""Names of apt's settings for network and clock; the build copies this machine's values."""


def bootstrap(
    target: Path,
    packages: Sequence[str],
    *,
    files: Mapping[str, bytes] | None = None,
    without: Sequence[str] = (),
) -> None:
    """Write a minimal Debian with these packages as a tar.

    Args:
        target: The tar.
        packages: Names of Debian packages.
        files: Files to add, by their paths.
        without: Folders to leave out, relative to the root.

    Raises:
        EngineError: debootstrap failed; the message has its output.
    """
    root = target.with_suffix(".root")
    include = f"--include={','.join(packages)}"
    _run("debootstrap", "--variant=minbase", include, SUITE, str(root), MIRROR)
    for name, data in (files or {}).items():
        place = root / name.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    left_out = [f"--exclude=./{name}" for name in ("var/cache/apt/archives/*.deb", *without)]
    _run("tar", f"--directory={root}", *left_out, "--create", f"--file={target}", ".")
    _run("rm", "-rf", str(root))


def build(engine: Engine, folder: Path, tag: str, packages: Sequence[str]) -> None:
    """Bootstrap Debian in ``folder`` and build an image with a layer for each of ``packages``.

    Raises:
        EngineError: A step of the build failed; the message has its output.
    """
    base, context = folder / "base.tar", folder / "context.tar"
    bootstrap(base, ["ca-certificates"])
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
        *(f"{install} {package}" for package in packages),
        # Removing and replacing files gives whiteouts, times and links.
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
