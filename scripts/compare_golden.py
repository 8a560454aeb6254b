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
    print(f"  {'':39} {'what storectl saved':22} {'what Docker saved':22}")
    for archive in sorted(golden.glob("*.tar")):
        saved = work / archive.name
        subprocess.run(["storectl", "save", "-o", str(saved), *names(archive)], check=True)
        verdict = compare(archive, saved)
        failed += verdict is None
        print(
            f"  {archive.name:22} sha256 of file: {short_hash(saved):22} {short_hash(archive):22} {verdict or 'DIFFERENT'}"
        )
    return 1 if failed else 0


def short_hash(path: Path) -> str:
    """Enough of a file's SHA-256 to compare by eye."""
    return f"{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}…"


def names(archive: Path) -> list[str]:
    """What to save, in the archive's order: its tags, or the IDs of images without any."""
    with tarfile.open(archive) as tar:
        entries = json.load(tar.extractfile("manifest.json") or sys.stdin)
    return [
        name
        for entry in entries
        for name in (entry["RepoTags"] or [entry["Config"].removesuffix(".json")])
    ]


def compare(wanted: Path, got: Path) -> str | None:
    """How two archives are equal; None when they are not."""
    if wanted.read_bytes() == got.read_bytes():
        return "equal, byte for byte"
    try:
        pieces = without_link_times(wanted)
        if pieces == without_link_times(got):
            return f"{len(pieces) - 1} members equal, but Docker dated linked layers by its clock"
    except tarfile.TarError:
        return None
    return None


def without_link_times(archive: Path) -> list[tuple[bytes, bytes]]:
    """Every member's header and padded data, then what follows the last; the time is left out for directories whose layer is a link.

    A time too late for the header stands in a PAX header before it; that one counts as the time.
    """
    data = archive.read_bytes()
    with tarfile.open(archive) as tar:
        members = tar.getmembers()
    linked = {member.name.partition("/")[0] for member in members if member.issym()}
    found = []
    end = 0
    for member in members:
        header = bytearray(data[member.offset_data - BLOCK : member.offset_data])
        time = b"linked" if member.name.partition("/")[0] in linked else str(member.mtime).encode()
        header[TIME_AND_CHECKSUM] = bytes(20)
        end = member.offset_data + -(-member.size // BLOCK) * BLOCK
        found.append((bytes(header) + time, data[member.offset_data : end]))
    return [*found, (b"", data[end:])]


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), Path(sys.argv[2])))
