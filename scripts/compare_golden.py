"""Saves every golden archive's images with ``storectl`` and compares the result with the file Docker wrote.

Docker itself is random in two places (docs/formats/docker-archive.md §3, §4): the order of images in an archive of several, which also decides which of two
equal layers is the file and which the link; and the times of directories whose layer is a link. Where that is all, it is said.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tarfile
from pathlib import Path

BLOCK = 512
TIME_AND_CHECKSUM = slice(136, 156)


def main(golden: Path, work: Path) -> int:
    """Compare all of them; the exit code."""
    failed = 0
    for archive in sorted(golden.glob("*.tar")):
        saved = work / archive.name
        subprocess.run(["storectl", "save", "-o", str(saved), *names(archive)], check=True)
        verdict = compare(archive, saved)
        failed += verdict is None
        print(f"  {'DIFFERENT' if verdict is None else verdict:44}  {archive.name:22} sha256 {hashlib.sha256(saved.read_bytes()).hexdigest()[:16]}…")
    return 1 if failed else 0


def names(archive: Path) -> list[str]:
    """What to save, in the archive's order: its tags, or the IDs of images without any."""
    with tarfile.open(archive) as tar:
        entries = json.load(tar.extractfile("manifest.json") or sys.stdin)
    return [name for entry in entries for name in (entry["RepoTags"] or [entry["Config"].removesuffix(".json")])]


def compare(wanted: Path, got: Path) -> str | None:
    """How two archives are equal; None when they are not."""
    if wanted.read_bytes() == got.read_bytes():
        return "byte for byte"
    if without_link_times(wanted) == without_link_times(got):
        return "byte for byte but the time of the links"
    return None


def without_link_times(archive: Path) -> list[tuple[bytes, bytes]]:
    """Every member's header and data, without the time of directories whose layer is a link (a late time has a PAX header, which counts as time)."""
    data = archive.read_bytes()
    with tarfile.open(archive) as tar:
        members = tar.getmembers()
    linked = {member.name.partition("/")[0] for member in members if member.issym()}
    found = []
    for member in members:
        header = bytearray(data[member.offset_data - BLOCK : member.offset_data])
        time = b"linked" if member.name.partition("/")[0] in linked else str(member.mtime).encode()
        header[TIME_AND_CHECKSUM] = bytes(20)
        found.append((bytes(header) + time, data[member.offset_data : member.offset_data + member.size]))
    return found


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), Path(sys.argv[2])))
