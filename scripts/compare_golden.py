"""Save the images of every golden archive with ``storectl``, and compare with Docker's archives.

Two saves by Docker may differ in two places (docs/formats/docker-archive.md §3, §4):

- The order of images in an archive of several images. The order also decides which of two equal
  layers becomes a file and which becomes a link. This program names the images in the order of
  Docker's archive, so this difference does not occur.
- The times of directories whose layer is a link. The table reports this difference.
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
IDENTICAL = "byte-identical"
CLOCK_TIMES = "identical except for times from Docker's clock [1]"
REASON = """\
[1] If a layer is a link, Docker sets the time of its directory to the time of the save, so two
    saves by Docker differ as well. storectl uses a time from the image, so two saves of an image
    are equal. All other bytes are the same."""


def main(golden: Path, work: Path) -> int:
    """Compare all golden archives and print a table.

    Args:
        golden: The folder with the archives that Docker wrote.
        work: The folder for the archives that storectl saves.

    Returns:
        The exit code: 1 if an archive differs for a reason other than Docker's clock.
    """
    rows = []
    for archive in sorted(golden.glob("*.tar")):
        saved = work / archive.name
        subprocess.run(["storectl", "save", "-o", str(saved), *names(archive)], check=True)
        size = f"{archive.stat().st_size:,}"
        verdict = compare(archive, saved) or "DIFFERENT"
        rows.append((archive.name, size, short_hash(archive), short_hash(saved), verdict))
    print(f"{'ARCHIVE':22}{'BYTES':>8}  {'SHA-256, DOCKER':18}{'SHA-256, STORECTL':18}  RESULT")
    for name, size, docker, ours, verdict in rows:
        print(f"{name:22}{size:>8}  {docker:18}{ours:18}  {verdict}")
    verdicts = [row[-1] for row in rows]
    print(f"\n{verdicts.count(IDENTICAL)} of {len(rows)} archives are {IDENTICAL}.")
    if CLOCK_TIMES in verdicts:
        print(REASON)
    return 1 if "DIFFERENT" in verdicts else 0


def short_hash(path: Path) -> str:
    """Return the first 16 digits of a file's SHA-256, enough to compare by eye."""
    return f"{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"


def names(archive: Path) -> list[str]:
    """Return the images' tags in the archive's order; an image without tags is named by its ID."""
    with tarfile.open(archive) as tar:
        entries = json.load(tar.extractfile("manifest.json") or sys.stdin)
    return [
        name
        for entry in entries
        for name in (entry["RepoTags"] or [entry["Config"].removesuffix(".json")])
    ]


def compare(wanted: Path, got: Path) -> str | None:
    """Return the verdict on two archives: `IDENTICAL`, `CLOCK_TIMES`, or None if they differ."""
    if wanted.read_bytes() == got.read_bytes():
        return IDENTICAL
    try:
        if without_link_times(wanted) == without_link_times(got):
            return CLOCK_TIMES
    except tarfile.TarError:
        return None
    return None


def without_link_times(archive: Path) -> list[tuple[bytes, bytes]]:
    """Return an archive's bytes, without the times of directories whose layer is a link.

    The list has the header and the padded data of each member, then the bytes after the last
    member. In each header, time and checksum are zero. The member's time is appended to the header,
    unless the member belongs to a directory whose layer is a link.
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
