"""A program in the place of containerd's client ``ctr``, which keeps its contents in a folder."""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from pathlib import Path

_SCRIPT: Final = """
import json, os, sys, tarfile
folder, words = sys.argv[1], sys.argv[2:]
with open(f"{folder}/log", "a") as log:
    print(json.dumps(words), file=log)
if os.path.exists(f"{folder}/refuse"):
    print("ctr: some noise", file=sys.stderr)
    sys.exit(open(f"{folder}/refuse").read())
while words[0].startswith("--"):
    words = words[2:]
if words[:2] == ["content", "ls"]:
    print("DIGEST SIZE AGE LABELS")
    for name in os.listdir(f"{folder}/contents"):
        print(name, "93B", "1 minute", "-")
elif words[:2] == ["images", "ls"]:
    print("REF TYPE DIGEST SIZE PLATFORMS LABELS")
    for name, digest in json.load(open(f"{folder}/images")).items():
        if f"name=={name}" in words:
            print(name, "application/vnd.oci.image.index.v1+json", digest, "1.0 KiB", "-", "-")
elif words[:2] == ["images", "import"]:
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
        for member in archive:
            if member.name.startswith("blobs/") and member.isfile():
                name = member.name.removeprefix("blobs/").replace("/", ":")
                with open(f"{folder}/contents/{name}", "wb") as file:
                    file.write(archive.extractfile(member).read())
            elif member.name == "index.json":
                index = json.load(archive.extractfile(member))
    images = json.load(open(f"{folder}/images"))
    for one in index["manifests"]:
        images[one["annotations"]["io.containerd.image.name"]] = one["digest"]
    json.dump(images, open(f"{folder}/images", "w"))
"""


@final
class FakeCtr:
    """A containerd without a daemon.

    Args:
        folder: A new folder.
    """

    def __init__(self, folder: Path) -> None:
        (folder / "contents").mkdir(parents=True)
        (folder / "images").write_text("{}")
        (folder / "ctr.py").write_text(_SCRIPT)
        self._folder = folder

    @property
    def program(self) -> str:
        """The value of ``STORECTL_CTR``."""
        return shlex.join((sys.executable, str(self._folder / "ctr.py"), str(self._folder)))

    @property
    def images(self) -> dict[str, str]:
        """The digest of each image by its name."""
        found: dict[str, str] = json.loads((self._folder / "images").read_text())
        return found

    @property
    def contents(self) -> set[str]:
        """The digests of all contents."""
        return {path.name for path in (self._folder / "contents").iterdir()}

    def calls(self) -> list[list[str]]:
        """Return the arguments of every call."""
        return [json.loads(line) for line in (self._folder / "log").read_text().splitlines()]

    def refuse(self, message: str) -> None:
        """End every call with an error."""
        (self._folder / "refuse").write_text(message)

    def forget(self, digest: str) -> None:
        """Remove a content."""
        (self._folder / "contents" / digest).unlink()
