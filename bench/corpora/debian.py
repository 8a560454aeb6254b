"""Build a real image with a Docker Engine: Debian's root file system, and layers of packages.

The build installs the current packages, so the images on two machines may differ slightly. On each
machine the archive is built once and kept.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path
from typing import Final

from tests.support.engine import Engine

IMAGE: Final = "bench/debian:12"

_DOCKERFILE: Final = """\
FROM scratch
ADD rootfs.tar /
ENV DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8
RUN apt-get update \
&& apt-get install -y --no-install-recommends ca-certificates curl git openssh-client \
&& rm -rf /var/lib/apt/lists/*
RUN apt-get update \
&& apt-get install -y --no-install-recommends build-essential pkg-config \
&& rm -rf /var/lib/apt/lists/*
RUN apt-get update \
&& apt-get install -y --no-install-recommends python3-full python3-dev \
&& rm -rf /var/lib/apt/lists/*
RUN apt-get update \
&& apt-get install -y --no-install-recommends openjdk-17-jre-headless \
&& rm -rf /var/lib/apt/lists/*
COPY entry.sh /usr/local/bin/entry
RUN apt-get purge -y openssh-client && chmod 755 /usr/local/bin/entry
ENTRYPOINT ["/usr/local/bin/entry"]
"""
_ENTRY: Final = b'#!/bin/sh\nexec "$@"\n'
_APT_SETTINGS: Final = (
    Path("/etc/apt/sources.list"),
    Path("/etc/apt/sources.list.d"),
    Path("/etc/apt/apt.conf.d"),
)
"""Settings of apt; with a copy of them, the build uses the same package servers as this machine."""


def build(folder: Path, target: Path) -> None:
    """Build the image, and write its ``docker save`` archive.

    Args:
        folder: An empty folder for intermediate files; the caller removes it.
        target: The archive to write.

    Raises:
        CalledProcessError: debootstrap or another program failed.
        EngineError: The Docker Engine does not start, or the build failed.
    """
    rootfs = folder / "rootfs"
    subprocess.run(
        ["debootstrap", "--variant=minbase", "bookworm", str(rootfs)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    subprocess.run(["chroot", str(rootfs), "apt-get", "clean"], check=True)
    for setting in _APT_SETTINGS:
        if setting.exists():
            subprocess.run(
                ["cp", "-aL", str(setting), str(rootfs / setting.parent.relative_to("/"))],
                check=True,
            )
    packed = folder / "rootfs.tar"
    subprocess.run(
        ["tar", "--numeric-owner", "--sort=name", "-C", str(rootfs), "-cf", str(packed), "."],
        check=True,
    )
    context = folder / "context.tar"
    with tarfile.open(context, "w") as tar:
        tar.add(packed, "rootfs.tar")
        for name, data in (("Dockerfile", _DOCKERFILE.encode()), ("entry.sh", _ENTRY)):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    with Engine(folder / "engine") as engine:
        with context.open("rb") as body:
            engine.build(body, IMAGE)
        with target.open("wb") as sink:
            engine.save_to([IMAGE], sink)
