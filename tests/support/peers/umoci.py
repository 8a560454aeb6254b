"""umoci, which reads and writes image layouts in folders."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.peers.process import Programs


@final
class Umoci:
    """umoci, which stores nothing outside the layouts."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs

    def version(self) -> str:
        """Return umoci's version."""
        return self._programs.run("umoci", "--version").split()[-1]

    def run(self, *words: str | Path) -> str:
        """Run a umoci command; return its output.

        Raises:
            PeerRefusal: The command failed.
        """
        return self._programs.run("umoci", *words)

    def unpack(self, layout: Path, tag: str, bundle: Path) -> str:
        """Unpack an image; return the digest of the manifest that umoci chose.

        Raises:
            PeerRefusal: The command failed.
        """
        self.run("unpack", "--image", f"{layout}:{tag}", bundle)
        record = json.loads((bundle / "umoci.json").read_text())
        digest: str = record["from_descriptor_path"]["descriptor_walk"][-1]["digest"]
        return digest
