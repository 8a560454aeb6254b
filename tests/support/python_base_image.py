"""The file system of a base image with Python, as a replacement for python:3.13-slim.

The base image has the Python that runs the tests, and the programs that a build needs. All files
are copied from this machine, so that no image has to be pulled.
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
"""The folder where Debian keeps pip for ``python -m venv``."""
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
"""System libraries that a wheel may expect to find (PEP 599)."""
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
"""Folders that are links into /usr, as in Debian."""
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
"""A pattern for pip's network settings; the build copies these settings of this machine."""


def write(target: Path) -> None:
    """Write the base image's file system as a tar."""
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
        members = {
            _place(path): path
            for path in (
                python,
                *map(Path, PROGRAMS),
                Path("/etc/login.defs"),
                *_below(library),
                *_below(WHEELS),
            )
        }
        members |= {_place(path): path for path in _needed(members.values())}
        if "cert" in settings:
            members[Path(settings["cert"])] = Path(settings["cert"])
        for place, path in sorted(members.items()):
            tar.add(path, str(place), filter=_owned_by_root)


def _below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.is_dir():
            if path.name not in LEFT_OUT and not path.name.startswith("config-"):
                yield from _below(path)
        elif path.is_file():
            yield path


def _needed(files: Iterable[Path]) -> set[Path]:
    """Return the shared libraries that these programs and extension modules need."""
    binaries = [
        str(path)
        for path in files
        if path.suffix == ".so" or (path.stat().st_mode & 0o111 and _is_elf(path))
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
    """Return the path with the links in its folders resolved.

    If the path itself is a link, that link is not resolved.
    """
    return path.parent.resolve() / path.name


def _owned_by_root(info: tarfile.TarInfo) -> tarfile.TarInfo:
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
