"""systemd as process 1 of its own namespaces, with only the units of a test.

Its file system is an overlay on this machine's, so this machine does not change. Its network has
only a loopback interface, where every port is free.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import sysconfig
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, Self, final

from tests.support.engine import EngineError, program
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Mapping

CHECKOUT: Final = Path(__file__).parents[2]
SYSTEMD: Final = "/lib/systemd/systemd"
TARGETS: Final = ("basic", "emergency", "network-online", "rescue", "shutdown", "sysinit")
"""The targets that systemd expects, or after which a unit starts. They are empty here."""

SHOWN: Final = {
    sys.base_prefix: "/opt/python",
    sysconfig.get_path("purelib"): "/opt/packages",
    str(CHECKOUT): "/opt/checkout",
}
"""Folders of this machine that a service may be unable to reach, and where it finds them."""

NAMESPACES: Final = (
    *("--pid", "--fork", "--kill-child"),
    *("--mount", "--net", "--ipc", "--uts", "--cgroup"),
)
PROGRAM: Final = """#!/bin/sh
export LD_LIBRARY_PATH=/opt/python/lib PYTHONPATH=/opt/checkout:/opt/packages
exec /opt/python/bin/python3 -B -m storectl "$@"
"""

BOOT: Final = """
set -euo pipefail
mount --make-rprivate /
ip link set lo up
mount -t tmpfs -o mode=755 tmpfs "$1"
root=$1/root
mkdir "$1/upper" "$1/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in full null random tty urandom zero; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
touch "$root/dev/console"
mount --bind "$2" "$root/dev/console"
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
for target in $TARGETS; do
    mkdir -p "$root/run/units"
    printf '[Unit]\\nDefaultDependencies=no\\n' >"$root/run/units/$target.target"
done
eval "$PREPARE"
cd "$root"
mkdir run/old
pivot_root . run/old
umount -l run/old
exec env -i container=tests SYSTEMD_UNIT_PATH=/run/units LC_ALL=C.UTF-8 \\
    "$SYSTEMD" --system --unit="$UNIT" --show-status=no --log-target=console
"""


@final
class Systemd:
    """A systemd that starts one unit. Leaving the context ends all its processes."""

    def __init__(self, folder: Path, unit: Path, files: Mapping[str, str]) -> None:
        """Boot systemd.

        Args:
            folder: An empty folder.
            unit: The file of the unit that systemd starts.
            files: Files that systemd and the unit find, by path. Their mode is 0755.
        """
        self._unit = unit.name
        self._group = _unified_groups() / f"storectl-tests-{os.getpid()}"
        self._group.mkdir()
        lines = [f'cp {shlex.quote(str(unit))} "$root/run/units"']
        for source, target in SHOWN.items():
            lines.append(f'mkdir -p "$root{target}"')
            lines.append(f'mount --bind {shlex.quote(source)} "$root{target}"')
        for name, text in files.items():
            lines.append(f'mkdir -p "$root{PurePosixPath(name).parent}"')
            lines.append(f'printf %s {shlex.quote(text)} >"$root{name}"; chmod 755 "$root{name}"')
        lines.append('systemd-sysusers --root="$root" 2>/dev/null')
        self._console, terminal = os.openpty()
        os.set_blocking(self._console, False)
        try:
            self._process = subprocess.Popen(
                [
                    "/bin/sh",
                    "-c",
                    f'echo $$ >{shlex.quote(str(self._group))}/cgroup.procs; exec unshare "$@"',
                    "sh",
                    *NAMESPACES,
                    program("bash"),
                    "-c",
                    BOOT,
                    "bash",
                    str(folder),
                    os.ttyname(terminal),
                ],
                env=os.environ
                | {
                    "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
                    "TARGETS": " ".join(TARGETS),
                    "PREPARE": "\n".join(lines),
                    "SYSTEMD": SYSTEMD,
                    "UNIT": unit.name,
                },
                stdin=subprocess.DEVNULL,
                stdout=terminal,
                stderr=terminal,
            )
        finally:
            os.close(terminal)
        self._said = b""

    @property
    def pid(self) -> int:
        """The process ID of systemd, as this machine counts.

        Raises:
            EngineError: systemd did not start.
        """
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        with suppress(OSError):
            if found := children.read_text().split():
                return int(found[0])
        raise EngineError(f"systemd does not run:\n{self.log()}")

    def log(self) -> str:
        """Return what systemd wrote to its console."""
        with suppress(OSError):
            while chunk := os.read(self._console, 1 << 16):
                self._said += chunk
        return self._said.decode(errors="replace")

    def run(self, *command: str) -> str:
        """Run a program of this machine in the namespaces of systemd; return its output.

        Raises:
            EngineError: The program failed.
        """
        done = subprocess.run(
            [program("nsenter"), f"--target={self.pid}", "--all", "--", *command],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        if done.returncode:
            raise EngineError(f"{command}: {done.stdout}{done.stderr}\n{self.log()}")
        return done.stdout

    def shown(self, name: str) -> str:
        """Return one property of the unit (``systemctl show``)."""
        return self.run("systemctl", "show", self._unit, "--property", name, "--value").strip()

    def await_state(self, state: str) -> None:
        """Wait until the unit has this ``ActiveState``.

        Raises:
            EngineError: The unit failed.
        """

        def reached() -> bool:
            try:
                now = self.shown("ActiveState")
            except EngineError:
                if self._process.poll() is None:
                    return False  # systemd does not listen yet
                raise
            if now == "failed":
                raise EngineError(f"{self._unit} failed:\n{self.log()}")
            return now == state

        until(reached)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """End systemd and everything that it started."""
        # The end of process 1 ends the namespace.
        with suppress(EngineError, ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self._process.wait(PATIENCE_S)
        os.close(self._console)
        for folder, _, _ in os.walk(self._group, topdown=False):
            until(partial(_removed, Path(folder)))


def _removed(folder: Path) -> bool:
    """Remove a control group; return whether it is gone. A process may take a moment to end."""
    with suppress(OSError):
        folder.rmdir()
    return not folder.exists()


def _unified_groups() -> Path:
    """Return the folder of the control groups of version 2.

    Raises:
        EngineError: This machine has none.
    """
    found = re.search(r"^\S+ (\S+) cgroup2 ", Path("/proc/mounts").read_text(), re.MULTILINE)
    if found is None:
        raise EngineError("this machine has no control groups of version 2")
    return Path(found[1])
