"""The file system of a base image.

The Python that runs the tests and the few programs that a build needs, as they are on this machine.

It stands in for python:3.13-slim where there is no registry to pull that from.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PROGRAMS: Final = ("/bin/sh", "/usr/bin/install", "/usr/sbin/useradd")
WHEELS: Final = Path("/usr/share/python-wheels")
"""Where Debian keeps pip for ``python -m venv``."""
LIBRARIES: Final = (
    "libc.so.6",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
    "libstdc++.so.6",
    "libutil.so.1",
)
"""What wheels may count on (PEP 599)."""
LEFT_OUT: Final = frozenset(
    {
        "test",
        "tests",
        "idlelib",
        "tkinter",
        "turtledemo",
        "__pycache__",
        "site-packages",
        "dist-packages",
    }
)
MERGED: Final = ("bin", "lib", "lib64", "sbin")
"""Links into /usr, as in Debian."""
FILES: Final = {
    "etc/passwd": ("root:x:0:0:root:/root:/bin/sh\n", 0o644),
    "etc/group": ("root:x:0:\n", 0o644),
    "etc/shadow": ("root:*:19000:0:99999:7:::\n", 0o600),
    "etc/gshadow": ("root:*::\n", 0o600),
    "etc/nsswitch.conf": ("passwd: files\ngroup: files\nhosts: files dns\n", 0o644),
}
PIP_SETTINGS: Final = re.compile(
    r"^(?:global|:env:|install)\.((?:extra-)?index-url|cert|proxy|trusted-host|timeout)='(.*)'$",
    re.MULTILINE,
)
"""What of this machine's pip settings counts for its network: the build needs it as much."""


def write(target: Path) -> None:
    """Write it as a tar."""
    with tarfile.open(target, "w", dereference=True) as tar:
        for name in (
            "etc",
            "tmp",
            "var",
            "var/lib",
            "usr",
            *(f"usr/{name}" for name in MERGED),
            "usr/local",
            "usr/local/bin",
        ):
            _folder(tar, name, 0o1777 if name == "tmp" else 0o755)
        for name in MERGED:
            _link(tar, name, f"usr/{name}")
        python = Path(sys._base_executable).resolve()  # type: ignore[attr-defined]
        _link(tar, "usr/local/bin/python", str(python))
        for name, (text, mode) in FILES.items():
            _text(tar, name, text, mode)
        settings: dict[str, str] = dict(
            PIP_SETTINGS.findall(_run(sys.executable, "-m", "pip", "config", "list"))
        )
        _text(
            tar,
            "etc/pip.conf",
            "".join(("[global]\n", *(f"{name} = {value}\n" for name, value in settings.items()))),
        )
        library = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix}))
        there = {
            _place(one): one
            for one in (
                python,
                *map(Path, PROGRAMS),
                Path("/etc/login.defs"),
                *_below(library),
                *_below(WHEELS),
            )
        }
        there |= {_place(one): one for one in _needed(there.values())}
        if "cert" in settings:
            there[Path(settings["cert"])] = Path(settings["cert"])
        for place, one in sorted(there.items()):
            tar.add(one, str(place), filter=_of_root)


def _below(folder: Path) -> Iterator[Path]:
    for one in sorted(folder.iterdir()) if folder.is_dir() else ():
        if one.is_dir():
            if one.name not in LEFT_OUT and not one.name.startswith("config-"):
                yield from _below(one)
        elif one.is_file():
            yield one


def _needed(files: Iterable[Path]) -> set[Path]:
    """The shared libraries of these programs and modules."""
    binaries = [
        str(one)
        for one in files
        if one.suffix == ".so" or (one.stat().st_mode & 0o111 and _is_elf(one))
    ]
    known = dict(
        re.findall(r"^\t(\S+) \(libc6.* => (/.+)$", _run("/sbin/ldconfig", "-p"), re.MULTILINE)
    )
    binaries += [known[name] for name in LIBRARIES]
    return {Path(known[name]) for name in LIBRARIES} | {
        Path(name)
        for name in re.findall(r"(?:=> |^\t)(/\S+) \(0x", _run("ldd", *binaries), re.MULTILINE)
    }


def _is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _place(path: Path) -> Path:
    """Where it stands once the links of its folders are followed.

    Links to files become what they lead to.
    """
    return path.parent.resolve() / path.name


def _of_root(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    return info


def _folder(tar: tarfile.TarFile, name: str, mode: int) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, mode
    tar.addfile(info)


def _link(tar: tarfile.TarFile, name: str, target: str) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    tar.addfile(info)


def _text(tar: tarfile.TarFile, name: str, text: str, mode: int = 0o644) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(text.encode()), mode
    tar.addfile(info, io.BytesIO(text.encode()))


def _run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
